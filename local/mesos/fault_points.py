"""Where faults act inside the cluster: on agents, on pulls and on the health of tasks."""

import asyncio
from collections.abc import Awaitable, Callable

from local.mesos.agent.agent import Agent
from local.mesos.agent.containerizer import LaunchError
from local.mesos.agent.fetcher import FetchError
from local.mesos.agent.sandbox import Sandbox
from local.mesos.agent.task_info import TaskInfo, TaskState
from local.mesos.faults import Fault, Faults
from local.mesos.marathon import ids
from local.mesos.marathon.scheduler import Scheduler


class FaultPoints:
    """The agents' side of the faults in force.

    Args:
        faults: in force.
        scheduler: whose tasks they befall.
    """

    def __init__(self, faults: Faults, scheduler: Scheduler) -> None:
        self._faults = faults
        self._scheduler = scheduler
        self._doomed: set[str] = set()

    def _app_of(self, task_id: str) -> str:
        instance = self._scheduler.state.by_task(task_id)
        return (
            instance.app_id
            if instance
            else ids.canonical(task_id.partition(".instance-")[0].replace("_", "/"))
        )

    def dooms(self, task_id: str) -> bool:
        """Whether a task shall never be healthy."""
        return task_id in self._doomed

    async def before_fetch(self, task: TaskInfo, sandbox: Sandbox) -> None:
        """`Disturbance.before_fetch`"""
        app_id, where = self._app_of(task.task_id), f"task {task.task_id}"
        instance = self._scheduler.state.by_task(task.task_id)
        if instance is not None and self._faults.take("never-healthy", app_id, where=where):
            self._doomed.add(task.task_id)
            instance.ready = False  # what holds up a deployment of an app without health checks, too
        if slow := self._faults.take("slow-fetch", app_id, where=where):
            await asyncio.sleep(slow.seconds or 0)
        if self._faults.take("disk-full", app_id, where=where):
            uri = task.uris[0].value if task.uris else ""
            raise FetchError(
                f"Failed to fetch '{uri}': No space left on device for the sandbox '{sandbox.path}'"
            )

    async def before_pull(self, task: TaskInfo) -> None:
        """`Disturbance.before_pull`; the message is Docker's of a registry in trouble."""
        if task.image and self._faults.take(
            "failed-pull", self._app_of(task.task_id), where=f"task {task.task_id}"
        ):
            raise LaunchError(
                f"Failed to launch container: Failed to run 'docker -H unix:///var/run/docker.sock pull {task.image}': "
                "exited with status 1; stderr='Error response from daemon: received unexpected HTTP status: "
                "503 Service Unavailable'"
            )

    async def lose_agents(self, lose: Callable[[Agent, str], Awaitable[None]]) -> None:
        """Take agents away as ``lost-agent`` says; ends only by cancellation.

        Args:
            lose: called with the agent and why.
        """
        loop = asyncio.get_running_loop()
        started = loop.time()
        seen: list[str] = []
        while True:
            for instance, task in self._scheduler.state.tasks():
                if task.state is not TaskState.RUNNING or task.id in seen:
                    continue
                fault = self._faults.find("lost-agent", instance.app_id)
                if fault is None or fault.count is None:
                    continue
                seen.append(task.id)
                fault.used += 1
                if fault.used == fault.count:
                    await self._lose(lose, task.agent_id, fault)
                    break
            timed = self._faults.find("lost-agent")
            if timed and timed.seconds is not None and loop.time() - started >= timed.seconds:
                timed.count = timed.used = 0  # once only
                await self._lose(lose, self._first_agent(timed), timed)
            await self._scheduler.state.changed.wait(0.2)

    def _first_agent(self, fault: Fault) -> str:
        tasks = [task.agent_id for each, task in self._scheduler.state.tasks() if fault.concerns(each.app_id)]
        return next(iter([*tasks, *self._scheduler.agents]), "")

    async def _lose(self, lose: Callable[[Agent, str], Awaitable[None]], agent_id: str, fault: Fault) -> None:
        agent = self._scheduler.agents.get(agent_id)
        if agent is not None:
            await lose(agent, f"fault {fault}")
