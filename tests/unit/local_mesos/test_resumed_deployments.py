"""Changes as the store sees them, and restarts that are taken up in the middle."""

import asyncio
from typing import Any, cast

from local.mesos.agent.task_info import StatusUpdate, TaskState
from local.mesos.marathon.definition import App
from local.mesos.marathon.deployments import Deployment, Deployments
from local.mesos.marathon.events import EventBus
from local.mesos.marathon.manager import Manager
from local.mesos.marathon.plan import make_plan
from local.mesos.marathon.scheduler import Scheduler
from local.mesos.marathon.state import AppVersion, Goal, Instance, State, Task
from local.mesos.marathon.timestamps import VersionClock, now
from tests.unit.local_mesos.support import a_machine


class DeafAgent:
    """An agent that takes every order and does nothing."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self.machine = a_machine()
        self.killed: list[str] = []

    def kill(self, task_id: str, _: float | None = None) -> bool:
        self.killed.append(task_id)
        self._scheduler.report(StatusUpdate(task_id, TaskState.KILLING))
        return True


def an_app(release: str, **fields: object) -> App:
    return App.model_validate({"id": "/a", "cmd": release, "instances": 4, **fields})


def running(spec: AppVersion, number: int, goal: Goal = Goal.RUNNING) -> Instance:
    name = f"a.instance-00000000-0000-0000-0000-00000000000{number}"
    state = TaskState.RUNNING if goal is Goal.RUNNING else TaskState.KILLING
    task = Task(f"{name}._app.1", "S0", "127.0.0.1", [], state, now(), now())
    return Instance(name, spec, now(), goal, 1, task)


async def test_a_restart_that_is_taken_up_kills_no_more_than_its_strategy_allows() -> None:
    strategy = {"minimumHealthCapacity": 0.75, "maximumOverCapacity": 0}
    old = AppVersion.first(an_app("1", upgradeStrategy=strategy), "2026-01-01T00:00:00.000Z")
    new = old.changed_to(an_app("2", upgradeStrategy=strategy), "2026-01-01T00:00:01.000Z")
    scheduler = Scheduler(State(), EventBus())
    agent = DeafAgent(scheduler)
    scheduler.agents["S0"] = cast("Any", agent)
    state = scheduler.state
    state.versions["/a"] = [old, new]
    instances = [running(new, 1), running(new, 2), running(old, 3), running(old, 4)]
    state.instances = {each.id: each for each in instances}
    deployments = Deployments(scheduler)
    deployments.resume([Deployment(make_plan(new.version, {"/a": old}, {"/a": new}), 1)])
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(agent.killed) == 1  # three of four must stay healthy
    assert state.by_task(agent.killed[0]) in instances[2:]
    await deployments.close()


async def test_no_moment_that_is_kept_shows_a_changed_app_without_its_deployment() -> None:
    scheduler = Scheduler(State(), EventBus())
    deployments = Deployments(scheduler)
    manager = Manager(scheduler, deployments, VersionClock())
    kept: list[str] = []

    def keep() -> None:
        current = scheduler.state.find("/a")
        held = {deployments.find(each).plan.version for each in deployments.holding("/a")}
        kept.append("none" if current is None else current.version)
        assert current is None or held == {current.version}

    scheduler.state.changed.keep = keep
    first = manager.create(an_app("1"))
    second = manager.put([an_app("2")], force=True)
    assert kept == [first.version, second.version]
    scheduler.state.changed.keep = lambda: None
    await deployments.close()
