"""Agents come, fall silent, come back and go; what that means for their tasks.

Source: Apache Mesos, docs/agent-recovery.md; Marathon 1.11, docs/unreachable.md (UnreachableStrategy).
"""

import asyncio
import logging
from collections.abc import Callable

from local.mesos.agent.agent import Agent
from local.mesos.agent.task_info import StatusUpdate, TaskInfo, TaskState
from local.mesos.marathon.definition import UnreachableStrategy
from local.mesos.marathon.scheduler import Scheduler, info_of
from local.mesos.marathon.state import Goal, Instance, KnownAgent

_log = logging.getLogger(__name__)


class Presence:
    """Which agents are there.

    Args:
        scheduler: whose agents they are.
    """

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._state = scheduler.state
        self._timers: set[asyncio.TimerHandle] = set()
        self._silences: dict[str, object] = {}

    def add_agent(self, agent: Agent) -> None:
        """An agent registers. One that is known, from before the server was started, finds its tasks again."""
        machine = agent.machine
        ports = (machine.ports.start, machine.ports.stop - 1)
        known = KnownAgent(agent.id, machine.name, dict(machine.attributes), machine.host, ports)
        self._state.agents[agent.id] = known
        is_back = agent.id in self._scheduler.silent
        self._scheduler.silent.pop(agent.id, None)
        self._scheduler.agents[agent.id] = agent
        _log.info("agent %s %s: %g cpus, %g MB", machine.name, machine.host, machine.cpus, machine.mem_mb)
        for instance, task in list(self._state.tasks()) if is_back else []:
            if task.agent_id == agent.id:
                agent.recover(
                    info_of(instance, task), self._scheduler.report, killing=task.state is TaskState.KILLING
                )
                if instance.goal is Goal.DECOMMISSIONED:
                    agent.kill(task.id)
        self._state.changed.notify()

    def expect_agents(
        self, within_s: float, give_up_on: Callable[[KnownAgent, list[TaskInfo]], None]
    ) -> None:
        """After a start: every known agent is silent until it registers again; one that does not in time is lost.

        Args:
            within_s: how long each may take.
            give_up_on: called with one that did not, and with the tasks it had.
        """

        def give_up() -> None:
            late = [agent_id for agent_id, agent in self._scheduler.silent.items() if agent is None]
            for agent_id in late:
                known = self._state.agents[agent_id]
                _log.warning("agent %s did not come back within %g s", known.name, within_s)
                left = [
                    info_of(each, task) for each, task in self._state.tasks() if task.agent_id == agent_id
                ]
                self._scheduler.forget_agent(agent_id)
                self._lose_tasks(agent_id, f"Agent {known.name} did not come back")
                give_up_on(known, left)

        self._scheduler.silent.update(dict.fromkeys(self._state.agents))
        for instance, task in list(self._state.tasks()):
            if instance.is_unreachable:
                self._follow_strategy(instance)
            elif task.agent_id not in self._state.agents:
                self._lose_tasks(task.agent_id, "Agent is gone")
        if self._scheduler.silent:
            self._later(within_s, give_up)

    def lose_agent(self, agent: Agent, after_s: float, why: str) -> None:
        """An agent is silent: no offers, and nothing of its tasks is heard, though they run on.

        Args:
            agent: which.
            after_s: how long it is silent before its tasks are unreachable.
            why: the cause, for those who read of it.
        """
        if self._scheduler.agents.pop(agent.id, None) is None:
            return
        _log.warning("agent %s is silent: %s", agent.machine.name, why)
        self._scheduler.silent[agent.id] = agent
        silence = self._silences[agent.id] = object()

        def count_lost() -> None:
            if self._silences.get(agent.id) is silence:
                self._lose_tasks(agent.id, f"Agent {agent.machine.name} is unreachable: {why}")

        self._later(after_s, count_lost)
        self._state.changed.notify()

    def return_agent(self, agent: Agent) -> None:
        """A silent agent is heard again: tasks that nobody replaced are as they are, the others are ended."""
        if self._scheduler.silent.pop(agent.id, None) is None:
            return
        _log.info("agent %s is back", agent.machine.name)
        self._silences.pop(agent.id, None)
        self._scheduler.agents[agent.id] = agent
        for update in self._scheduler.held.pop(agent.id, []):
            self._scheduler.report(update)
        tasks = agent.tasks()
        for task_id, told in tasks.items():
            instance = self._state.by_task(task_id)
            if instance is None:
                agent.kill(task_id)
                continue
            self._scheduler.report(StatusUpdate(task_id, told, "Agent is back", "REASON_SLAVE_REREGISTERED"))
            if instance.goal is Goal.DECOMMISSIONED:
                agent.kill(task_id)
        for _, task in list(self._state.tasks()):
            if task.agent_id == agent.id and task.id not in tasks:
                self._scheduler.report(
                    StatusUpdate(task.id, TaskState.GONE, "the agent does not know the task")
                )
        self._state.changed.notify()

    async def remove_agent(self, agent: Agent, why: str, grace_s: float) -> None:
        """The machine is gone: its tasks are unreachable at once, replaced as their strategy says, and ended.

        A real master notices after 75 s; here the end of the machine is known when it happens.
        """
        if self._scheduler.forget_agent(agent.id) is None:
            return
        _log.warning("agent %s lost: %s", agent.machine.name, why)
        self._lose_tasks(agent.id, f"Agent {agent.machine.name} is gone: {why}")
        await agent.shut_down(grace_s)
        agent.drop_cache()

    def _lose_tasks(self, agent_id: str, message: str) -> None:
        with self._state.changed.together():
            for instance, task in list(self._state.tasks()):
                if task.agent_id == agent_id and not instance.is_unreachable:
                    update = StatusUpdate(task.id, TaskState.UNREACHABLE, message, "REASON_SLAVE_REMOVED")
                    self._scheduler.take(instance, task, update)
                    self._follow_strategy(instance)

    def _follow_strategy(self, instance: Instance) -> None:
        """What becomes of an unreachable instance, and when (UnreachableStrategy)."""
        strategy = instance.run_spec.app.unreachable_strategy
        if instance.goal is Goal.DECOMMISSIONED:
            self._scheduler.expunge(instance)
        elif isinstance(strategy, UnreachableStrategy):
            self._later(strategy.inactive_after_seconds, lambda: self._replace(instance))

    def _replace(self, instance: Instance) -> None:
        """An inactive instance is replaced; it stays known until it is expunged."""
        if not self._is_lost(instance) or instance.goal is not Goal.RUNNING:
            return
        current = self._state.find(instance.app_id)
        instance.goal = Goal.DECOMMISSIONED
        if current is not None:
            self._scheduler.schedule(current if current.app.instances else instance.run_spec, 1)
        strategy: UnreachableStrategy = instance.run_spec.app.unreachable_strategy
        wait = strategy.expunge_after_seconds - strategy.inactive_after_seconds
        self._later(wait, lambda: self._scheduler.expunge(instance) if self._is_lost(instance) else None)

    def _is_lost(self, instance: Instance) -> bool:
        return self._state.instances.get(instance.id) is instance and instance.is_unreachable

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        if seconds <= 0:
            act()
            return

        def run() -> None:
            self._timers.discard(handle)
            act()

        handle = asyncio.get_running_loop().call_later(seconds, run)
        self._timers.add(handle)

    def close(self) -> None:
        """Nothing happens later any more; agents that are silent by order are heard again: their tasks can be ended."""
        for handle in self._timers:
            handle.cancel()
        for agent in [agent for agent in self._scheduler.silent.values() if agent is not None]:
            self.return_agent(agent)
