"""Wires Marathon, its agents and its HTTP interface into one running whole."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import uuid4

from local.mesos.agent.accepted import AcceptedTasks
from local.mesos.agent.agent import Agent, Machine
from local.mesos.agent.containerizer import Containerizer
from local.mesos.agent.processes import ProcessContainerizer
from local.mesos.marathon.deployments import Deployments
from local.mesos.marathon.events import EventBus
from local.mesos.marathon.health import HealthChecks
from local.mesos.marathon.manager import Manager
from local.mesos.marathon.scheduler import Scheduler
from local.mesos.marathon.state import State
from local.mesos.marathon.timestamps import VersionClock
from local.mesos.rest.credentials import Credentials
from local.mesos.rest.server import listening, web_application

_ROOM = 1e9


@dataclass(frozen=True)
class Settings:
    """What a server is started with.

    Attributes:
        work_dir: root of all sandboxes.
        images: folder of images.
        port: on 127.0.0.1; 0 lets the system choose.
        executor_environment: variables beneath those of every task.
        start_tasks: False accepts tasks and starts none.
        credentials: what every request must carry; None asks for nothing.
        shutdown_grace_s: SIGTERM to SIGKILL when the server itself ends.
        lost_agent_grace_s: the same when a machine goes away.
    """

    work_dir: Path
    images: Path
    port: int = 0
    executor_environment: Mapping[str, str] = field(default_factory=dict[str, str])
    start_tasks: bool = True
    credentials: Credentials | None = None
    shutdown_grace_s: float = 10.0
    lost_agent_grace_s: float = 3.0


class Marathon:
    """A whole cluster: Marathon and the agents that were given to it."""

    def __init__(self, settings: Settings, containerizer: Containerizer | None = None) -> None:
        self.settings = settings
        self.framework_id = f"{uuid4()}-0000"
        self.scheduler = Scheduler(State(), EventBus())
        self.deployments = Deployments(self.scheduler)
        self.manager = Manager(self.scheduler, self.deployments, VersionClock())
        self.containerizer: Containerizer = containerizer or _containerizer(settings)
        self.health = HealthChecks(self.scheduler, tasks_run=self.containerizer.starts_tasks)
        self._agents = 0

    def add_machine(self, machine: Machine) -> Agent:
        """An agent on a new machine, offering at once. Tasks that are not started take no room on it."""
        if not self.containerizer.starts_tasks:
            machine = replace(machine, cpus=_ROOM, mem_mb=_ROOM, disk_mb=_ROOM)
        agent = Agent(
            f"{self.framework_id.removesuffix('-0000')}-S{self._agents}",
            machine,
            self.settings.work_dir.resolve(),
            self.framework_id,
            self.containerizer,
            self.settings.executor_environment,
        )
        self._agents += 1
        self.scheduler.add_agent(agent)
        return agent

    async def remove_machine(self, agent: Agent, why: str) -> None:
        """The machine is gone; its tasks run elsewhere as soon as there is room, and have ended here afterwards."""
        await self.scheduler.remove_agent(agent, why, self.settings.lost_agent_grace_s)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[int]:
        """Run, and give the port; afterwards no task's process is left.

        Raises:
            PortError: the port is taken.
        """
        application = web_application(self.manager, self.framework_id, self.settings.credentials)
        async with listening(application, self.settings.port) as port:
            loops = [asyncio.create_task(self.scheduler.run()), asyncio.create_task(self.health.run())]
            try:
                yield port
            finally:
                for loop in loops:
                    loop.cancel()
                await asyncio.gather(*loops, return_exceptions=True)
                await self.deployments.close()
                await self.scheduler.shut_down(self.settings.shutdown_grace_s)
                await self.containerizer.close()
                self.scheduler.events.close()


def _containerizer(settings: Settings) -> Containerizer:
    if settings.start_tasks:
        return ProcessContainerizer(settings.images.resolve(), settings.shutdown_grace_s)
    return AcceptedTasks()
