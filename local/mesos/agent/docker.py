"""Tasks as real containers, run by the ``docker`` command line as Mesos' Docker containerizer does.

The app's ``parameters`` are options of ``docker run``, so it is that program that must read them. Image and options
are checked by ``docker create``; ``docker start --attach`` then carries the output into the sandbox's files, from a
session of its own, so that container and output go on when this process is killed. A container is found again by its
name, ``mesos-<uuid>``, and by a label with the server's work folder. Sources: Mesos, src/docker/docker.cpp and
src/docker/executor.cpp.
"""

import asyncio
import contextlib
import json
import logging
import math
import pwd
import subprocess
import sys
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import stamina

from local.mesos.agent import docker_leftovers
from local.mesos.agent.containerizer import Container, ContainerSpec, LaunchError
from local.mesos.agent.docker_cli import DockerCli, DockerError
from local.mesos.agent.docker_options import WORK_DIR_LABEL, container_name, create_options
from local.mesos.agent.sandbox import Sandbox
from local.mesos.agent.task_info import TaskInfo

_log = logging.getLogger(__name__)

PULL_TIMEOUT_S = 900.0
START_TIMEOUT_S = 60.0
#: Of the work folder, held by the server that works there.
LOCK = "lock"
#: A ``docker wait`` is asked again after so long: no call is without an end.
WAIT_TIMEOUT_S = 3600.0
_STOP_MARGIN_S = 30.0
_NEVER = "0001-01-01T"


@dataclass(frozen=True)
class _State:
    """What ``docker inspect`` says of a container."""

    status: str
    started: bool
    running: bool
    exit_code: int
    out_of_memory: bool
    error: str

    @classmethod
    def of(cls, said: dict[str, Any]) -> "_State":
        return cls(
            status=str(said.get("Status", "")),
            started=not str(said.get("StartedAt", _NEVER)).startswith(_NEVER),
            running=bool(said.get("Running")),
            exit_code=int(said.get("ExitCode", 0)),
            out_of_memory=bool(said.get("OOMKilled")),
            error=str(said.get("Error", "")),
        )


@dataclass
class DockerContainerizer:
    """Runs tasks as containers of the daemon that ``docker`` talks to.

    Attributes:
        work_dir: the server's; its absolute path is on every container's label.
        recovery_timeout_s: seconds that containers run on without a server, before a watchdog removes them
            (``--recovery_timeout`` of Mesos); 0 ends them with it, however it ends.
        remove_delay_s: seconds that an ended container stays, so that a server that is started again just then still
            finds how it ended (``--docker_remove_delay`` of Mesos, six hours there).
        cli: the ``docker`` program.
    """

    work_dir: Path
    recovery_timeout_s: float = 0.0
    remove_delay_s: float = 10.0
    cli: DockerCli = field(default_factory=DockerCli)
    starts_tasks: bool = field(default=True, init=False)
    _removals: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]], init=False)
    _watchdog: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def survives(self) -> bool:
        return self.recovery_timeout_s > 0

    async def pull(self, task: TaskInfo) -> None:
        image = str(task.image)
        try:
            if task.force_pull or not await self._has(image):
                await self.cli.call("pull", image, timeout_s=PULL_TIMEOUT_S)
        except DockerError as error:
            raise LaunchError(f"Failed to launch container: {error}") from error

    async def launch(self, spec: ContainerSpec) -> Container:
        name = container_name(spec.id)
        create = create_options(spec, self.work_dir)
        _open_to_the_image(spec.sandbox, spec.task.user)
        self._watch()
        try:
            try:
                with (
                    tempfile.TemporaryFile() as env_file
                ):  # has no name: nothing of it is left, however this ends
                    env_file.write(create.env_file)
                    env_file.seek(0)
                    await self.cli.call("create", *create.arguments, stdin=env_file, more=create.passed)
                return await self._started(name, spec.sandbox)
            except DockerError as error:
                raise LaunchError(f"Failed to launch container: {error}") from error
        except BaseException:
            await asyncio.shield(self._remove(name))
            raise

    async def recover(self, spec: ContainerSpec) -> Container | None:
        """The container that an earlier server launched for this spec, running or ended; None where there is none."""
        name = container_name(spec.id)
        state = await self._inspect(name)
        if state is None:
            return None
        if not state.started:  # killed between create and start
            await self._remove(name)
            return None
        self._watch()
        return DockerContainer(self, name, spec.sandbox, None)

    async def end_leftovers(self, known: Collection[str]) -> None:
        """End and remove the containers of this work folder that nobody knows any more.

        Args:
            known: ids of the containers that are to stay.
        """
        names = {container_name(each) for each in known}
        left = [name for name in await self._ours() if name not in names]
        for name in left:
            _log.warning("container %s was left behind by an earlier server: ended and removed", name)
        await self._remove(*left)

    async def close(self) -> None:
        """Ended containers are removed, and with them whatever else carries this work folder's label."""
        for removal in list(self._removals):
            removal.cancel()
        await asyncio.gather(*self._removals, return_exceptions=True)
        try:
            await self._remove(*await self._ours())
        except DockerError as error:
            _log.error("containers of %s may be left: %s", self.work_dir, error)
        if self._watchdog is not None:
            await asyncio.to_thread(docker_leftovers.dismiss, self._watchdog)
            self._watchdog = None

    async def inspect(self, name: str) -> _State | None:
        """State of a container, None when there is none; a daemon that restarts is waited for."""
        async for attempt in stamina.retry_context(on=_is_passing, attempts=6, timeout=45.0):
            with attempt:
                return await self._inspect(name)
        raise AssertionError  # the last attempt raises or returns

    def remove_later(self, name: str) -> None:
        removal = asyncio.create_task(self._remove_after_a_while(name), name=f"remove {name}")
        self._removals.add(removal)
        removal.add_done_callback(self._removals.discard)

    async def _remove_after_a_while(self, name: str) -> None:
        await asyncio.sleep(self.remove_delay_s if self.survives else 0)
        try:
            await self._remove(name)
        except DockerError as error:
            _log.warning("%s", error)

    async def _started(self, name: str, sandbox: Sandbox) -> Container:
        with sandbox.stdout.open("ab") as out, sandbox.stderr.open("ab") as err:
            client = await self.cli.attached(name, out, err)
        pause, ended = 0.02, asyncio.create_task(client.wait())
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                while True:
                    over = ended.done()
                    state = await self._inspect(name)
                    if state is not None and state.started:
                        return DockerContainer(self, name, sandbox, client)
                    if over:
                        raise LaunchError(
                            "Failed to launch container: Failed to run container: "
                            + ((state and state.error) or _last_line(sandbox.stderr))
                        )
                    await asyncio.wait({ended}, timeout=pause)
                    pause = min(pause * 2, 1.0)
        except TimeoutError:
            raise LaunchError(
                f"Failed to launch container: the Docker daemon did not start it within {START_TIMEOUT_S:g} s"
            ) from None

    async def _has(self, image: str) -> bool:
        try:
            await self.cli.call("image", "inspect", "--format", "{{.Id}}", image)
        except DockerError as error:
            if error.nothing_there:
                return False
            raise
        return True

    async def _inspect(self, name: str) -> _State | None:
        try:
            said = await self.cli.call("container", "inspect", "--format", "{{json .State}}", name)
        except DockerError as error:
            if error.nothing_there:
                return None
            raise
        return _State.of(json.loads(said))

    async def _ours(self) -> list[str]:
        label = f"label={WORK_DIR_LABEL}={self.work_dir}"
        return (await self.cli.call("ps", "--all", "--filter", label, "--format", "{{.Names}}")).split()

    async def _remove(self, *names: str) -> None:
        if not names:
            return
        try:
            await self.cli.call("rm", "--force", "--volumes", *names)
        except DockerError as error:
            if not error.nothing_there and "already in progress" not in error.said:
                raise

    def _watch(self) -> None:
        if self._watchdog is None or self._watchdog.poll() is not None:
            program, label = [sys.executable, self.cli.program], f"{WORK_DIR_LABEL}={self.work_dir}"
            lock = self.work_dir / LOCK if self.survives else None
            self._watchdog = docker_leftovers.watch(
                program, self.cli.environment, label, self.recovery_timeout_s, lock
            )


class DockerContainer:
    """A started container; `wait` and `kill` may be called from any number of coroutines.

    Args:
        engine: which launched or recovered it.
        name: of the container.
        sandbox: of the task.
        client: the process that carries its output; None for one that an earlier server started.
    """

    def __init__(
        self,
        engine: DockerContainerizer,
        name: str,
        sandbox: Sandbox,
        client: asyncio.subprocess.Process | None,
    ) -> None:
        self._engine = engine
        self._name = name
        self._sandbox = sandbox
        self._client = client
        self._stopping: asyncio.Task[None] | None = None
        self._end = asyncio.create_task(self._reap(), name=f"reap {name}")

    async def wait(self) -> int:
        return await asyncio.shield(self._end)

    async def kill(self, grace_s: float) -> None:
        if self._stopping is None and not self._end.done():
            self._stopping = asyncio.create_task(self._stop(grace_s), name=f"stop {self._name}")
        try:
            await asyncio.wait_for(self.wait(), grace_s + 1)  # the daemon counts whole seconds
        except TimeoutError:
            await self._call("kill", self._name)
            await self.wait()
        if self._stopping is not None:
            await asyncio.gather(self._stopping, return_exceptions=True)

    async def execute(self, command: str, timeout_s: float) -> int:
        """See `inside.RunsCommands`."""
        return await self._engine.cli.execute(self._name, command, timeout_s)

    async def _stop(self, grace_s: float) -> None:
        grace = math.ceil(grace_s)
        await self._call("stop", "--time", str(grace), self._name, timeout_s=grace + _STOP_MARGIN_S)

    async def _call(self, *arguments: str, timeout_s: float = 60.0) -> None:
        try:
            await self._engine.cli.call(*arguments, timeout_s=timeout_s)
        except DockerError as error:
            if not error.nothing_there and "is not running" not in error.said:
                _log.warning("%s", error)

    async def _reap(self) -> int:
        try:
            if self._client is not None:
                await self._client.wait()
            state = await self._ended_state()
        except DockerError as error:
            self._note(f"the container's end could not be seen: {error}")
            raise
        if state is None:  # removed by hand: how it ended is not known
            self._note("the container was removed by somebody else")
            return 137
        if state.out_of_memory:
            self._note("Memory limit exceeded: the kernel ended the container's process")
        self._engine.remove_later(self._name)
        return state.exit_code

    async def _ended_state(self) -> _State | None:
        while True:
            state = await self._engine.inspect(self._name)
            if state is None or not state.running:
                return state
            # One that an earlier server started, or whose client was killed.
            with contextlib.suppress(DockerError):
                await self._engine.cli.call("wait", self._name, timeout_s=WAIT_TIMEOUT_S)

    def _note(self, line: str) -> None:
        with contextlib.suppress(OSError):
            self._sandbox.note(line)
        _log.info("%s: %s", self._name, line)


def _is_passing(error: Exception) -> bool:
    return isinstance(error, DockerError)


def _open_to_the_image(sandbox: Sandbox, user: str | None) -> None:
    """The image's own user can read the sandbox. It belongs to the server's user, the only one that a task may name."""
    if user is not None:
        try:
            pwd.getpwnam(user)
        except KeyError:
            raise LaunchError(f"Failed to launch container: No such user '{user}'") from None
    try:
        sandbox.path.chmod(0o755)
    except OSError as error:
        raise LaunchError(f"Failed to launch container: '{sandbox.path}': {error.strerror}") from error


def _last_line(log: Path) -> str:
    try:
        lines: Sequence[str] = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        lines = ()
    told = [line for line in lines if line.startswith("Error")] or lines
    return told[-1] if told else "the daemon said nothing"
