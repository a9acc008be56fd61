"""What runs a task: `processes`, or `accepted`, which starts none; a container engine fits the same seam."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from local.mesos.agent.sandbox import Sandbox
from local.mesos.agent.task_info import TaskInfo


class LaunchError(Exception):
    """The container could not be started; the text is the task's failure message."""


@dataclass(frozen=True)
class ContainerSpec:
    """One container to launch.

    Attributes:
        id: uuid of the container.
        task: what to run.
        sandbox: its folder, with everything fetched already there.
        environment: what the framework, the agent and Mesos set; the containerizer adds what an image would bring.
    """

    id: str
    task: TaskInfo
    sandbox: Sandbox
    environment: dict[str, str]


class Container(Protocol):
    async def wait(self) -> int:
        """The exit status, negative for a signal, once nothing of the container runs any more."""
        ...

    async def kill(self, grace_s: float) -> None:
        """SIGTERM to the first process now, SIGKILL to all after ``grace_s``; returns when the container has ended.

        A second call may shorten the grace, never lengthen it.
        """
        ...


class Containerizer(Protocol):
    @property
    def starts_tasks(self) -> bool:
        """Whether anything runs: where not, nothing is fetched, and no health check finds anybody to ask."""
        ...

    @property
    def survives(self) -> bool:
        """Whether containers outlive a server that is killed, so that `recover` finds them."""
        ...

    async def pull(self, task: TaskInfo) -> None:
        """Make the task's image present.

        Raises:
            LaunchError: there is no such image.
        """
        ...

    async def launch(self, spec: ContainerSpec) -> Container:
        """Start the container.

        Raises:
            LaunchError: it cannot be started.
        """
        ...

    async def recover(self, spec: ContainerSpec) -> Container | None:
        """The container that an earlier server launched for this very spec, whether it still runs or has ended.

        None where there is none: it was never started, or its machine was started anew. What is recovered is waited
        for and killed like any other, and its exit status is its own, not that of whoever found it.
        """
        ...

    async def end_leftovers(self, known: Collection[str]) -> None:
        """End at once every container of this work folder that an earlier server left and nobody knows any more.

        Args:
            known: ids of the containers that stay, `ContainerSpec.id`.
        """
        ...

    async def close(self) -> None:
        """Release what the containerizer itself holds; containers have ended before."""
        ...
