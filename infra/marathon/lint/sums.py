"""Arithmetic of a folder of apps: what their tasks need, and what of it a room lacks."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence

from infra.marathon.lint.rule import App
from infra.room import Room


def kept(app: App) -> int:
    """Tasks that an upgrade leaves running until new ones are healthy."""
    strategy = app.app.upgradeStrategy
    return math.ceil(app.app.instances * (1.0 if strategy is None else strategy.minimumHealthCapacity))


def most(app: App) -> int:
    """Old and new tasks that may run at once; one more than asked where there is no room to move otherwise."""
    strategy = app.app.upgradeStrategy
    cap = math.floor(app.app.instances * (2.0 if strategy is None else 1 + strategy.maximumOverCapacity))
    return cap + 1 if kept(app) == cap and app.app.instances else cap


def needs(apps: Sequence[App], count: Callable[[App], int]) -> tuple[float, float]:
    """CPUs and MiB of so many tasks of each app."""
    return sum(count(a) * a.app.cpus for a in apps), sum(count(a) * a.app.mem for a in apps)


def lacks(apps: Sequence[App], count: Callable[[App], int], room: Room) -> str:
    """What so many tasks need beyond a room, in words; nothing where they fit."""
    cpus, mem = needs(apps, count)
    if cpus <= room.cpus + 1e-9 and mem <= room.mem_mib:
        return ""
    return f"{cpus:g} CPUs and {mem:g} MiB, of {room.cpus:g} CPUs and {room.mem_mib:g} MiB"


def instances(app: App) -> int:
    """Tasks of an app at rest."""
    return app.app.instances


def one_more(upgraded: App) -> Callable[[App], int]:
    """Tasks at the narrowest moment of one app's upgrade: those it keeps and a new one, and all of the others'."""
    return lambda app: max(kept(app) + 1, app.app.instances) if app is upgraded else app.app.instances


def on_demand_only(app: App) -> bool:
    """Whether a constraint keeps an app's tasks off spot machines."""
    for constraint in app.app.constraints:
        if constraint[0] != "lifecycle" or len(constraint) != 3 or constraint[1] not in {"LIKE", "IS"}:
            continue
        try:
            accepts = [kind for kind in ("on-demand", "spot") if re.fullmatch(constraint[2], kind)]
        except re.error:
            continue
        if accepts == ["on-demand"]:
            return True
    return False
