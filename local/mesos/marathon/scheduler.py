"""Moves instances: places them on agents, follows their tasks' states, relaunches, kills.

Everything runs on one event loop and between two awaits the state is consistent; there is nothing to lock.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from datetime import timedelta

from local.mesos.agent.agent import Agent
from local.mesos.agent.task_info import StatusUpdate, TaskInfo, TaskState
from local.mesos.marathon import ids
from local.mesos.marathon.backoff import RateLimiter
from local.mesos.marathon.events import EventBus
from local.mesos.marathon.offers import (
    Match,
    OfferStatistics,
    Refusal,
    Remaining,
    UnusedOffer,
    placed_fields,
    remaining_on,
    try_offer,
)
from local.mesos.marathon.state import AppVersion, Goal, Instance, State, Task, TaskFailure
from local.mesos.marathon.task_builder import task_info
from local.mesos.marathon.timestamps import now

_log = logging.getLogger(__name__)

#: Exit 0 counts too; being killed or unreachable does not (NotifyRateLimiterStepImpl).
_DELAYING = frozenset(
    {TaskState.FAILED, TaskState.ERROR, TaskState.DROPPED, TaskState.GONE, TaskState.FINISHED}
)
_STORED_FAILURES = frozenset(
    {TaskState.FAILED, TaskState.ERROR, TaskState.DROPPED, TaskState.GONE, TaskState.GONE_BY_OPERATOR}
)
_ADVANCES = frozenset({TaskState.STAGING, TaskState.STARTING, TaskState.RUNNING})
#: ``--task_launch_timeout``
LAUNCH_TIMEOUT = timedelta(minutes=5)
_TICK_S = 1.0


class Scheduler:
    """Keeps every instance of ``state`` as near to its goal as the agents allow.

    Args:
        state: what there is; changed in place.
        events: told of every change.
    """

    def __init__(self, state: State, events: EventBus) -> None:
        self.state = state
        self.events = events
        self.agents: dict[str, Agent] = {}
        self.limiter = RateLimiter(time.time)
        self.statistics: dict[str, OfferStatistics] = {}
        #: Agents that are known and not heard of: lost by order, or (None) not yet back since the server started.
        self.silent: dict[str, Agent | None] = {}
        self.held: dict[str, list[StatusUpdate]] = {}
        #: Whether an agent may be offered, and an agent's update as the master passes it on; `agents` sets both.
        self.is_offering: Callable[[str], bool] = lambda _: True
        self.as_told_by_master: Callable[[StatusUpdate, str], StatusUpdate] = lambda update, _: update

    # Instances

    def schedule(self, run_spec: AppVersion, count: int) -> list[Instance]:
        """Add ``count`` new instances, to be launched as soon as backoff and offers allow."""
        added = [Instance(ids.instance_id(run_spec.app.id), run_spec, now()) for _ in range(count)]
        for instance in added:
            self.state.instances[instance.id] = instance
            self._instance_changed(instance)
        self.state.changed.notify()
        return added

    def decommission(self, instances: Iterable[Instance], *, grace_s: float | None = None) -> None:
        """Let instances end for good; each is forgotten when its task's end is known."""
        with self.state.changed.together():
            for instance in list(instances):
                instance.goal = Goal.DECOMMISSIONED
                self.state.changed.notify()
                if instance.task is None or instance.is_unreachable:
                    self.expunge(instance)
                else:
                    self._kill_task(instance.task, grace_s)

    def kill(self, instance: Instance, *, wipe: bool = False) -> None:
        """End an instance's task; the instance is launched again, or replaced by a fresh one when wiped."""
        if wipe:
            current = self.state.find(instance.app_id)
            with self.state.changed.together():
                if instance.goal is Goal.RUNNING and current is not None:
                    self.schedule(current, 1)
                self.decommission([instance])
        elif instance.task is not None:
            self._kill_task(instance.task, None)

    def fail_health(self, instance: Instance, reason: str) -> None:
        """Kill an instance whose check failed too often; stored as a failure of state TASK_KILLED."""
        if instance.task is None or not instance.is_running:
            return
        self._store_failure(instance, instance.task, TaskState.KILLED, reason)
        self.events.publish(
            "unhealthy_instance_kill_event",
            appId=instance.app_id, taskId=instance.task.id, instanceId=instance.id,
            version=instance.run_spec.version, reason=reason, host=instance.task.host, slaveId=instance.task.agent_id,
        )  # fmt: skip
        self._kill_task(instance.task, None)

    def _kill_task(self, task: Task, grace_s: float | None) -> None:
        if task.agent_id in self.silent:
            return  # told to it as soon as it is back
        agent = self.agents.get(task.agent_id)
        if agent is None or not agent.kill(task.id, grace_s):
            self.report(StatusUpdate(task.id, TaskState.GONE, "the agent does not know the task"))

    def expunge(self, instance: Instance) -> None:
        self.state.instances.pop(instance.id, None)
        instance.task = None
        self.state.changed.notify()

    # Status updates

    def report(self, update: StatusUpdate) -> None:
        """Take in a task's new state; updates of tasks that are no longer current are dropped."""
        instance = self.state.by_task(update.task_id)
        if instance is None or instance.task is None or instance.task.state is update.state:
            return
        if (
            instance.task.agent_id in self.silent
        ):  # nobody hears it; a silent agent keeps its word until it is back
            self.held.setdefault(instance.task.agent_id, []).append(update)
            return
        if instance.is_unreachable and instance.task.agent_id not in self.agents:
            return  # its machine is gone, and a machine that is gone reports nothing
        with self.state.changed.together():
            self.take(instance, instance.task, update)

    def take(self, instance: Instance, task: Task, update: StatusUpdate) -> None:
        app = instance.run_spec.app
        update = self.as_told_by_master(update, task.agent_id)
        task.state = update.state
        if update.state is TaskState.RUNNING:
            task.started_at = task.started_at or now()
        self._tell(instance, task, update)
        if update.state in _ADVANCES:
            self.limiter.advanced(app, instance.run_spec.last_config_change_at)
        if update.state.is_terminal:
            self._ended(instance, task, update)
        self.state.changed.notify()

    def _tell(self, instance: Instance, task: Task, update: StatusUpdate) -> None:
        agent = self.agents.get(task.agent_id)
        where = agent.machine.name if agent else task.agent_id
        told = f": {update.message}" if update.message else ""
        _log.info("task %s %s on %s%s", task.id, update.state, where, told)
        self.events.publish(
            "status_update_event",
            slaveId=task.agent_id, taskId=task.id, taskStatus=str(update.state), message=update.message,
            appId=instance.app_id, host=task.host, ports=task.ports, version=instance.run_spec.version,
            ipAddresses=[{"ipAddress": task.host, "protocol": "IPv4"}],
        )  # fmt: skip
        self._instance_changed(instance)

    def _instance_changed(self, instance: Instance) -> None:
        task = instance.task
        self.events.publish(
            "instance_changed_event",
            instanceId=instance.id, condition=instance.condition, runSpecId=instance.app_id,
            agentId=task.agent_id if task else None, host=task.host if task else None,
            runSpecVersion=instance.run_spec.version,
        )  # fmt: skip

    def _ended(self, instance: Instance, task: Task, update: StatusUpdate) -> None:
        if update.state in _STORED_FAILURES:
            self._store_failure(instance, task, update.state, update.message)
        if instance.goal is Goal.DECOMMISSIONED:
            self.expunge(instance)
            return
        if update.reason == "REASON_SLAVE_DRAINING":  # since 1.9
            self.limiter.clear(instance.app_id)
        elif update.state in _DELAYING:
            seconds = self.limiter.failed(instance.run_spec.app, instance.run_spec.last_config_change_at)
            _log.info("app %s launched again in %.1f s", instance.app_id, seconds)
        instance.task = None
        instance.health.clear()
        instance.since = now()
        self._instance_changed(instance)

    def _store_failure(self, instance: Instance, task: Task, state: TaskState, message: str) -> None:
        self.state.last_failures[instance.app_id] = TaskFailure(
            instance.app_id,
            task.host,
            message,
            state,
            task.id,
            now(),
            instance.run_spec.version,
            task.agent_id,
        )

    # Agents

    def forget_agent(self, agent_id: str) -> Agent | None:
        """The agent is gone for good, and its id never comes back; the agent where it was there."""
        self.state.agents.pop(agent_id, None)
        self.held.pop(agent_id, None)
        silent = self.silent.pop(agent_id, None)
        self.state.changed.notify()
        return self.agents.pop(agent_id, None) or silent

    # Launching

    async def run(self) -> None:
        """Launch what waits, whenever something changes; ends only by cancellation."""
        while True:
            self.launch_waiting()
            self._kill_overdue()
            await self.state.changed.wait(self._next_due())

    def launch_waiting(self) -> None:
        """One round of offers: every waiting instance whose delay is over is tried on every agent."""
        waiting = [each for each in self.state.instances.values() if each.task is None]
        for app_id in self.statistics.keys() - {each.app_id for each in waiting}:
            del self.statistics[app_id]
        if not waiting:
            return
        offering = [agent for agent in self.agents.values() if self.is_offering(agent.id)]
        left = {agent.id: remaining_on(agent, self.state) for agent in offering}
        stuck: set[tuple[str, str]] = set()
        for instance in waiting:
            key = (instance.app_id, instance.run_spec.version)
            if key in stuck or instance.goal is not Goal.RUNNING:
                continue
            if self.delay_of(instance) > 0 or not self._place(instance, left):
                stuck.add(key)

    def delay_of(self, instance: Instance) -> float:
        """Seconds of backoff left before an instance may be launched."""
        return self.limiter.remaining(instance.run_spec.app, instance.run_spec.last_config_change_at)

    def _place(self, instance: Instance, left: dict[str, Remaining]) -> bool:
        statistics = self.statistics.setdefault(instance.app_id, OfferStatistics())
        statistics.last_declined.clear()
        placed = placed_fields(self.state.active(instance.app_id), self.agents)
        # The agent with the largest free share first: tasks spread, and one lost machine takes few.
        offering = [self.agents[agent_id] for agent_id in left]
        ranked = sorted(offering, key=lambda a: -left[a.id].cpus / a.machine.cpus)
        for agent in ranked:
            answer = try_offer(instance.run_spec.app, agent, left[agent.id], placed)
            statistics.processed += 1
            if isinstance(answer, Refusal):
                statistics.declined[answer.reason] += 1
                statistics.last_declined[answer.reason] += 1
                statistics.unused += 1
                statistics.last_unused_at = now()
                statistics.unused_offers[agent.id] = UnusedOffer(
                    agent, left[agent.id].copy(), answer.reason, now()
                )
                continue
            statistics.last_used_at = now()
            left[agent.id].take(instance.run_spec.app, answer.ports)
            self._launch(instance, answer)
            return True
        return False

    def _launch(self, instance: Instance, match: Match) -> None:
        instance.attempts += 1
        instance.health.clear()
        instance.ready = not instance.run_spec.app.readiness_checks
        machine = match.agent.machine
        task_id = ids.task_id(instance.id, instance.attempts)
        instance.task = Task(
            task_id, match.agent.id, machine.host, match.ports, TaskState.STAGING, now(),
            region=machine.region, zone=machine.zone,
        )  # fmt: skip
        _log.info("task %s TASK_STAGING on %s", task_id, machine.name)
        self._instance_changed(instance)
        match.agent.launch(info_of(instance, instance.task), self.report)
        self.state.changed.notify()

    def _next_due(self) -> float:
        delays = [self.delay_of(each) for each in self.state.instances.values() if each.task is None]
        return min([max(0.01, delay) for delay in delays if delay > 0] + [_TICK_S])

    def _kill_overdue(self) -> None:
        for instance, task in list(self.state.tasks()):
            coming_up = task.state in {TaskState.STAGING, TaskState.STARTING}
            if coming_up and now() - task.staged_at > LAUNCH_TIMEOUT:
                _log.warning("task %s not running after %s: killed", task.id, LAUNCH_TIMEOUT)
                self.kill(instance)

    async def shut_down(self, grace_s: float) -> None:
        """End every task on every agent that is heard; nothing is launched again."""
        await asyncio.gather(*(agent.shut_down(grace_s) for agent in self.agents.values()))


def info_of(instance: Instance, task: Task) -> TaskInfo:
    return task_info(instance.run_spec, task.id, task.host, task.ports)
