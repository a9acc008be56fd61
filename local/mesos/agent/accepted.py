"""Tasks that are accepted and never started: deployments run their course, and no process, image or file is needed."""

import asyncio
import signal
from collections.abc import Collection

from local.mesos.agent.containerizer import Container, ContainerSpec
from local.mesos.agent.task_info import TaskInfo


class AcceptedTasks:
    """A containerizer that starts nothing. A task runs from its launch until it is killed, which takes no time."""

    starts_tasks = False
    survives = True

    async def pull(self, task: TaskInfo) -> None:
        """Any image will do."""
        del task

    async def launch(self, spec: ContainerSpec) -> Container:
        del spec
        return _Accepted()

    async def recover(self, spec: ContainerSpec) -> Container | None:
        """There as soon as it is asked for: nothing of it can have ended."""
        return await self.launch(spec)

    async def end_leftovers(self, known: Collection[str]) -> None:
        """Nothing is ever left."""
        del known

    async def close(self) -> None:
        """Nothing is held."""


class _Accepted:
    def __init__(self) -> None:
        self._killed = asyncio.Event()

    async def wait(self) -> int:
        await self._killed.wait()
        return -signal.SIGTERM

    async def kill(self, grace_s: float) -> None:
        del grace_s
        self._killed.set()
