"""A whole cluster in the test's own process, with real HTTP and real tasks."""

import asyncio
import io
import tarfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from local.mesos.agent.agent import Machine
from local.mesos.serve import Marathon, Settings

DEADLINE_S = 15.0


@dataclass
class Answer:
    status: int
    body: Any
    headers: dict[str, str]


@dataclass
class Cluster:
    """Marathon on a port of its own, and the client that tests use."""

    marathon: Marathon
    url: str
    session: aiohttp.ClientSession
    work_dir: Path

    async def call(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> Answer:
        async with self.session.request(method, self.url + path, json=body, headers=headers) as response:
            text = await response.text()
            is_json = response.content_type == "application/json"
            return Answer(
                response.status, await response.json() if is_json and text else text, dict(response.headers)
            )

    async def app(self, app_id: str) -> dict[str, Any]:
        return (await self.call("GET", f"/v2/apps{app_id}")).body["app"]

    async def tasks(self, app_id: str) -> list[dict[str, Any]]:
        return (await self.call("GET", f"/v2/apps{app_id}/tasks")).body["tasks"]

    async def put(self, app_id: str, query: str = "", **fields: object) -> Answer:
        document: dict[str, object] = {"cpus": 0.1, "mem": 16, **fields}
        answer = await self.call("PUT", f"/v2/apps{app_id}{query}", document)
        assert answer.status in {200, 201}, answer.body
        return answer

    async def deploy(self, app_id: str, **fields: Any) -> Answer:
        """PUT an app and wait for its deployment to leave the list."""
        answer = await self.put(app_id, **fields)
        await self.settled(answer.body["deploymentId"])
        return answer

    async def settled(self, deployment_id: str) -> None:
        async def gone() -> bool:
            running = (await self.call("GET", "/v2/deployments")).body
            return deployment_id not in {each["id"] for each in running}

        await until(gone, f"deployment {deployment_id} to end")

    async def running(self, app_id: str, count: int) -> list[dict[str, Any]]:
        """Wait until exactly so many tasks run, and give them."""

        async def enough() -> bool:
            states = [each["state"] for each in await self.tasks(app_id)]
            return states == ["TASK_RUNNING"] * count

        await until(enough, f"{count} running tasks of {app_id}")
        return await self.tasks(app_id)

    async def failure(self, app_id: str) -> dict[str, Any]:
        """Wait for the app's last task failure, and give it."""

        async def failed() -> bool:
            return "lastTaskFailure" in await self.app(app_id)

        await until(failed, f"a failure of {app_id}")
        return (await self.app(app_id))["lastTaskFailure"]

    def sandbox(self, task_id: str) -> Path:
        """The folder of a task's newest run."""
        (runs,) = self.work_dir.glob(f"slaves/*/frameworks/*/executors/{task_id}/runs")
        return (runs / "latest").resolve()

    async def output(self, task_id: str, expected: str) -> str:
        """Wait until a task has printed something, and give all it printed."""

        async def printed() -> bool:
            return expected in (self.sandbox(task_id) / "stdout").read_text()

        await until(printed, f"'{expected}' in the output of {task_id}")
        return (self.sandbox(task_id) / "stdout").read_text()


async def until(holds: Callable[[], Awaitable[bool]], what: str, timeout_s: float = DEADLINE_S) -> None:
    """Poll until a condition holds; fails naming it at the deadline."""
    deadline = time.monotonic() + timeout_s
    while not await holds():
        assert time.monotonic() < deadline, f"waited {timeout_s} s for {what}"
        await asyncio.sleep(0.03)


def a_machine(number: int = 0, **fields: Any) -> Machine:
    defaults: dict[str, Any] = {
        "name": f"machine-{number}",
        "host": f"127.0.2.{number + 1}",
        "cpus": 4.0,
        "mem_mb": 4096.0,
        "disk_mb": 1000.0,
        "ports": range(32000 + 50 * number, 32050 + 50 * number),
        "attributes": {"zone": f"zone-{number}"},
    }
    return Machine(**(defaults | fields))


@asynccontextmanager
async def a_cluster(folder: Path, machines: int = 1, **settings: Any) -> AsyncGenerator[Cluster]:
    """A running cluster; afterwards none of its tasks is left."""
    fields: dict[str, Any] = {"shutdown_grace_s": 1.0, "lost_agent_grace_s": 0.5, **settings}
    marathon = Marathon(Settings(folder / "work", folder / "images", **fields))
    async with marathon.running() as port, aiohttp.ClientSession() as session:
        for number in range(machines):
            marathon.add_machine(a_machine(number))
        yield Cluster(marathon, f"http://127.0.0.1:{port}", session, folder / "work")


def a_tarball(path: Path, files: dict[str, str]) -> Path:
    """A gzipped tarball of text files."""
    with tarfile.open(path, "w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return path


def an_image(images: Path, tag: str) -> Path:
    """The smallest folder that counts as an image; its bin holds one program, ``greet``."""
    programs = images / tag / "venv" / "bin"
    programs.mkdir(parents=True)
    greet = programs / "greet"
    greet.write_text("#!/bin/sh\necho hello from the image\nexec sleep 60\n")
    greet.chmod(0o755)
    (images / tag / "complete").touch()
    return images


def docker(**fields: object) -> dict[str, object]:
    """A container whose image is `an_image`, its sandbox folder ``app`` at ``/var/app``."""
    return {
        "type": "DOCKER",
        "docker": {
            "image": "registry.example:5000/team/worker:1f",
            "parameters": [{"key": "workdir", "value": "/var/app"}],
        },
        "volumes": [{"containerPath": "/var/app", "hostPath": "app", "mode": "RO"}],
        **fields,
    }
