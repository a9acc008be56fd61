"""Carries out plans: one asyncio task a deployment, each action watching the state until it holds.

Source: DeploymentManagerActor, DeploymentActor, TaskReplaceActor, TaskStartActor of Marathon 1.11.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from local.mesos.marathon.definition import Json
from local.mesos.marathon.errors import AppLockedError, MarathonError, NotFoundError
from local.mesos.marathon.plan import Action, Plan
from local.mesos.marathon.rolling import room, starts
from local.mesos.marathon.scheduler import Scheduler
from local.mesos.marathon.selection import first_to_die
from local.mesos.marathon.state import AppVersion, Goal, Instance

_log = logging.getLogger(__name__)

#: ``--max_running_deployments``
MAX_RUNNING = 100
_RESYNC_S = 5.0


@dataclass
class Deployment:
    """A plan on its way.

    Attributes:
        plan: what is to be done.
        step: the step in work, counted from 1; 0 before the first.
        before: for each app that is scaled up in this step, the instances that were there before.
        current: the actions of the step that are not done yet.
        work: what carries it out.
    """

    plan: Plan
    step: int = 0
    before: dict[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    current: list[Action] = field(default_factory=list[Action])
    work: asyncio.Task[None] | None = None


class Deployments:
    """The running deployments; none but them changes how many instances an app has."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._state = scheduler.state
        self._events = scheduler.events
        self.by_id: dict[str, Deployment] = {}

    def running(self) -> list[Deployment]:
        return list(self.by_id.values())

    def holding(self, app_id: str) -> list[str]:
        """Ids of the deployments that hold an app."""
        return [each.plan.id for each in self.by_id.values() if app_id in each.plan.affected]

    def find(self, deployment_id: str) -> Deployment:
        try:
            return self.by_id[deployment_id]
        except KeyError:
            raise NotFoundError(f"DeploymentPlan {deployment_id} does not exist") from None

    def check(self, plan: Plan, *, force: bool) -> None:
        """Raise where ``plan`` may not start now.

        Raises:
            AppLockedError: another deployment holds one of its apps, and ``force`` is not set.
            MarathonError: too many deployments run already (403).
        """
        clashing = self._clashing(plan)
        if clashing and not force:
            raise AppLockedError([each.plan.id for each in clashing])
        if len(self.by_id) - len(clashing) >= MAX_RUNNING:
            raise MarathonError(
                f"Max number ({MAX_RUNNING}) of running deployments is achieved. Wait for existing deployments to "
                "complete or cancel one.",
                status=403,
            )

    def start(self, plan: Plan) -> None:
        """Begin a plan that was checked; clashing deployments are cancelled, their tasks left as they are."""
        for each in self._clashing(plan):
            self.cancel(each)
        deployment = Deployment(plan)
        if not plan.steps:
            self._events.publish("deployment_success", id=plan.id, plan=plan_json(plan))
            return
        self.by_id[plan.id] = deployment
        self._events.publish("deployment_info", plan=plan_json(plan), currentStep=step_json(plan.steps[0]))
        self._work_on(deployment)
        _log.info("deployment %s of %s started", plan.id, ", ".join(plan.affected))

    def resume(self, deployments: Iterable[Deployment]) -> None:
        """Start deployments again that an earlier server left, each with the step it was in."""
        for each in deployments:
            self.by_id[each.plan.id] = each
            self._work_on(each)
            _log.info("deployment %s of %s started again", each.plan.id, ", ".join(each.plan.affected))

    def _work_on(self, deployment: Deployment) -> None:
        deployment.work = asyncio.create_task(
            self._carry_out(deployment), name=f"deployment {deployment.plan.id}"
        )

    def cancel(self, deployment: Deployment) -> None:
        """Stop a deployment where it is."""
        if self.by_id.pop(deployment.plan.id, None) is None:
            return
        if deployment.work is not None:
            deployment.work.cancel()
        _log.info("deployment %s cancelled", deployment.plan.id)
        self._failed(deployment, "cancelled")

    async def close(self) -> None:
        works = [each.work for each in self.by_id.values() if each.work is not None]
        for work in works:
            work.cancel()
        await asyncio.gather(*works, return_exceptions=True)

    def _clashing(self, plan: Plan) -> list[Deployment]:
        affected = set(plan.affected)
        return [each for each in self.by_id.values() if affected & set(each.plan.affected)]

    def _failed(self, deployment: Deployment, reason: str) -> None:
        plan = deployment.plan
        self._events.publish("deployment_failed", id=plan.id, plan=plan_json(plan), reason=reason)
        self._state.changed.notify()

    async def _carry_out(self, deployment: Deployment) -> None:
        plan = deployment.plan
        try:
            for number, step in enumerate(plan.steps, start=1):
                if number < deployment.step:
                    continue
                if number > deployment.step:
                    deployment.step, deployment.before = number, {}
                deployment.current = list(step)
                self._state.changed.notify()
                if number > 1:  # the first is told at the start
                    self._events.publish("deployment_info", plan=plan_json(plan), currentStep=step_json(step))
                async with asyncio.TaskGroup() as group:
                    for action in step:
                        group.create_task(self._act(deployment, action))
                self._events.publish(
                    "deployment_step_success", plan=plan_json(plan), currentStep=step_json(step)
                )
        except Exception as error:  # noqa: BLE001 - told to whoever listens, and the lock is given back
            _log.exception("deployment %s failed", plan.id)
            self.by_id.pop(plan.id, None)
            self._failed(deployment, str(error))
            return
        self.by_id.pop(plan.id, None)
        _log.info("deployment %s of %s done", plan.id, ", ".join(plan.affected))
        self._events.publish("deployment_success", id=plan.id, plan=plan_json(plan))
        self._state.changed.notify()

    async def _act(self, deployment: Deployment, action: Action) -> None:
        handlers: dict[str, Callable[[Deployment, Action], Awaitable[None]]] = {
            "StopApplication": self._stop,
            "ScaleApplication": self._scale,
            "RestartApplication": self._restart,
        }
        if handler := handlers.get(action.kind):
            await handler(deployment, action)
        deployment.current.remove(action)

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            await self._state.changed.wait(_RESYNC_S)

    async def _stop(self, _: Deployment, action: Action) -> None:
        app_id = action.app_id
        self._scheduler.decommission(self._state.of_app(app_id))
        await self._until(lambda: not self._state.of_app(app_id))
        self._state.last_failures.pop(app_id, None)
        self._scheduler.limiter.clear(app_id)
        self._events.publish("app_terminated_event", appId=app_id)

    async def _scale(self, deployment: Deployment, action: Action) -> None:
        scheduler, state, to = self._scheduler, self._state, action.to
        surplus = len(state.active(action.app_id)) - to.app.instances
        if surplus > 0:
            dying = first_to_die(state.active(action.app_id), to.app, action.kill_first, scheduler.agents)[
                :surplus
            ]
            scheduler.decommission(dying)
            gone = {each.id for each in dying}
            await self._until(lambda: not gone & state.instances.keys())
        if action.app_id not in deployment.before:
            there = frozenset(each.id for each in state.active(action.app_id))
            deployment.before = deployment.before | {action.app_id: there}
        before = deployment.before[action.app_id]
        missing = to.app.instances - len(before)
        if missing <= 0:
            return

        def grown() -> bool:
            active = state.active(action.app_id)
            if (
                len(active) < to.app.instances
            ):  # at first, and when something beside the deployment took one away
                scheduler.schedule(to, to.app.instances - len(active))
                active = state.active(action.app_id)
            fresh = [each for each in active if each.id not in before]
            return sum(_is_up(each) for each in fresh) >= missing

        await self._until(grown)

    async def _restart(self, _: Deployment, action: Action) -> None:
        restart = _Restart(self._scheduler, action.to)
        self._scheduler.limiter.clear(action.app_id)
        restart.begin()
        await self._until(restart.advance)


class _Restart:
    """A rolling restart in the course of being done: `begin` once, then `advance` until it says True."""

    def __init__(self, scheduler: Scheduler, to: AppVersion) -> None:
        self._scheduler = scheduler
        self._state = scheduler.state
        self._to = to
        self._killed: set[str] = set()
        self._were_up: set[str] = set()
        self._were_up_at_first: set[str] = set()
        self._kill_now = 0
        self._cap = to.app.instances

    def begin(self) -> None:
        app = self._to.app
        self._drop_idle()
        everything = self._state.active(app.id)
        healthy = sum(each.is_considered_healthy for each in everything)
        strategy = app.upgrade_strategy
        limits = room(
            app.instances,
            healthy,
            len(everything),
            strategy.minimum_health_capacity,
            strategy.maximum_over_capacity,
        )
        self._kill_now, self._cap = limits.kill_now, limits.cap
        # Where an earlier server began it: what is up by now was counted as healthy, what is dying was not.
        self._were_up_at_first = {each.id for each in self._new() if _is_up(each)}
        self._killed = {each.id for each in self._old() if each.goal is Goal.DECOMMISSIONED}
        self._kill_now += len(self._killed)

    def advance(self) -> bool:
        """Kill and start what may be killed and started now; whether the restart is complete."""
        scheduler, to = self._scheduler, self._to
        self._drop_idle()
        new, old = self._new(), self._old()
        scheduler.decommission(new[to.app.instances :])
        new = new[: to.app.instances]
        up = [each for each in new if _is_up(each)]
        self._were_up |= {each.id for each in up} - self._were_up_at_first
        allowed = self._kill_now + len(self._were_up)
        living = [each for each in old if each.id not in self._killed]
        dying = first_to_die(living, to.app, (), scheduler.agents, unhealthy_first=True)
        if len(up) >= to.app.instances:
            allowed = len(self._killed) + len(dying)
        for each in dying[: max(0, allowed - len(self._killed))]:
            self._killed.add(each.id)
            scheduler.decommission([each])
        scheduler.schedule(to, starts(to.app.instances, len(new), len(self._old()), self._cap))
        return len(up) >= to.app.instances and not self._old()

    def _is_new(self, instance: Instance) -> bool:
        return instance.run_spec.last_config_change_at == self._to.last_config_change_at

    def _new(self) -> list[Instance]:
        return [each for each in self._state.active(self._to.app.id) if self._is_new(each)]

    def _old(self) -> list[Instance]:
        """All that is left of earlier configurations, on its way out or not."""
        return [each for each in self._state.of_app(self._to.app.id) if not self._is_new(each)]

    def _drop_idle(self) -> None:
        """An old instance that waits to be launched holds nothing and serves nobody: it goes at once.

        Otherwise an app that only crashes would fill its own room and no better version could start.
        """
        self._scheduler.decommission(each for each in self._old() if each.task is None or each.is_unreachable)


def _is_up(instance: Instance) -> bool:
    return instance.is_considered_healthy and instance.ready


def step_json(step: tuple[Action, ...]) -> Json:
    return {"actions": [{"action": each.kind, "app": each.app_id} for each in step]}


def plan_json(plan: Plan) -> Json:
    """The light form, the only one since 1.8."""
    return {"id": plan.id, "version": plan.version, "steps": [step_json(each) for each in plan.steps]}


def deployment_json(deployment: Deployment) -> Json:
    plan = deployment.plan
    return {
        "id": plan.id,
        "version": plan.version,
        "affectedApps": plan.affected,
        "affectedPods": [],
        "steps": [step_json(each) for each in plan.steps],
        "currentActions": [
            {"action": each.kind, "app": each.app_id, "readinessCheckResults": []}
            for each in deployment.current
        ],
        "currentStep": deployment.step,
        "totalSteps": len(plan.steps),
    }
