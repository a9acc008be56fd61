"""What the Mesos master does to agents on an operator's order: deactivate, drain, reactivate, mark gone.

Source: Apache Mesos 1.11, Operator HTTP API and Maintenance (draining of agents); include/mesos/v1/master/master.proto.
"""

import asyncio
import logging
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from local.mesos.agent.agent import DEFAULT_GRACE_S, Agent
from local.mesos.agent.task_info import StatusUpdate, TaskState
from local.mesos.marathon.scheduler import Scheduler
from local.mesos.marathon.state import Instance, Task
from local.mesos.marathon.timestamps import now

_log = logging.getLogger(__name__)

REASON_DRAINING = "REASON_SLAVE_DRAINING"


class UnknownAgentError(Exception):
    """No agent of that id is registered; the text names it."""


class StillDrainingError(Exception):
    """An agent whose tasks are still ending cannot be taken back."""


@dataclass(frozen=True)
class Drain:
    """An order to empty an agent.

    Attributes:
        max_grace_s: upper bound of the tasks' own grace periods, None for none.
        mark_gone: whether the agent is forgotten for good when it is empty.
        started_at: when the order came.
    """

    max_grace_s: float | None
    mark_gone: bool
    started_at: datetime = field(default_factory=now)


@dataclass
class Standing:
    """How an agent stands with the master."""

    registered_at: datetime = field(default_factory=now)
    deactivated: bool = False
    drain: Drain | None = None


class Agents:
    """The registered agents as an operator sees and moves them.

    Args:
        scheduler: whose agents they are; gets no offers from deactivated ones from now on.
    """

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self.standings: dict[str, Standing] = {}
        scheduler.is_offering = self._is_offering
        scheduler.as_told_by_master = self._as_told

    def all(self) -> list[tuple[Agent, Standing]]:
        return [(agent, self._standing(agent.id)) for agent in self._scheduler.agents.values()]

    def tasks_of(self, agent_id: str) -> list[tuple[Instance, Task]]:
        return [(each, task) for each, task in self._scheduler.state.tasks() if task.agent_id == agent_id]

    def drain_state(self, agent_id: str) -> Literal["DRAINING", "DRAINED"] | None:
        """None for an agent that nobody drains."""
        if self._standing(agent_id).drain is None:
            return None
        return "DRAINING" if self.tasks_of(agent_id) else "DRAINED"

    def deactivate(self, agent_id: str) -> None:
        """No offers from an agent any more; its tasks stay. Raises UnknownAgentError."""
        self._known(agent_id).deactivated = True
        _log.info("agent %s deactivated", agent_id)

    def reactivate(self, agent_id: str) -> None:
        """Offers again. Raises UnknownAgentError, and StillDrainingError before the last task has ended."""
        standing = self._known(agent_id)
        if self.drain_state(agent_id) == "DRAINING":
            raise StillDrainingError(f"Agent {agent_id} is still in the DRAINING state")
        standing.deactivated, standing.drain = False, None
        _log.info("agent %s reactivated", agent_id)
        self._scheduler.state.changed.notify()

    def drain(self, agent_id: str, *, max_grace_s: float | None = None, mark_gone: bool = False) -> None:
        """No offers, and every task told to end; with ``mark_gone`` the agent goes for good after the last one.

        Raises:
            UnknownAgentError: no such agent.
        """
        standing = self._known(agent_id)
        standing.deactivated, standing.drain = True, Drain(max_grace_s, mark_gone)
        agent = self._scheduler.agents[agent_id]
        tasks = self.tasks_of(agent_id)
        _log.info("agent %s drains with %d tasks", agent.machine.name, len(tasks))
        for instance, task in tasks:
            own = instance.run_spec.app.task_kill_grace_period_seconds
            grace = float(DEFAULT_GRACE_S if own is None else own)
            agent.kill(task.id, grace if max_grace_s is None else min(grace, max_grace_s))
        self._finish(agent_id)

    async def mark_gone(self, agent_id: str) -> None:
        """An agent is declared dead: its tasks are gone at once, and its id never comes back.

        Raises:
            UnknownAgentError: no such agent.
        """
        self._known(agent_id)
        agent = self._scheduler.agents[agent_id]
        self._scheduler.forget_agent(agent_id)
        for _, task in self.tasks_of(agent_id):
            self._scheduler.report(_gone(task.id))
        self._forget(agent)
        await agent.shut_down(0)

    # What the scheduler asks

    def _is_offering(self, agent_id: str) -> bool:
        return not self._standing(agent_id).deactivated

    def _as_told(self, update: StatusUpdate, agent_id: str) -> StatusUpdate:
        """An agent's update as the master passes it on: with the drain as its reason while there is one."""
        drain = self._standing(agent_id).drain
        if drain is None or update.state not in {TaskState.KILLING, TaskState.KILLED}:
            return update
        if update.state is TaskState.KILLED:
            asyncio.get_running_loop().call_soon(self._finish, agent_id)
            if drain.mark_gone:
                return _gone(update.task_id)
        return replace(update, message="Task killed: the agent is draining", reason=REASON_DRAINING)

    # Inside

    def _standing(self, agent_id: str) -> Standing:
        return self.standings.setdefault(agent_id, Standing())

    def _known(self, agent_id: str) -> Standing:
        if agent_id not in self._scheduler.agents:
            raise UnknownAgentError(f"Unknown agent {agent_id}")
        return self._standing(agent_id)

    def _finish(self, agent_id: str) -> None:
        standing = self._standing(agent_id)
        if standing.drain is None or self.tasks_of(agent_id):
            return
        _log.info("agent %s is drained", agent_id)
        if standing.drain.mark_gone and (agent := self._scheduler.forget_agent(agent_id)):
            self._forget(agent)
        self._scheduler.state.changed.notify()

    def _forget(self, agent: Agent) -> None:
        agent.drop_cache()
        _log.info("agent %s is gone for good", agent.machine.name)
        self._scheduler.state.changed.notify()


def _gone(task_id: str) -> StatusUpdate:
    return StatusUpdate(
        task_id, TaskState.GONE_BY_OPERATOR, "The agent was marked gone by an operator", REASON_DRAINING
    )
