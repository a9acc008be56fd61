"""Where a container's mounts are on this machine, for a task that is a process of it."""

import os
from pathlib import Path, PurePosixPath

from local.mesos.agent.containerizer import LaunchError
from local.mesos.agent.sandbox import Sandbox
from local.mesos.agent.task_info import TaskInfo, VolumeMount

CONTAINER_SANDBOX = "/mnt/mesos/sandbox"


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
