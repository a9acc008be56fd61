"""Whether an app can be replaced: room for old and new tasks beside each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from infra.marathon.lint.facts import Facts
from infra.marathon.lint.rule import App, AppRule, FolderRule, Found, Rule
from infra.marathon.lint.sums import instances, kept, lacks, most, one_more
from infra.room import Room

_REPLACE = "Marathon 1.11, TaskReplaceActor.scala"
_STRATEGY = "/upgradeStrategy"
_READS = ("instances", "cpus", "mem", "disk", "gpus")


def _stated(app: App, _: Facts) -> Iterator[Found]:
    if app.app.upgradeStrategy is None:
        what = "is absent: Marathon then starts every new task before it ends an old one"
        yield Found(_STRATEGY, what, 'write {"minimumHealthCapacity": 0.5, "maximumOverCapacity": 0.5}')


def _single(app: App, _: Facts) -> Iterator[Found]:
    if app.app.labels.get("MARATHON_SINGLE_INSTANCE_APP") != "true":
        return
    strategy = app.app.upgradeStrategy
    if app.app.instances > 1:
        yield Found(
            "/instances", f"is {app.app.instances}, and the label allows one", "write 1, or remove the label"
        )
    if strategy and (strategy.minimumHealthCapacity or strategy.maximumOverCapacity):
        yield Found(
            _STRATEGY, "is not 0 and 0, which the label demands", "write 0 and 0, or remove the label"
        )


def _progresses(apps: Sequence[App], facts: Facts) -> Iterator[tuple[App, Found]]:
    if facts.capacity is not None:
        yield from _stuck(apps, facts.capacity.most, "all that fleet.maxCapacity can grow to")


def _waits(apps: Sequence[App], facts: Facts) -> Iterator[tuple[App, Found]]:
    capacity = facts.capacity
    if capacity is None or lacks(apps, instances, capacity.least):
        return  # not even the apps as they are fit there, which is told of the settings
    stuck = {app.path for app, _ in _stuck(apps, capacity.most, "")}
    for app, found in _stuck(
        apps, capacity.least, "what fleet.minCapacity is sure of, and no deployment starts a machine"
    ):
        if app.path not in stuck:
            yield app, found


def _stuck(apps: Sequence[App], room: Room, whose: str) -> Iterator[tuple[App, Found]]:
    """Apps whose upgrade keeps every task and has no room for a new one beside all other apps' tasks."""
    if lacks(apps, instances, room):
        return
    for app in apps:
        if not app.app.instances or kept(app) < app.app.instances:
            continue
        lacking = lacks(apps, one_more(app), room)
        if lacking:
            stay = "its one task" if app.app.instances == 1 else f"all {app.app.instances} tasks"
            what = f"keeps {stay}, and one more needs {lacking}: {whose}"
            do = "lower minimumHealthCapacity or cpus, or raise the fleet's capacity"
            yield app, Found(f"{_STRATEGY}/minimumHealthCapacity", what, do)


def _doubles(apps: Sequence[App], facts: Facts) -> Iterator[tuple[App, Found]]:
    if facts.capacity is None or lacks(apps, instances, facts.capacity.most):
        return
    lacking = lacks(apps, most, facts.capacity.most)
    if lacking:
        app = max(apps, key=lambda a: (most(a) - a.app.instances) * a.app.cpus)
        what = f"upgrades of all apps at once ask for {lacking} that fleet.maxCapacity can grow to"
        yield app, Found(f"{_STRATEGY}/maximumOverCapacity", what, "lower it")


RULES: tuple[Rule, ...] = (
    AppRule(
        id="upgrade-stated",
        severity="error",
        what="`upgradeStrategy` is written down.",
        why="Without it Marathon keeps every old task until as many new ones are healthy: the app doubles, and on a "
        "full cluster its upgrade never ends.",
        reference="Marathon 1.11, UpgradeStrategy.scala",
        reads=("upgradeStrategy",),
        check=_stated,
    ),
    AppRule(
        id="upgrade-single",
        severity="error",
        what="With the label MARATHON_SINGLE_INSTANCE_APP there is one task at most, and 0 and 0 as its strategy.",
        why="Marathon refuses any other (422).",
        reference="Marathon 1.11, SchedulingValidation.scala",
        fixed=True,
        reads=("labels", "instances", "upgradeStrategy"),
        check=_single,
    ),
    FolderRule(
        id="upgrade-progress",
        severity="error",
        what="While an app is replaced, the largest fleet has room for a new task beside those that must stay.",
        why="No old task may end before a new one is healthy, and no new one finds a place: the upgrade never ends.",
        reference=_REPLACE,
        reads=(*_READS, "upgradeStrategy"),
        check=_progresses,
    ),
    FolderRule(
        id="upgrade-waits",
        severity="warning",
        what="While an app is replaced, fleet.minCapacity has room for a new task beside those that must stay.",
        why="Between crawls the fleet is no larger, and a deployment starts no machine: it waits until it times out.",
        reference=_REPLACE,
        reads=(*_READS, "upgradeStrategy"),
        check=_waits,
    ),
    FolderRule(
        id="upgrade-doubles",
        severity="warning",
        what="Old and new tasks of all apps, as far as their strategies let them stand beside each other, fit the "
        "largest fleet.",
        why="A release changes every app: new tasks wait for room, and the log fills with declined offers.",
        reference=_REPLACE,
        reads=(*_READS, "upgradeStrategy"),
        check=_doubles,
    ),
)
