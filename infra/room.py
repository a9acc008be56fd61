"""Whether the apps fit the smallest fleet that auto scaling leaves them."""

from __future__ import annotations

from collections.abc import Mapping

from infra.errors import SettingsError
from infra.marathon.manifest import Manifest, fill, placeholders

UNIT_CPUS = 2.0
"""vCPUs of a unit of capacity."""

UNIT_MEM_MIB = 3072
"""Memory of the smallest unit, a compute-optimised `large` of 4 GiB, less what its Mesos agent keeps for the node
(Apache Mesos, Attributes and Resources: 1 GiB)."""


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
