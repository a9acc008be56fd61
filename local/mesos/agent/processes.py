"""Tasks as processes of this machine, as near to a container as that comes.

Each task is the leader of a session of its own with nothing of the server's environment; its working directory is the
folder that the container's would be; when its first process ends, whatever it left behind ends too, as with the first
process of a PID namespace. Not emulated: the container's file system (absolute paths are this machine's), read-only
mounts, and limits of cpu and memory.
"""

import asyncio
import contextlib
import logging
import os
import pwd
import signal
import sys
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from local.mesos.agent import executor
from local.mesos.agent.containerizer import Container, ContainerSpec, LaunchError
from local.mesos.agent.images import ImageError, find_image
from local.mesos.agent.inside import run_beside
from local.mesos.agent.mounts import working_directory
from local.mesos.agent.runs import RunFolder, all_runs, run_of, stand_by
from local.mesos.agent.sandbox import Sandbox
from local.mesos.agent.task_info import TaskInfo

SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"

_START_TIMEOUT_S = 30.0
#: How much longer than a task's grace its executor may take to end it.
_EXECUTOR_SLACK_S = 15.0

_log = logging.getLogger(__name__)


@dataclass
class ProcessContainerizer:
    """Runs tasks as processes, each under an `executor` of its own.

    Attributes:
        images: folder of virtual environments, one an image tag.
        grace_s: grace that tasks get when they end because no server is there any more.
        recovery_timeout_s: how long tasks run on without a server; 0 ends them with it, however it ends.
        work_dir: where leftovers of earlier servers are looked for; None for nowhere.
    """

    images: Path
    grace_s: float = 5.0
    recovery_timeout_s: float = 0.0
    work_dir: Path | None = None
    starts_tasks: bool = field(default=True, init=False)
    _servers: dict[Path, tuple[Path, int]] = field(default_factory=dict[Path, tuple[Path, int]], init=False)

    @property
    def survives(self) -> bool:
        return self.recovery_timeout_s > 0

    async def pull(self, task: TaskInfo) -> None:
        if task.image is not None:
            self._environment_of(task.image)

    async def launch(self, spec: ContainerSpec) -> Container:
        task, sandbox = spec.task, spec.sandbox
        _check_user(task.user)
        environment, directory = self._surroundings(spec)
        order = executor.Order(
            str(directory), str(sandbox.stdout), str(sandbox.stderr), _name(spec.id),
            self.grace_s, self.recovery_timeout_s, _command(task), environment,
        )  # fmt: skip
        run = run_of(sandbox)
        starting = asyncio.create_task(self._start(run, sandbox.work_dir, order), name=f"start {spec.id}")
        try:
            process = await asyncio.shield(starting)
        except asyncio.CancelledError:  # not left running by nobody's order
            with contextlib.suppress(LaunchError):
                await ProcessContainer(run, order, await starting).kill(0)
            raise
        return ProcessContainer(run, order, process)

    async def recover(self, spec: ContainerSpec) -> Container | None:
        run = run_of(spec.sandbox)
        self._server(spec.sandbox.work_dir)
        await _begun(run)
        if not run.is_held and run.status() is None:  # never started, or its executor was killed
            await asyncio.to_thread(executor.kill_all, None, _name(spec.id))
            return None
        environment, directory = self._surroundings(spec)
        order = executor.Order(
            str(directory), "", "", _name(spec.id), self.grace_s, self.recovery_timeout_s, [], environment
        )
        return ProcessContainer(run, order, None)

    async def end_leftovers(self, known: Collection[str]) -> None:
        if self.work_dir is None:
            return
        left = [each for each in all_runs(self.work_dir) if each.container_id not in known]
        for run in left:
            if run.is_held:
                _log.warning("task of run %s was left behind by an earlier server: ended", run.container_id)
        await asyncio.gather(*(_end(run) for run in left))

    async def close(self) -> None:
        """Executors that are left find no server any more."""
        while self._servers:
            _, (_, descriptor) = self._servers.popitem()
            os.close(descriptor)

    def _server(self, work_dir: Path) -> Path:
        if work_dir not in self._servers:
            self._servers[work_dir] = stand_by(work_dir)
        return self._servers[work_dir][0]

    async def _start(
        self, run: RunFolder, work_dir: Path, order: executor.Order
    ) -> asyncio.subprocess.Process:
        try:
            packed, server, lock = order.packed(), self._server(work_dir), run.make()
            try:
                with (run.path / "log").open("wb") as log:
                    process = await asyncio.create_subprocess_exec(
                        sys.executable, "-I", "-S", executor.__file__, run.path, server, str(lock),
                        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log,
                        pass_fds=[lock], start_new_session=True, cwd="/", env={},
                    )  # fmt: skip
            finally:
                os.close(lock)
        except (OSError, ValueError) as error:
            raise LaunchError(f"Failed to launch container: {error}") from error
        answer = await _answer(process, packed)
        word, _, text = answer.partition(" ")
        if word != "started":
            raise LaunchError(f"Failed to launch container: {text or 'its executor ended'}")
        return process

    def _surroundings(self, spec: ContainerSpec) -> tuple[dict[str, str], Path]:
        """The task's variables and working directory."""
        return self._base(spec.task, spec.sandbox) | spec.environment, working_directory(
            spec.task, spec.sandbox
        )

    def _environment_of(self, image: str) -> Path:
        try:
            return find_image(self.images, image)
        except ImageError as error:
            raise LaunchError(f"Failed to launch container: Failed to pull image: {error}") from error

    def _base(self, task: TaskInfo, sandbox: Sandbox) -> dict[str, str]:
        own = f"{self._environment_of(task.image) / 'bin'}:" if task.image is not None else ""
        return {
            "PATH": own + SYSTEM_PATH,
            "HOME": str(sandbox.path),
            "LANG": "C.UTF-8",
            "TMPDIR": str(sandbox.temporary),
        }


async def _answer(process: asyncio.subprocess.Process, order: bytes) -> str:
    """What an executor says to its order; empty where it ended instead."""
    if process.stdin is None or process.stdout is None:
        return ""
    with contextlib.suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(_START_TIMEOUT_S):
            process.stdin.write(order)
            await process.stdin.drain()
            process.stdin.close()
            return (await process.stdout.readline()).decode(errors="replace").strip()
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()
    return ""


async def _begun(run: RunFolder) -> None:
    """Wait for an executor whose server was killed while it started: soon it has a task, or it has ended."""
    for _ in range(int(_START_TIMEOUT_S / 0.02)):
        if run.pid() is not None or not run.is_held:
            return
        await asyncio.sleep(0.02)


async def _end(run: RunFolder) -> None:
    """End what is left of a run whose container nobody knows, and its record."""
    deadline = time.monotonic() + _START_TIMEOUT_S
    while run.is_held and time.monotonic() < deadline:
        run.order_kill(0)
        await asyncio.sleep(0.05)
    if run.is_held or run.status() is None:
        await asyncio.to_thread(executor.kill_all, None, _name(run.container_id))
    run.remove()


def _name(container_id: str) -> str:
    return f"mesos-{container_id}"


class ProcessContainer:
    """A running task; `wait` and `kill` may be called from any number of coroutines.

    Args:
        run: its record, where its executor is found.
        order: what it was started with.
        process: the executor, where it is a child of this server.
    """

    def __init__(
        self, run: RunFolder, order: executor.Order, process: asyncio.subprocess.Process | None
    ) -> None:
        self._run = run
        self._order = order
        self._process = process
        self._executor_ended = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._alive = os.open(run.alive, os.O_RDONLY | os.O_NONBLOCK)
        self._loop.add_reader(self._alive, self._hang_up)
        if not run.is_held:  # ended before its FIFO was opened, which tells nothing then
            self._hang_up()
        self._end = asyncio.create_task(self._reap(), name=f"reap {order.container}")

    async def wait(self) -> int:
        return await asyncio.shield(self._end)

    async def execute(self, command: str, timeout_s: float) -> int:
        return await run_beside(command, self._order.environment, Path(self._order.cwd), timeout_s)

    async def kill(self, grace_s: float) -> None:
        deadline = self._loop.time() + grace_s + _EXECUTOR_SLACK_S
        while not self._end.done() and not self._run.order_kill(grace_s) and self._loop.time() < deadline:
            await asyncio.wait({self._end}, timeout=0.05)
        await asyncio.wait({self._end}, timeout=max(0.0, deadline - self._loop.time()))
        if not self._end.done():
            _log.error("executor of %s does not answer: its task is killed", self._order.container)
            await asyncio.to_thread(executor.kill_all, self._run.pid(), self._order.container)
            await self.wait()

    def _hang_up(self) -> None:
        if self._alive >= 0:
            self._loop.remove_reader(self._alive)
            os.close(self._alive)
            self._alive = -1
        self._executor_ended.set()

    async def _reap(self) -> int:
        await self._executor_ended.wait()
        if self._process is not None:
            await self._process.wait()
        status = self._run.status()
        if status is None:
            _log.error("executor of %s was killed: so is its task", self._order.container)
            await asyncio.to_thread(executor.kill_all, self._run.pid(), self._order.container)
            return -signal.SIGKILL
        return status


def _command(task: TaskInfo) -> list[str]:
    if task.command is not None:
        return ["/bin/sh", "-c", task.command]
    if not task.arguments:
        raise LaunchError(
            "Failed to launch container: the app has neither cmd nor args, "
            "and a virtual environment has no command of its own"
        )
    return list(task.arguments)


def _check_user(user: str | None) -> None:
    if user is None:
        return
    try:
        known = pwd.getpwnam(user)
    except KeyError:
        raise LaunchError(f"Failed to launch container: No such user '{user}'") from None
    if known.pw_uid != os.geteuid():
        raise LaunchError(f"Failed to launch container: tasks run as the server's own user, not as '{user}'")
