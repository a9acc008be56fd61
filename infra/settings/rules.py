"""Rules that join several sections: each tells which key breaks it and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from infra.settings.cluster import ManagedCluster
from infra.settings.fleet import POOLS_LIMIT, architecture_of
from infra.settings.network import NEEDED_WITHOUT_NAT, ExistingNetwork, NewNetwork
from infra.settings.stack import Settings
from infra.subnets import usable_addresses

PROTECTED_TYPES = 10
"""Fewest instance types of a protected stack: few pools are interrupted together."""


@dataclass(frozen=True)
class Violation:
    """A broken rule."""

    key: str
    """Key below the project's namespace, `network.zones`."""

    text: str


def violations(settings: Settings, region: str) -> list[Violation]:
    """Every rule across sections that the settings break, in the order of the sections.

    Args:
        settings: valid section by section.
        region: the stack's `aws:region`.
    """
    return [
        *_network(settings, region),
        *_cluster(settings),
        *_fleet(settings),
        *_prewarm(settings),
        *_image(settings),
    ]


def _network(settings: Settings, region: str) -> Iterator[Violation]:
    network = settings.network
    for zone in network.zones:
        if zone[:-1] != region:
            yield Violation("network.zones", f"zone {zone} is not in {region}, the region of aws:region")
    if settings.protect and len(network.zones) < 2:
        yield Violation(
            "network.zones", "a protected stack needs two or three zones: one zone's failure ends the crawl"
        )
    if isinstance(network, NewNetwork):
        room = usable_addresses(network.cidr)
        needed = -(-settings.fleet.max_capacity // len(network.zones))
        if needed > room:
            yield Violation(
                "network.cidr",
                f"{network.cidr} is too small: a subnet has {room} addresses, but fleet.maxCapacity "
                f"{settings.fleet.max_capacity} over {len(network.zones)} zones may need {needed}",
            )


def _cluster(settings: Settings) -> Iterator[Violation]:
    cluster, network = settings.cluster, settings.network
    if not isinstance(cluster, ManagedCluster):
        return
    masters = len(cluster.masters.generations)
    if settings.protect and masters == 1:
        yield Violation(
            "cluster.masters.generations",
            "one master in a protected stack: its loss ends the cluster, and it can never grow to three "
            "(more masters than the quorum assumes can corrupt the log); give three, or protect: false",
        )
    if isinstance(network, ExistingNetwork):
        if not network.master_subnet_ids:
            yield Violation(
                "network.masterSubnetIds", "missing: a managed cluster needs a subnet for its masters"
            )
        elif masters > 1 and len(network.master_subnet_ids) < 2:
            yield Violation(
                "network.masterSubnetIds", "one zone for three masters: name a subnet in at least two zones"
            )
        return
    lacking = NEEDED_WITHOUT_NAT - set(network.interface_endpoints)
    if network.masters == "private" and network.nat == "none" and lacking:
        yield Violation(
            "network.interfaceEndpoints",
            f"masters in private subnets without NAT cannot reach {', '.join(sorted(lacking))}: add these "
            "endpoints, set network.nat, or network.masters: public",
        )


def _fleet(settings: Settings) -> Iterator[Violation]:
    fleet = settings.fleet
    if settings.protect and len(fleet.instance_types) < PROTECTED_TYPES:
        yield Violation(
            "fleet.instanceTypes",
            f"{len(fleet.instance_types)} instance types: a protected stack needs at least {PROTECTED_TYPES}, so "
            "that one pool's interruption is a small loss",
        )
    pools = len(fleet.instance_types) * len(settings.network.zones)
    if pools > POOLS_LIMIT:
        yield Violation(
            "fleet.instanceTypes", f"{pools} pools (type × zone); a request may have {POOLS_LIMIT}"
        )
    architecture = architecture_of(next(iter(fleet.instance_types)))
    if architecture != settings.image.architecture:
        yield Violation(
            "image.architecture",
            f"{settings.image.architecture}, but the instances of fleet.instanceTypes are {architecture}",
        )


def _prewarm(settings: Settings) -> Iterator[Violation]:
    seen: set[str] = set()
    for warm in settings.prewarm:
        if warm.name in seen:
            yield Violation("prewarm", f"two entries are named {warm.name}")
        seen.add(warm.name)
        if not settings.fleet.min_capacity <= warm.capacity <= settings.fleet.max_capacity:
            yield Violation(
                "prewarm",
                f"{warm.name}: capacity {warm.capacity} is outside fleet.minCapacity "
                f"{settings.fleet.min_capacity} to maxCapacity {settings.fleet.max_capacity}",
            )


def _image(settings: Settings) -> Iterator[Violation]:
    image = settings.image
    if settings.protect and "@sha256:" not in image.base_image:
        yield Violation(
            "image.baseImage",
            f"{image.base_image} is a name that another image can be given tomorrow, and the tag of the workers' image "
            "would stay the same: a protected stack names it by digest, "
            f"{image.base_image}@sha256:…, as `docker buildx imagetools inspect {image.base_image}` prints it",
        )
