"""The seam by which something may go wrong on an agent that otherwise would not."""

from typing import Protocol

from local.mesos.agent.sandbox import Sandbox
from local.mesos.agent.task_info import TaskInfo


class Disturbance(Protocol):
    async def before_fetch(self, task: TaskInfo, sandbox: Sandbox) -> None:
        """Called before a task's URIs are fetched, whether there are any or not.

        Raises:
            FetchError: they shall not be had.
        """
        ...

    async def before_pull(self, task: TaskInfo) -> None:
        """Called before a task's image is pulled.

        Raises:
            LaunchError: it shall not be had.
        """
        ...


class Undisturbed:
    """Nothing goes wrong by order."""

    async def before_fetch(self, task: TaskInfo, sandbox: Sandbox) -> None:
        del task, sandbox

    async def before_pull(self, task: TaskInfo) -> None:
        del task
