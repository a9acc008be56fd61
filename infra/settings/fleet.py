"""Settings of the Spot Fleet and of what moves its capacity."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from infra.settings.cluster import InstanceType
from infra.settings.section import AmiId, Section

POOLS_LIMIT = 300
"""Most pools (instance type × subnet) of a request (Amazon EC2 User Guide, Spot Fleet quotas)."""

_UNITS_OF_SIZE = {
    "large": 1,
    "xlarge": 2,
    "2xlarge": 4,
    "3xlarge": 6,
    "4xlarge": 8,
    "6xlarge": 12,
    "8xlarge": 16,
    "9xlarge": 18,
    "12xlarge": 24,
    "16xlarge": 32,
}

CRON = r"^(cron\([0-9A-Za-z*?,/#L\- ]+\)|rate\(\d+ (minutes?|hours?|days?)\)|at\(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\))$"


def architecture_of(instance_type: str) -> Literal["x86_64", "arm64"]:
    """A Graviton family has a `g` behind its generation (Amazon EC2 Instance Types, naming conventions)."""
    family = instance_type.partition(".")[0]
    return "arm64" if family == "a1" or re.match(r"^[a-z]+\d+g", family) else "x86_64"


class Roll(Section):
    """Set by `make roll` in a copy of the stack file, for one run; never in the stack file itself."""

    capacity: Annotated[int, Field(ge=1)]
    """Capacity with which the new request starts: what the old one has at that moment."""


class FleetSettings(Section):
    """The Spot Fleet whose instances are Mesos agents. One unit of capacity is a `large`: two vCPUs."""

    ami: AmiId
    """Pinned image of the agents: the newest one at deploy time would replace the fleet unasked."""

    instance_types: Annotated[dict[InstanceType, Annotated[int, Field(ge=1)]], Field(min_length=1)]
    """Instance type → its weight in units of capacity. At least ten in a protected stack, all of one architecture."""

    base_capacity: Annotated[int, Field(ge=1)] = 1
    """Units on demand that never go away: `plan` runs there."""

    min_capacity: Annotated[int, Field(ge=1)] = 1
    """Lower bound of auto scaling, units. The same as baseCapacity unless spot must be kept warm at all times."""

    max_capacity: Annotated[int, Field(ge=1)] = 10
    """Upper bound of auto scaling, units: the ceiling of the bill."""

    task_network: Literal["host", "bridge"] = "host"
    """`host`: metadata hop limit 1. `bridge`: 2, or its containers could not reach the machine's credentials."""

    volume_gb: Annotated[int, Field(ge=10, le=1000)] = 50
    """Root volume of an agent, GiB: images, sandboxes, the fetcher's cache."""

    roll: Roll | None = None
    """Only for `make roll`."""

    @model_validator(mode="after")
    def _capacity_in_order(self) -> Self:
        if not self.base_capacity <= self.min_capacity <= self.max_capacity:
            raise ValueError(
                f"baseCapacity {self.base_capacity} ≤ minCapacity {self.min_capacity} ≤ maxCapacity "
                f"{self.max_capacity} does not hold"
            )
        return self

    @model_validator(mode="after")
    def _weights(self) -> Self:
        for name, weight in self.instance_types.items():
            size = name.partition(".")[2]
            units = _UNITS_OF_SIZE.get(size)
            if units is None:
                raise ValueError(
                    f"instanceTypes: {name} has no known size; use one of {', '.join(_UNITS_OF_SIZE)}"
                )
            if weight != units:
                raise ValueError(
                    f"instanceTypes: {name} weighs {weight}, but a {size} is {units} units of capacity "
                    "(one unit is a large, two vCPUs)"
                )
        return self

    @model_validator(mode="after")
    def _one_architecture(self) -> Self:
        by_architecture = {architecture_of(name): name for name in self.instance_types}
        if len(by_architecture) > 1:
            raise ValueError(
                f"instanceTypes mixes architectures: {by_architecture['x86_64']} is x86_64, "
                f"{by_architecture['arm64']} is arm64; one image runs on all of them"
            )
        return self


class Prewarm(Section):
    """Capacity ahead of a crawl whose time is known."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,40}$")]
    """What the crawl is called here."""

    start: Annotated[str, Field(pattern=CRON)]
    """When the lower bound rises, `cron(30 1 * * ? *)` (Application Auto Scaling, scheduled actions)."""

    end: Annotated[str, Field(pattern=CRON)]
    """When it goes back to minCapacity."""

    timezone: Annotated[str, Field(pattern=r"^[A-Za-z_]+(/[A-Za-z_+\-0-9]+)*$")] = "UTC"
    """Time zone of start and end, `Europe/Madrid`."""

    capacity: Annotated[int, Field(ge=1)]
    """Lower bound between start and end, units."""
