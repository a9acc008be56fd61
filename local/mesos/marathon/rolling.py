"""The arithmetic of a rolling restart (TaskReplaceActor of Marathon 1.11), free of state.

Counts are instances: ``new`` is what the app shall have, ``healthy`` runs and passes its checks, ``current`` is all
there is.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Room:
    """How far a restart may go below and above the wanted number of instances.

    Attributes:
        keep: healthy instances that must stay.
        cap: instances that may exist at once.
        kill_now: old instances to kill before anything is started.
    """

    keep: int
    cap: int
    kill_now: int


def room(new: int, healthy: int, current: int, minimum_health: float, maximum_over: float) -> Room:
    """The room an upgrade strategy leaves.

    Args:
        new: wanted instances, >= 0.
        healthy: instances that count as healthy now.
        current: instances that exist now.
        minimum_health: share of ``new`` that must stay healthy, 0 to 1.
        maximum_over: share of ``new`` that may exist beyond it, 0 to 1.
    """
    keep = math.ceil(new * minimum_health)
    cap = math.floor(new * (1 + maximum_over))
    kill_now = max(0, healthy - keep)
    if keep == cap and cap <= healthy:
        cap += 1  # no room to move at all: one temporary copy more
    if new < current:
        kill_now = max(kill_now, current - new)
    return Room(keep, cap, kill_now)


def starts(new: int, started: int, old_alive: int, cap: int) -> int:
    """Instances that may be started now; old ones count until their end is known."""
    return max(0, min(new - started, cap - old_alive - started))
