"""What is known of a stack before any of its resources is: what a manifest is held against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from infra import environment
from infra.boot.node.agent_setup import ATTRIBUTES
from infra.boot.node.drainer import GRACE_S
from infra.room import Room, largest_tasks, room_of
from infra.settings import ManagedCluster, Settings
from infra.settings.app_lint import AllowedBreach
from infra.settings.crawler import Instances

DRAIN_S = 10
"""How long a worker may take from SIGTERM to its end, seconds: 7 to finish what it holds, the rest to hand back what
it could not finish."""

DRAIN_CAP_S = GRACE_S
"""The most that a machine which must go leaves to any task, whatever grace it asks for, seconds."""

RELEASE_FOLDER = "app"
"""The release tarball's one top folder."""

RELEASE_URI = f"https://artifacts.invalid/releases/{'0' * 64}.tar.gz"
"""The form of a release's URI; its bucket is known only once it is there."""

TASK_PORTS = range(31000, 32001)
"""Ports that agents offer (Apache Mesos, Attributes and Resources: the default) and masters may reach."""

AGENT_ATTRIBUTES = frozenset({*ATTRIBUTES, "template_version"})
"""Attributes of every agent."""


@dataclass(frozen=True)
class Capacity:
    """What the fleet can hold."""

    least: Room
    """What auto scaling leaves at any time."""

    most: Room
    """What auto scaling can grow to."""

    on_demand: Room
    """The part of `least` that is never spot."""

    largest: Sequence[Room]
    """One agent of each instance type: a task must fit one of them whole."""

    zones: int


@dataclass(frozen=True)
class Facts:
    """What is known of a stack."""

    names: frozenset[str]
    """Placeholders that the stack fills."""

    known: Mapping[str, Any]
    """Those of them whose value is known now."""

    capacity: Capacity | None = None
    """None: no stack was named, and what depends on its fleet is not judged."""

    task_network: Literal["host", "bridge"] | None = None
    secrets: bool | None = None
    """Whether Marathon was started with the secrets feature; None where the cluster is not the stack's own."""

    allowed: Sequence[AllowedBreach] = field(default=())
    """Rules that single apps may break."""

    stack_file: str = "Pulumi.yaml"
    """Where `allowed` is written."""

    @classmethod
    def of(cls, settings: Settings, stack: str, image: str | None = None) -> Self:
        """What the settings of a stack say.

        Args:
            settings: the stack's.
            stack: its name.
            image: `<repository>:<tag>` of the workers' image; a stand-in's tag where it is not known.
        """
        fleet = settings.fleet
        return cls(
            names=environment.PLACEHOLDERS,
            known={
                **environment.counts(settings),
                "image": image or f"{settings.image.repository}:0123456789abcdef",
                "release_uri": RELEASE_URI,
            },
            capacity=Capacity(
                least=room_of(fleet, fleet.min_capacity, smallest=True),
                most=room_of(fleet, fleet.max_capacity, smallest=False),
                on_demand=room_of(fleet, fleet.base_capacity, smallest=True),
                largest=largest_tasks(fleet),
                zones=len(settings.network.zones),
            ),
            task_network=fleet.task_network,
            secrets=False if isinstance(settings.cluster, ManagedCluster) else None,
            allowed=settings.app_lint.allow,
            stack_file=f"Pulumi.{stack}.yaml",
        )

    @classmethod
    def without_stack(cls) -> Self:
        """Of no stack in particular: the defaults of the settings, and no fleet."""
        instances = Instances()
        return cls(
            names=environment.PLACEHOLDERS,
            known={
                **{f"{stage}_instances": count for stage, count in instances.model_dump().items()},
                "image": "registry.invalid/worker:0123456789abcdef",
                "release_uri": RELEASE_URI,
            },
        )
