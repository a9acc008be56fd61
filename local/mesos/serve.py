"""Wires Marathon, its agents and its HTTP interface into one running whole."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

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
from local.mesos.rest.server import listening, web_application


@dataclass(frozen=True)
class Settings:
    """What a server is started with.

    Attributes:
        work_dir: root of all sandboxes.
        images: folder of images.
        port: on 127.0.0.1; 0 lets the system choose.
        executor_environment: variables beneath those of every task.
        shutdown_grace_s: SIGTERM to SIGKILL when the server itself ends.
        lost_agent_grace_s: the same when a machine goes away.
    """

    work_dir: Path
    images: Path
    port: int = 0
    executor_environment: Mapping[str, str] = field(default_factory=dict[str, str])
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
        self.health = HealthChecks(self.scheduler)
        self.containerizer: Containerizer = containerizer or ProcessContainerizer(
            settings.images.resolve(), settings.shutdown_grace_s
        )
        self._agents = 0

    def add_machine(self, machine: Machine) -> Agent:
        """An agent on a new machine, offering at once."""
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
        application = web_application(self.manager, self.framework_id)
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
