"""How much a fleet's agents hold, and whether the apps fit the smallest fleet that auto scaling leaves them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from infra.errors import SettingsError
from infra.marathon.manifest import Manifest, fill, placeholders
from infra.settings import FleetSettings

UNIT_CPUS = 2.0
"""vCPUs of a unit of capacity."""

UNIT_MEM_MIB = 3072
"""Memory of the smallest unit, a compute-optimised `large` of 4 GiB, less what its Mesos agent keeps for the node
(Apache Mesos, Attributes and Resources: 1 GiB)."""


_GIB_PER_VCPU = (
    (r"c[34]", 1.875),
    (r"c5n", 2.625),
    (r"c\d+[a-z-]*", 2.0),
    (r"m3", 3.75),
    (r"m\d+[a-z-]*", 4.0),
    (r"t[234][a-z]*", 4.0),
    (r"r[34]", 7.625),
    (r"r\d+[a-z-]*", 8.0),
)
"""Family of instance types → memory of a vCPU, from `large` upwards (Amazon EC2 Instance Types)."""

_SYSTEM_MEM_MIB = 1024
_SYSTEM_DISK_MIB = 5 * 1024
"""What an agent keeps where it is not told what to offer (Apache Mesos, Attributes and Resources)."""


@dataclass(frozen=True)
class Room:
    """What one agent or several offer to tasks."""

    cpus: float
    mem_mib: float
    """Infinite where the instance type's memory is not known here."""

    disk_mib: float = math.inf


def room_of(fleet: FleetSettings, units: int, *, smallest: bool) -> Room:
    """What so many units of capacity offer.

    Args:
        fleet: its instance types.
        units: of capacity.
        smallest: in the least memory that they can come with, or in the most.
    """
    of_a_unit = [room.mem_mib / weight for room, weight in _agents(fleet)]
    return Room(units * UNIT_CPUS, units * (min if smallest else max)(of_a_unit))


def largest_tasks(fleet: FleetSettings) -> Sequence[Room]:
    """What an agent of each instance type offers at most: less is left of it when the kernel has taken its part."""
    return [room for room, _ in _agents(fleet)]


def _agents(fleet: FleetSettings) -> list[tuple[Room, int]]:
    disk = fleet.volume_gb * 1024 - _SYSTEM_DISK_MIB
    return [
        (Room(weight * UNIT_CPUS, _memory_mib(name, weight * UNIT_CPUS) - _SYSTEM_MEM_MIB, disk), weight)
        for name, weight in fleet.instance_types.items()
    ]


def _memory_mib(instance_type: str, vcpus: float) -> float:
    family = instance_type.partition(".")[0]
    gib = next((each for form, each in _GIB_PER_VCPU if re.fullmatch(form, family)), math.inf)
    return vcpus * gib * 1024


def require_room(manifests: Mapping[str, Manifest], counts: Mapping[str, int], min_capacity: int) -> None:
    """The tasks of all apps fit into the fleet's lower bound.

    A deployment waits until its tasks run; what does not fit would wait for machines that nobody starts.

    Args:
        manifests: app → its JSON, placeholders still in it.
        counts: placeholder → number of tasks, `fetch_instances`.
        min_capacity: the lower bound, units.

    Raises:
        SettingsError: they do not.
    """
    cpus, mem = 0.0, 0.0
    for manifest in manifests.values():
        asked = {key: manifest[key] for key in ("instances", "cpus", "mem") if key in manifest}
        if not placeholders(asked) <= counts.keys():
            continue  # a resource that only the stack knows: Marathon will tell
        known = fill(asked, counts)
        tasks = known.get("instances", 1)
        cpus += tasks * known.get("cpus", 1)
        mem += tasks * known.get("mem", 128)
    if cpus > min_capacity * UNIT_CPUS or mem > min_capacity * UNIT_MEM_MIB:
        raise SettingsError(
            f"trawler:instances: the apps' tasks need {cpus:g} CPUs and {mem:g} MiB, but fleet.minCapacity "
            f"{min_capacity} is sure of {min_capacity * UNIT_CPUS:g} CPUs and {min_capacity * UNIT_MEM_MIB} MiB only: "
            "the deployment would wait for machines that nobody starts; lower instances or raise fleet.minCapacity"
        )
