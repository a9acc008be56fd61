"""Settings of the network: a new VPC, or one that is there."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from infra.settings.section import Cidr, Section, SubnetId, Zone, overlapping
from infra.subnets import Placement, usable_addresses

InterfaceEndpoint = Literal[
    "ec2messages", "ecr.api", "ecr.dkr", "logs", "monitoring", "secretsmanager", "sqs", "ssm", "ssmmessages"
]

NEEDED_WITHOUT_NAT: frozenset[InterfaceEndpoint] = frozenset(
    {"logs", "monitoring", "secretsmanager", "ssm", "ssmmessages"}
)
"""Services a machine in a private subnet must reach before it can boot, be logged and be opened."""

DOCKER_BRIDGE = "172.17.0.0/16"
"""Docker's default bridge: a VPC on these addresses cannot be reached from a container."""


class NewNetwork(Section):
    """A VPC of the stack's own."""

    mode: Literal["new"]
    cidr: Cidr = "10.20.0.0/16"
    """Addresses of the VPC, /16 to /22. Each zone letter has a fixed sixteenth for its public and its
    private subnet."""

    zones: Annotated[list[Zone], Field(min_length=1, max_length=6)]
    """Availability Zones, two or three. One only where the stack is not protected."""

    nat: Literal["none", "one", "perZone"] = "none"
    """NAT gateways of the private subnets. `one` saves money and makes a zone a single point of failure."""

    agents: Placement = "public"
    """Where agents stand. `public`: a public address each and no inbound rule; crawled bytes pay no NAT."""

    masters: Placement = "private"
    """Where the masters of a managed cluster stand."""

    interface_endpoints: list[InterfaceEndpoint] = Field(default=[])
    """AWS services reached without NAT or internet, each billed per zone and hour."""

    avoid_cidrs: list[Cidr] = Field(default=[])
    """Networks the VPC must not overlap, because it is or will be joined to them."""

    @model_validator(mode="after")
    def _addresses(self) -> Self:
        prefix = int(self.cidr.partition("/")[2])
        if not 16 <= prefix <= 22:
            raise ValueError(
                f"cidr {self.cidr} is /{prefix}: a VPC here is /16 to /22 (a /22 leaves "
                f"{usable_addresses('10.0.0.0/22')} addresses a subnet)"
            )
        clash = overlapping(
            [
                ("cidr", self.cidr),
                ("Docker's bridge", DOCKER_BRIDGE),
                *(("avoidCidrs", c) for c in self.avoid_cidrs),
            ]
        )
        if clash and clash[0][0] == "cidr":
            raise ValueError(
                f"cidr {self.cidr} overlaps {clash[1][1]} ({clash[1][0]}): choose another network"
            )
        return self

    @model_validator(mode="after")
    def _zones_once(self) -> Self:
        if len(set(self.zones)) != len(self.zones):
            raise ValueError(f"zones {self.zones} names a zone twice")
        return self

    @model_validator(mode="after")
    def _ways_out(self) -> Self:
        if self.agents == "private" and self.nat == "none":
            raise ValueError(
                "agents: private with nat: none cannot reach any shop: set nat to one or perZone, or agents: public"
            )
        if self.nat != "none" and self.agents == "public" and self.masters == "public":
            raise ValueError(f"nat: {self.nat}, but nobody stands in a private subnet: set nat: none")
        return self


class ExistingNetwork(Section):
    """A VPC that somebody else looks after."""

    mode: Literal["existing"]
    vpc_id: Annotated[str, Field(pattern=r"^vpc-[0-9a-f]{8,17}$")]
    """The VPC."""

    agent_subnet_ids: Annotated[dict[Zone, SubnetId], Field(min_length=1)]
    """Zone → subnet of the agents. It must reach the internet."""

    master_subnet_ids: dict[Zone, SubnetId] = Field(default={})
    """Zone → subnet of the masters; required with a managed cluster."""

    cidr: Cidr
    """Addresses of the VPC: what the masters' load balancer listens to."""

    s3_endpoint_id: Annotated[str, Field(pattern=r"^vpce-[0-9a-f]{8,17}$")]
    """The VPC's S3 gateway endpoint, through which agents read releases by plain HTTPS. It must be in the route
    tables of the agents' subnets."""

    @property
    def zones(self) -> list[str]:
        """Zones of the agents."""
        return sorted(self.agent_subnet_ids)


NetworkSettings = Annotated[NewNetwork | ExistingNetwork, Field(discriminator="mode")]
