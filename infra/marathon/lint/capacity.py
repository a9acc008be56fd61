"""Room: for a task on an agent, and for all tasks on the fleet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from infra.marathon.lint.facts import Facts
from infra.marathon.lint.rule import App, AppRule, FolderRule, Found, Rule
from infra.marathon.lint.sums import instances, lacks, on_demand_only, one_more

_READS = ("instances", "cpus", "mem", "disk", "gpus")


def _task(app: App, facts: Facts) -> Iterator[Found]:
    if app.app.gpus:
        yield Found("/gpus", "no agent has one, and Docker tasks get none", "write 0")
    if facts.capacity is None:
        return
    cpus, mem, disk = app.app.cpus, app.app.mem, app.app.disk
    agents = facts.capacity.largest
    if any(a.cpus >= cpus and a.mem_mib >= mem and a.disk_mib >= disk for a in agents):
        return
    limits: tuple[tuple[str, float, float, str], ...] = (
        ("cpus", cpus, max(a.cpus for a in agents), "CPUs"),
        ("mem", mem, max(a.mem_mib for a in agents), "MiB of memory"),
        ("disk", disk, max(a.disk_mib for a in agents), "MiB of disk"),
    )
    alone = [
        (f"/{key}", f"{asked:g}, but the largest agent offers {has:g} {unit}")
        for key, asked, has, unit in limits
        if asked > has
    ]
    together = [("/cpus", f"{cpus:g} CPUs, {mem:g} MiB and {disk:g} MiB of disk together fit no agent")]
    for where, what in alone or together:
        yield Found(where, what, "ask for less, or add a larger type to fleet.instanceTypes")


def _memory_floor(app: App, _: Facts) -> Iterator[Found]:
    if app.app.mem < 32:
        what = f"is {app.app.mem:g} MiB, and Docker gives no container less than 32"
        yield Found("/mem", what, "write what the task needs")


def _fits(apps: Sequence[App], facts: Facts) -> Iterator[tuple[App, Found]]:
    if facts.capacity is None:
        return
    lacking = lacks(apps, instances, facts.capacity.most)
    if lacking:
        app = max(apps, key=lambda a: a.app.instances * a.app.cpus)
        what = f"all tasks together need {lacking} that fleet.maxCapacity can grow to"
        yield app, Found("/instances", what, "lower trawler:instances, or raise fleet.maxCapacity")


def _fits_base(apps: Sequence[App], facts: Facts) -> Iterator[tuple[App, Found]]:
    pinned = [app for app in apps if on_demand_only(app)]
    if facts.capacity is None or not pinned:
        return
    for app in pinned:
        lacking = lacks(pinned, one_more(app), facts.capacity.on_demand)
        if lacking:
            what = f"the tasks bound to on-demand machines need {lacking} of fleet.baseCapacity, a new task included"
            yield app, Found("/constraints", what, "raise fleet.baseCapacity, or bind fewer tasks")


RULES: tuple[Rule, ...] = (
    AppRule(
        id="task-room",
        severity="error",
        what="A task fits one agent of the fleet: CPUs, memory and disk together, less what the agent keeps.",
        why="No offer is ever large enough, and the deployment waits until it is cancelled.",
        reference="Apache Mesos, Attributes and Resources; Amazon EC2 Instance Types",
        reads=_READS,
        check=_task,
    ),
    AppRule(
        id="memory-floor",
        severity="warning",
        what="A task asks for 32 MiB or more.",
        why="Docker gives it as much in any case, which Mesos then does not count.",
        reference="Apache Mesos, src/docker/docker.cpp, MIN_MEMORY",
        reads=("mem",),
        check=_memory_floor,
    ),
    FolderRule(
        id="fleet-room",
        severity="error",
        what="All tasks together fit the largest fleet that auto scaling may make.",
        why="Some would wait for machines that nobody may start.",
        reference="Apache Mesos, Attributes and Resources",
        reads=_READS,
        check=_fits,
    ),
    FolderRule(
        id="base-room",
        severity="error",
        what="Tasks bound to on-demand machines, and a new one while they are replaced, fit fleet.baseCapacity.",
        why="Auto scaling adds spot machines only: such a task would wait for a machine that nobody starts.",
        reference="Marathon 1.11, docs/docs/constraints.md; Amazon EC2 User Guide, Spot Fleet, OnDemandTargetCapacity",
        reads=(*_READS, "constraints", "upgradeStrategy"),
        check=_fits_base,
    ),
)
