"""From two versions of the app tree to the steps between them (DeploymentPlan of Marathon 1.11)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from uuid import uuid4

from local.mesos.marathon.rules import dependencies_of
from local.mesos.marathon.state import AppVersion

ActionKind = Literal["StartApplication", "StopApplication", "ScaleApplication", "RestartApplication"]
Tree = Mapping[str, AppVersion]


@dataclass(frozen=True)
class Action:
    """One change of one app; ``to`` is what it shall be, for a stop what it was."""

    kind: ActionKind
    to: AppVersion
    kill_first: tuple[str, ...] = ()

    @property
    def app_id(self) -> str:
        return self.to.app.id


@dataclass(frozen=True)
class Plan:
    """Steps one after another; the actions of a step at once."""

    version: str
    original: Tree
    target: Tree
    steps: tuple[tuple[Action, ...], ...]
    id: str = field(default_factory=lambda: str(uuid4()))

    @property
    def affected(self) -> list[str]:
        return sorted({action.app_id for step in self.steps for action in step})


def make_plan(
    version: str, original: Tree, target: Tree, *, kill_first: Mapping[str, tuple[str, ...]] | None = None
) -> Plan:
    """Stops, then starts, then one step a depth of dependency; a change of nothing has no steps.

    Args:
        version: the deployment's version.
        original: the tree before.
        target: the tree after.
        kill_first: instance ids that a scale of an app shall take first (kill and scale).
    """
    kills = kill_first or {}
    stops = tuple(
        Action("StopApplication", each) for app_id, each in original.items() if app_id not in target
    )
    starts = tuple(
        Action("StartApplication", each) for app_id, each in target.items() if app_id not in original
    )
    changes = [
        tuple(
            action
            for app_id in level
            if (action := _change(original.get(app_id), target[app_id], kills.get(app_id, ())))
        )
        for level in by_dependency(target)
    ]
    steps = tuple(step for step in (stops, starts, *changes) if step)
    return Plan(version, original, target, steps)


def _change(before: AppVersion | None, after: AppVersion, kills: tuple[str, ...]) -> Action | None:
    if before is None:
        return Action("ScaleApplication", after)
    if before.last_config_change_at != after.last_config_change_at and after.app.instances:
        return Action("RestartApplication", after)
    if before.version != after.version or kills:
        return Action("ScaleApplication", after, kills)
    return None


def by_dependency(tree: Tree) -> list[list[str]]:
    """App ids by depth: each app comes after all it depends on. The tree has no cycles."""
    apps = {app_id: each.app for app_id, each in tree.items()}
    left = {app_id: dependencies_of(app, apps) for app_id, app in apps.items()}
    levels: list[list[str]] = []
    while left:
        level = sorted(app_id for app_id, waits_for in left.items() if not waits_for & left.keys())
        levels.append(level)
        for app_id in level:
            del left[app_id]
    return levels


def reverted(plan: Plan, current: Tree, version: str) -> dict[str, AppVersion]:
    """The current tree with everything that ``plan`` changed put back to what it was (DeploymentPlanReverter)."""
    tree = dict(current)
    for app_id in plan.affected:
        before, now = plan.original.get(app_id), tree.get(app_id)
        if before is None:
            tree.pop(app_id, None)
        elif now is None:
            tree[app_id] = AppVersion.first(before.app, version)
        else:
            changed = now.changed_to(before.app, version)
            restarted = plan.target[app_id].last_config_change_at != before.last_config_change_at
            tree[app_id] = now.restarted(version) if changed is now and restarted else changed
    return tree
