"""One agent's own HTTP endpoints: ``/state``, ``/files/*`` and ``/health``.

Source: Apache Mesos 1.11, HTTP endpoints: /state, /files/read, /files/browse, /files/download, /health of an agent.
"""

import asyncio
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from local.mesos.agent.agent import Agent
from local.mesos.marathon import ids
from local.mesos.marathon.state import Instance, State, Task
from local.mesos.operator.authentication import asking_for
from local.mesos.operator.sandbox_files import FileError, SandboxFiles
from local.mesos.rest.credentials import Credentials
from local.mesos.rest.loopback_only import loopback_only

MESOS_VERSION = "1.11.0"
FRAMEWORK_NAME = "marathon"


def agent_application(
    agent: Agent,
    state: State,
    work_dir: Path,
    framework_id: str,
    principal: Credentials | None,
    master_host: str,
) -> web.Application:
    """The endpoints of one agent.

    Args:
        agent: whose.
        state: where its tasks are known.
        work_dir: root of all sandboxes.
        framework_id: whose tasks it runs.
        principal: who everybody must be; None asks for nothing.
        master_host: where the leading master is.
    """
    pages = _Pages(agent, state, work_dir, framework_id, master_host)
    doors = [] if principal is None else [asking_for(principal, "mesos-agent-readwrite")]
    application = web.Application(middlewares=[loopback_only, *doors, _file_errors])
    for prefix in ("", "/slave(1)"):
        application.router.add_get(f"{prefix}/state", pages.state)
        application.router.add_get(f"{prefix}/state.json", pages.state)
        application.router.add_get(f"{prefix}/health", pages.health)
    for suffix in ("", ".json"):
        application.router.add_get(f"/files/read{suffix}", pages.read)
        application.router.add_get(f"/files/browse{suffix}", pages.browse)
    return application


@web.middleware
async def _file_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except FileError as error:
        return web.Response(status=error.status, text=str(error))


class _Pages:
    def __init__(
        self, agent: Agent, state: State, work_dir: Path, framework_id: str, master_host: str
    ) -> None:
        self._agent = agent
        self._state = state
        self._framework_id = framework_id
        self._master_host = master_host
        self._files = SandboxFiles(work_dir.resolve() / "slaves" / agent.id / "frameworks")

    async def health(self, _: web.Request) -> web.Response:
        return web.Response()

    async def read(self, request: web.Request) -> web.Response:
        path, offset, length = _path(request), _number(request, "offset"), _number(request, "length")
        if offset is not None and offset < -1:
            raise FileError(f"Negative offset provided: {offset}.\n", 400)
        if length is not None and length < 0:
            length = None
        return web.json_response(
            await asyncio.to_thread(self._files.read, path, -1 if offset is None else offset, length)
        )

    async def browse(self, request: web.Request) -> web.Response:
        return web.json_response(await asyncio.to_thread(self._files.browse, _path(request)))

    async def state(self, _: web.Request) -> web.Response:
        sandboxes = await asyncio.to_thread(self._files.executors)
        directories = {task_id: folder for _, task_id, folder in sandboxes}
        running = {
            task.id: (each, task) for each, task in self._state.tasks() if task.agent_id == self._agent.id
        }
        machine = self._agent.machine
        framework = {
            "id": self._framework_id,
            "name": FRAMEWORK_NAME,
            "role": "*",
            "executors": [
                self._executor(task_id, directories.get(task_id), [self._task(instance, task)])
                for task_id, (instance, task) in running.items()
            ],
            "completed_executors": [
                self._executor(task_id, folder, [])
                for task_id, folder in directories.items()
                if task_id not in running
            ],
        }
        return web.json_response(
            {
                "version": MESOS_VERSION,
                "id": self._agent.id,
                "hostname": machine.host,
                "master_hostname": self._master_host,
                "attributes": dict(machine.attributes),
                "resources": {
                    "cpus": machine.cpus,
                    "mem": machine.mem_mb,
                    "disk": machine.disk_mb,
                    "ports": f"[{machine.ports.start}-{machine.ports.stop - 1}]",
                },
                "flags": {"work_dir": str(self._files.frameworks.parents[2])},
                "frameworks": [framework] if running else [],
                "completed_frameworks": [] if running else [framework],
            }
        )

    def _task(self, instance: Instance, task: Task) -> dict[str, Any]:
        app = instance.run_spec.app
        return {
            "id": task.id,
            "name": app.id.strip("/").replace("/", "."),
            "framework_id": self._framework_id,
            "executor_id": "",
            "slave_id": self._agent.id,
            "state": str(task.state),
            "resources": {"cpus": app.cpus, "mem": app.mem, "disk": app.disk, "gpus": app.gpus},
            "role": app.role,
        }

    @staticmethod
    def _executor(task_id: str, folder: Path | None, tasks: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": task_id,
            "name": f"Command Executor (Task: {task_id}) (Command: sh -c '...')",
            "source": task_id,
            "container": folder.name if folder else "",
            "directory": str(folder) if folder else "",
            "tasks": tasks,
            "queued_tasks": [],
            "completed_tasks": []
            if tasks
            else [{"id": task_id, "name": ids.instance_of(task_id) or task_id}],
        }


def _path(request: web.Request) -> str:
    path = request.query.get("path")
    if not path:
        raise FileError("Expecting 'path=value' in query.\n", 400)
    return path


def _number(request: web.Request, name: str) -> int | None:
    text = request.query.get(name)
    if text is None or text == "":
        return None
    try:
        return int(text)
    except ValueError:
        raise FileError(f"Failed to parse {name}: '{text}'.\n", 400) from None
