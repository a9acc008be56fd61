"""Tasks as processes of this machine, as near to a container as that comes.

Each task is the leader of a session of its own with nothing of the server's environment; its working directory is the
folder that the container's would be; when its first process ends, whatever it left behind ends too, as with the first
process of a PID namespace. Not emulated: the container's file system (absolute paths are this machine's), read-only
mounts, and limits of cpu and memory.
"""

import asyncio
import contextlib
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from local.mesos.agent import watchdog
from local.mesos.agent.containerizer import Container, ContainerSpec, LaunchError
from local.mesos.agent.images import ImageError, find_image
from local.mesos.agent.sandbox import Sandbox
from local.mesos.agent.task_info import TaskInfo, VolumeMount

SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
CONTAINER_SANDBOX = "/mnt/mesos/sandbox"

#: Waits for the go-ahead, so that a task never starts before the watchdog knows it; then becomes the task.
_GATE = 'read -r go || exit 125; exec "$@" </dev/null'


@dataclass
class ProcessContainerizer:
    """Runs tasks as processes.

    Attributes:
        images: folder of virtual environments, one an image tag.
        grace_s: grace the watchdog gives tasks when the server is killed.
    """

    images: Path
    grace_s: float = 5.0
    starts_tasks: bool = field(default=True, init=False)
    _watchdog: subprocess.Popen[str] | None = None
    _running: dict[int, str] = field(default_factory=dict[int, str])

    async def pull(self, task: TaskInfo) -> None:
        if task.image is not None:
            self._environment_of(task.image)

    async def launch(self, spec: ContainerSpec) -> Container:
        task, sandbox = spec.task, spec.sandbox
        _check_user(task.user)
        name = f"mesos-{spec.id}"
        environment = self._base(task, sandbox) | spec.environment
        directory = working_directory(task, sandbox)
        try:
            with sandbox.stdout.open("ab") as out, sandbox.stderr.open("ab") as err:
                process = await asyncio.create_subprocess_exec(
                    "/bin/sh", "-c", _GATE, "task", *_command(task),
                    cwd=directory, env=environment, stdin=subprocess.PIPE, stdout=out, stderr=err,
                    start_new_session=True,
                )  # fmt: skip
        except OSError as error:
            raise LaunchError(f"Failed to launch container: {error}") from error
        container = ProcessContainer(process, name, self._forget)
        self._register(process.pid, name)
        if process.stdin is not None:
            process.stdin.write(b"go\n")
            process.stdin.close()
        return container

    async def close(self) -> None:
        if self._watchdog is not None and self._watchdog.stdin is not None:
            with contextlib.suppress(OSError):
                self._watchdog.stdin.close()
            await asyncio.to_thread(self._watchdog.wait, self.grace_s + 5)
            self._watchdog = None

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

    def _register(self, pid: int, name: str) -> None:
        self._running[pid] = name
        if self._watchdog is None or self._watchdog.poll() is not None:
            self._watchdog = subprocess.Popen(
                [sys.executable, "-I", "-S", watchdog.__file__, str(self.grace_s)],
                stdin=subprocess.PIPE, start_new_session=True, text=True, cwd="/", env={},
            )  # fmt: skip
            self._tell("".join(f"+{each} {container}\n" for each, container in self._running.items()))
        else:
            self._tell(f"+{pid} {name}\n")

    def _forget(self, pid: int) -> None:
        self._running.pop(pid, None)
        self._tell(f"-{pid}\n")

    def _tell(self, lines: str) -> None:
        if self._watchdog is not None and self._watchdog.stdin is not None:
            with contextlib.suppress(OSError):  # a watchdog that died is started anew with the next task
                self._watchdog.stdin.write(lines)
                self._watchdog.stdin.flush()


class ProcessContainer:
    """A running task; `wait` and `kill` may be called from any number of coroutines."""

    def __init__(self, process: asyncio.subprocess.Process, name: str, forget: Callable[[int], None]) -> None:
        self._process = process
        self._name = name
        self._forget = forget
        self._terminated = False
        self._end = asyncio.create_task(self._reap(), name=f"reap {name}")

    @property
    def pid(self) -> int:
        return self._process.pid

    async def wait(self) -> int:
        return await asyncio.shield(self._end)

    async def kill(self, grace_s: float) -> None:
        if not self._terminated and not self._end.done():
            self._terminated = True
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.wait(), grace_s)
        except TimeoutError:
            watchdog.kill_all(self.pid, self._name)
            await self.wait()

    async def _reap(self) -> int:
        status = await self._process.wait()
        await asyncio.to_thread(watchdog.kill_all, self.pid, self._name)
        self._forget(self.pid)
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


def working_directory(task: TaskInfo, sandbox: Sandbox) -> Path:
    """The folder on this machine that stands for the container's working directory.

    That is the ``workdir`` parameter, else the first mount of a relative hostPath, else the sandbox. A relative
    hostPath that nothing fetched is an empty folder, as Docker makes one; so is a working directory outside all mounts.

    Raises:
        LaunchError: a volume has two relative paths, or leaves the sandbox (Mesos, src/docker/docker.cpp).
    """
    mounts = {CONTAINER_SANDBOX: sandbox.path}
    first: Path | None = None
    for volume in task.volumes:
        container_path, source = _mount(volume, sandbox)
        mounts[container_path] = source
        if first is None and not PurePosixPath(volume.host_path).is_absolute():
            first = source
    wanted = next((value for key, value in task.parameters if key in {"workdir", "w"}), None)
    if wanted is None:
        return first or sandbox.path
    for mounted in sorted(mounts, key=len, reverse=True):
        if PurePosixPath(wanted).is_relative_to(mounted):
            return _existing(mounts[mounted] / PurePosixPath(wanted).relative_to(mounted))
    return _existing(sandbox.path / ".rootfs" / wanted.lstrip("/"))


def _mount(volume: VolumeMount, sandbox: Sandbox) -> tuple[str, Path]:
    if PurePosixPath(volume.host_path).is_absolute():
        source = Path(volume.host_path)
        if not PurePosixPath(volume.container_path).is_absolute():
            return f"{CONTAINER_SANDBOX}/{volume.container_path}", source
        return volume.container_path, source
    if not PurePosixPath(volume.container_path).is_absolute():
        raise LaunchError(
            f"Failed to launch container: Failed to create container: hostPath '{volume.host_path}' and containerPath "
            f"'{volume.container_path}' are both relative to the sandbox; make containerPath absolute"
        )
    source = Path(os.path.normpath(sandbox.path / volume.host_path))
    if not source.is_relative_to(sandbox.path):
        raise LaunchError(f"Failed to launch container: hostPath '{volume.host_path}' leaves the sandbox")
    return volume.container_path, _existing(source)


def _existing(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LaunchError(
            f"Failed to launch container: cannot make the folder '{folder}': {error.strerror}"
        ) from error
    return folder
