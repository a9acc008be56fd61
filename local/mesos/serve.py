"""Wires Marathon, its agents and its HTTP interface into one running whole."""

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import uuid4

from local.mesos.agent.accepted import AcceptedTasks
from local.mesos.agent.agent import Agent, Machine
from local.mesos.agent.choice import ContainerizerName, with_containers
from local.mesos.agent.containerizer import Containerizer
from local.mesos.agent.processes import ProcessContainerizer
from local.mesos.agent.sandbox import latest_sandbox
from local.mesos.agent.task_info import TaskInfo
from local.mesos.fault_points import FaultPoints
from local.mesos.faults import Faults
from local.mesos.marathon.agents import Agents
from local.mesos.marathon.deployments import Deployment, Deployments
from local.mesos.marathon.events import EventBus
from local.mesos.marathon.health import HealthChecks
from local.mesos.marathon.manager import Manager
from local.mesos.marathon.presence import Presence
from local.mesos.marathon.scheduler import Scheduler
from local.mesos.marathon.state import KnownAgent, State
from local.mesos.marathon.store import Identity, Store, StoreError, exclusive, latest_version
from local.mesos.marathon.timestamps import VersionClock
from local.mesos.rest.credentials import Credentials
from local.mesos.rest.server import listening, web_application

_log = logging.getLogger(__name__)

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
        faults: what shall go wrong.
        state_dir: where state is kept, so that tasks and deployments outlive a server that is killed; None keeps it in
            memory, and tasks end with the server.
        recovery_timeout_s: how long tasks run on without a server where state is kept (``--recovery_timeout`` of a
            Mesos agent).
        agent_timeout_s: how long an agent may be silent before its tasks are unreachable: 5 pings of 15 s each
            (``--max_agent_ping_timeouts`` and ``--agent_ping_timeout`` of Mesos).
        containerizer: what tasks run in; auto takes real containers where a daemon answers.
    """

    work_dir: Path
    images: Path
    port: int = 0
    executor_environment: Mapping[str, str] = field(default_factory=dict[str, str])
    start_tasks: bool = True
    credentials: Credentials | None = None
    shutdown_grace_s: float = 10.0
    lost_agent_grace_s: float = 3.0
    faults: Faults = field(default_factory=Faults)
    state_dir: Path | None = None
    recovery_timeout_s: float = 900.0
    agent_timeout_s: float = 75.0
    containerizer: ContainerizerName = "processes"


class Marathon:
    """A whole cluster: Marathon and the agents that were given to it.

    Raises:
        StoreError: the state that is kept cannot be had.
    """

    def __init__(self, settings: Settings, containerizer: Containerizer | None = None) -> None:
        self.settings = settings
        self.framework_id = f"{uuid4()}-0000"
        self.containerizer, self._why = (containerizer, "") if containerizer else _containerizer(settings)
        self.scheduler = Scheduler(State(), EventBus())
        self.presence = Presence(self.scheduler)
        self.master = Agents(self.scheduler)
        self.deployments = Deployments(self.scheduler)
        self._store, self._left = None, list[Deployment]()
        if settings.state_dir is not None:
            self._store = Store(settings.state_dir.resolve())
            self._left = self._restored(self._store)
        latest = latest_version(self.scheduler.state, self._left)
        self.manager = Manager(self.scheduler, self.deployments, VersionClock(latest))
        self._loops: list[asyncio.Task[None]] = []
        self._ending: set[asyncio.Task[None]] = set()
        self.fault_points = FaultPoints(settings.faults, self.scheduler)
        self.health = HealthChecks(
            self.scheduler, tasks_run=self.containerizer.starts_tasks, dooms=self.fault_points.dooms
        )

    def _restored(self, store: Store) -> list[Deployment]:
        try:
            identity = store.identity(Identity(self.framework_id, str(self.settings.work_dir.resolve())))
            self.framework_id = identity.framework_id
            return store.restore(self.scheduler, self.master)
        except StoreError:
            store.close()
            raise

    def agents(self) -> list[Agent]:
        """Those that are there; a silent one is not."""
        return list(self.scheduler.agents.values())

    def add_machine(self, machine: Machine) -> Agent:
        """An agent on a machine, offering at once. Tasks that are not started take no room on it.

        A machine that had an agent before this server was started has the same one again, with its tasks.
        """
        known = self._known(machine)
        if known is None:
            agent_id = f"{self.framework_id.removesuffix('-0000')}-S{self.scheduler.state.agents_ever}"
            self.scheduler.state.agents_ever += 1
        else:
            agent_id = known.id
            machine = replace(machine, host=known.host, ports=range(known.ports[0], known.ports[1] + 1))
        agent = self._agent(agent_id, machine)
        self.presence.add_agent(agent)
        standing = self.master.standings.get(agent_id)
        if standing is not None and standing.drain is not None:
            drain = standing.drain
            self.master.drain(agent_id, max_grace_s=drain.max_grace_s, mark_gone=drain.mark_gone)
        return agent

    def _known(self, machine: Machine) -> KnownAgent | None:
        for agent_id, agent in self.scheduler.silent.items():
            known = self.scheduler.state.agents[agent_id]
            if agent is None and known.name == machine.name and known.attributes == dict(machine.attributes):
                return known
        return None

    def _agent(self, agent_id: str, machine: Machine) -> Agent:
        if not self.containerizer.starts_tasks:
            machine = replace(machine, cpus=_ROOM, mem_mb=_ROOM, disk_mb=_ROOM)
        return Agent(
            agent_id,
            machine,
            self.settings.work_dir.resolve(),
            self.framework_id,
            self.containerizer,
            self.settings.executor_environment,
            self.fault_points,
        )

    def lose_agent(self, agent: Agent, why: str) -> None:
        """An agent is silent from now on; its tasks run on, and are unreachable after `Settings.agent_timeout_s`."""
        self.presence.lose_agent(agent, self.settings.agent_timeout_s, why)

    def return_agent(self, agent: Agent) -> None:
        """A silent agent is heard again; tasks that were replaced meanwhile are ended."""
        self.presence.return_agent(agent)

    async def remove_machine(self, agent: Agent, why: str) -> None:
        """The machine is gone; its tasks run elsewhere as soon as there is room, and have ended here afterwards."""
        await self.presence.remove_agent(agent, why, self.settings.lost_agent_grace_s)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[int]:
        """Run, and give the port; afterwards no task's process is left.

        Raises:
            PortError: the port is taken.
            StoreError: another server works in the same folder.
        """
        application = web_application(
            self.manager, self.framework_id, self.settings.credentials, self.settings.faults
        )
        async with AsyncExitStack() as stack:
            if self._store is not None:
                stack.callback(self._store.close)
            port = await stack.enter_async_context(listening(application, self.settings.port))
            stack.callback(os.close, exclusive(self.settings.work_dir.resolve()))
            self._go_on()
            stack.push_async_callback(self._end)
            await self.containerizer.end_leftovers(self._containers())
            self._loops += [asyncio.create_task(self.scheduler.run()), asyncio.create_task(self.health.run())]
            self._loops.append(asyncio.create_task(self.fault_points.lose_agents(self.remove_machine)))
            yield port

    async def _end(self) -> None:
        """End every task, and what follows them."""
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, *self._ending, return_exceptions=True)
        await self.deployments.close()
        self.presence.close()
        await self.scheduler.shut_down(self.settings.shutdown_grace_s)
        try:
            await self.containerizer.end_leftovers(())  # of agents that never came back
        finally:
            await self.containerizer.close()
            self.scheduler.events.close()

    def _go_on(self) -> None:
        """Take up what an earlier server left."""
        if self._why:
            _log.info("%s", self._why)
        if self._store is None:
            return
        state = self.scheduler.state
        if state.agents:
            what = len(state.versions), len(list(state.tasks())), len(self._left)
            _log.info("taken up from %s: %d apps, %d tasks, %d deployments", self.settings.state_dir, *what)
        self.presence.expect_agents(self.settings.agent_timeout_s, self._end_tasks_of)
        self.deployments.resume(self._left)
        self._store.follow(self.scheduler, self.master, self.deployments)

    def _containers(self) -> set[str]:
        """Ids of the containers of all tasks that an earlier server left and this one knows."""
        left = [
            latest_sandbox(self.settings.work_dir.resolve(), task.agent_id, self.framework_id, task.id)
            for _, task in self.scheduler.state.tasks()
        ]
        return {each.path.name for each in left if each is not None}

    def _end_tasks_of(self, known: KnownAgent, tasks: list[TaskInfo]) -> None:
        """The machine is gone: nothing that an earlier server left on it may run on."""
        machine = Machine(known.name, known.host, 0, 0, 0, range(*known.ports))
        agent = self._agent(known.id, machine)
        for task in tasks:
            agent.recover(task, lambda _: None, killing=True)
        ending = asyncio.create_task(
            agent.shut_down(self.settings.lost_agent_grace_s), name=f"end {known.name}"
        )
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)


def _containerizer(settings: Settings) -> tuple[Containerizer, str]:
    """What tasks run in, and why where there was a choice."""
    if not settings.start_tasks:
        return AcceptedTasks(), ""
    recovery_timeout_s = settings.recovery_timeout_s if settings.state_dir is not None else 0.0
    processes = ProcessContainerizer(
        settings.images.resolve(), settings.shutdown_grace_s, recovery_timeout_s, settings.work_dir.resolve()
    )
    return with_containers(
        processes, settings.work_dir, settings.containerizer, recovery_timeout_s=recovery_timeout_s
    )
