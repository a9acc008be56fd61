"""Whether tasks run as real containers or as processes, and why."""

import json
import shutil
import subprocess
import sys
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from local.mesos.agent.containerizer import Container, Containerizer, ContainerSpec
from local.mesos.agent.docker import DockerContainerizer
from local.mesos.agent.task_info import TaskInfo

INFO_TIMEOUT_S = 5.0

ContainerizerName = Literal["auto", "docker", "processes"]


class ChoiceError(Exception):
    """Containers cannot be had as they were asked for; the text says why and what to do."""


@dataclass(frozen=True)
class Choice:
    """What tasks run in.

    Attributes:
        docker: real containers; else processes.
        why: one line for whoever reads the log.
    """

    docker: bool
    why: str


def choose(wanted: ContainerizerName, program: str = "docker") -> Choice:
    """Docker when it is wanted or, with ``auto``, when a daemon of this machine answers within five seconds.

    Raises:
        ChoiceError: ``docker`` is wanted, and no daemon of this machine answers.
    """
    if wanted == "processes":
        return Choice(docker=False, why="tasks run as processes: so it was asked for")
    obstacle, version = _daemon(program)
    if obstacle is None:
        return Choice(docker=True, why=f"tasks run as containers: Docker {version} answers")
    if wanted == "docker":
        raise ChoiceError(
            f"tasks cannot run as containers: {obstacle}; --containerizer processes needs no Docker"
        )
    return Choice(docker=False, why=f"tasks run as processes: {obstacle}")


def _daemon(program: str) -> tuple[str | None, str]:
    """What is in the way of containers, and the daemon's version where nothing is."""
    if sys.platform != "linux":
        return "containers need the host's network, which Docker has on Linux only", ""
    if shutil.which(program) is None:
        return f"there is no program '{program}'", ""
    endpoint, obstacle = _ask(program, "context", "inspect", "--format", "{{.Endpoints.docker.Host}}")
    if obstacle is None and not endpoint.startswith("unix://"):
        return f"the daemon at {endpoint} is not of this machine: it cannot mount a sandbox", ""
    said, obstacle = _ask(program, "info", "--format", "{{json .}}")
    return (obstacle, "") if obstacle is not None else _suited(json.loads(said))


def _suited(info: dict[str, Any]) -> tuple[str | None, str]:
    if not info.get("ServerVersion"):
        errors = info.get("ServerErrors") or ["the Docker daemon does not say what it is"]
        return "; ".join(map(str, errors)), ""
    if info.get("OperatingSystem") == "Docker Desktop":
        return "Docker Desktop runs containers in another machine, with a network of its own", ""
    return None, str(info["ServerVersion"])


def _ask(program: str, *arguments: str) -> tuple[str, str | None]:
    try:
        said = subprocess.run(
            [program, *arguments], capture_output=True, text=True, timeout=INFO_TIMEOUT_S, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return "", f"no Docker daemon answers within {INFO_TIMEOUT_S:g} s"
    except OSError as error:
        return "", f"{program}: {error.strerror}"
    if said.returncode != 0:
        lines = said.stderr.strip().splitlines()
        return "", lines[-1] if lines else f"{program} {arguments[0]} ended with status {said.returncode}"
    return said.stdout.strip(), None


@dataclass
class ByImage:
    """Tasks with an image run as containers, those without as processes, as on an agent with both containerizers."""

    containers: DockerContainerizer
    processes: Containerizer
    starts_tasks: bool = field(default=True, init=False)

    @property
    def survives(self) -> bool:
        return self.containers.survives and self.processes.survives

    async def pull(self, task: TaskInfo) -> None:
        await self._of(task).pull(task)

    async def launch(self, spec: ContainerSpec) -> Container:
        return await self._of(spec.task).launch(spec)

    async def recover(self, spec: ContainerSpec) -> Container | None:
        return await self._of(spec.task).recover(spec)

    async def end_leftovers(self, known: Collection[str]) -> None:
        await self.containers.end_leftovers(known)
        await self.processes.end_leftovers(known)

    async def close(self) -> None:
        await self.containers.close()
        await self.processes.close()

    def _of(self, task: TaskInfo) -> Containerizer:
        return self.processes if task.image is None else self.containers


def with_containers(
    processes: Containerizer, work_dir: Path, wanted: ContainerizerName, *, recovery_timeout_s: float
) -> tuple[Containerizer, str]:
    """The containerizer that was wanted, and one line that says which it is and why.

    Args:
        processes: runs tasks without an image, and all of them where there are no containers.
        work_dir: of the server.
        wanted: by whoever started the server.
        recovery_timeout_s: seconds that tasks run on without a server; 0 ends them with it.

    Raises:
        ChoiceError: ``docker`` is wanted and cannot be had.
    """
    choice = choose(wanted)
    if not choice.docker:
        return processes, choice.why
    return ByImage(DockerContainerizer(work_dir.resolve(), recovery_timeout_s), processes), choice.why
