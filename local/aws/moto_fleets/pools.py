"""The pools of a spot fleet, and which one the next machine comes from.

A pool is an instance type in a subnet. No prices and no interruption rates are known here, so every strategy that
looks for the best pools spreads evenly: over subnets first, then over types.

Source: the EC2 API reference, LaunchTemplateConfig, LaunchTemplateOverrides and SpotFleetRequestConfigData.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

_BY_PRIORITY: Final = ("capacityOptimizedPrioritized", "prioritized")
_CHEAPEST: Final = "lowestPrice"


@dataclass(frozen=True, eq=False)
class Pool:
    """Where a machine of a fleet may come from."""

    instance_type: str
    subnet_id: str | None
    weight: float
    """Units of capacity that one machine counts."""
    priority: float
    """Lower numbers come first; infinite where none is given."""
    spot_price: str | None = None
    template: dict[str, Any] = field(default_factory=dict)
    """Reference to the launch template, as RunInstances takes it; empty for a launch specification."""
    data: dict[str, Any] = field(default_factory=dict)
    """What an instance is launched with: the template's data, or the launch specification."""


def pools_of(backend: Any, config: dict[str, Any]) -> list[Pool]:
    """All pools of a request, in its order (fleet-first-override, fleet-template-version).

    Args:
        backend: moto's EC2 of one account and region.
        config: SpotFleetRequestConfigData as it was sent.
    """
    pools = [_specified(entry) for entry in config.get("LaunchSpecifications") or []]
    for entry in config.get("LaunchTemplateConfigs") or []:
        reference = entry["LaunchTemplateSpecification"]
        data = backend._get_template_from_args(reference).data
        pools += [_overridden(reference, data, override) for override in entry.get("Overrides") or [{}]]
    return pools


def _specified(entry: dict[str, Any]) -> Pool:
    groups = [group["GroupId"] for group in entry.get("SecurityGroups", []) if isinstance(group, dict)]
    return Pool(
        entry["InstanceType"],
        entry.get("SubnetId"),
        float(entry.get("WeightedCapacity") or 1),
        float("inf"),
        entry.get("SpotPrice"),
        data={**entry, "SecurityGroups": [], "SecurityGroupIds": groups},
    )


def _overridden(reference: dict[str, Any], data: dict[str, Any], override: dict[str, Any]) -> Pool:
    interfaces: list[dict[str, Any]] = data.get("NetworkInterfaces") or [{}]
    priority = override.get("Priority")
    return Pool(
        override.get("InstanceType") or data["InstanceType"],
        override.get("SubnetId") or interfaces[0].get("SubnetId"),
        float(override.get("WeightedCapacity") or 1),
        float("inf") if priority is None else float(priority),
        override.get("SpotPrice"),
        template=reference,
        data=data,
    )


def next_pool(pools: Sequence[Pool], used: Sequence[Pool], needed: float, strategy: str) -> Pool:
    """The pool of the next machine.

    Prefers pools whose machine does not overshoot; where each would, the smallest machine is taken.

    Args:
        pools: all pools; at least one.
        used: the pool of each machine that runs.
        needed: units still missing.
        strategy: the request's allocation strategy.
    """
    fitting = [pool for pool in pools if pool.weight <= needed]
    if not fitting:
        smallest = min(pool.weight for pool in pools)
        fitting = [pool for pool in pools if pool.weight == smallest]
    if strategy in _BY_PRIORITY:
        first = min(pool.priority for pool in fitting)
        fitting = [pool for pool in fitting if pool.priority == first]
    elif strategy == _CHEAPEST:
        cheapest = min(fitting, key=lambda pool: float(pool.spot_price or "inf"))
        fitting = [pool for pool in fitting if pool.instance_type == cheapest.instance_type]
    subnets, types = Counter[str | None](), Counter[str]()
    for pool in used:
        subnets[pool.subnet_id] += 1
        types[pool.instance_type] += 1
    return min(fitting, key=lambda pool: (subnets[pool.subnet_id], types[pool.instance_type]))
