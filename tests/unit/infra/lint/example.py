"""Apps that break one rule of the lint, and apps that keep it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from infra.marathon.lint.facts import RELEASE_URI, Capacity, Facts
from infra.room import Room

ABSENT = object()
"""Leaves a field out."""

FACTS = Facts(
    names=frozenset({"release_uri", "image", "fetch_instances", "queue_url"}),
    known={
        "release_uri": RELEASE_URI,
        "image": "registry.invalid/worker:0123456789abcdef",
        "fetch_instances": 2,
    },
    capacity=Capacity(
        least=Room(4, 6144),
        most=Room(16, 32768),
        on_demand=Room(2, 3072),
        largest=[Room(2, 3072, 20480), Room(4, 15360, 20480)],
        zones=3,
    ),
    task_network="host",
    secrets=False,
)
"""A fleet of two units that may grow to eight."""


def app(**fields: Any) -> dict[str, Any]:
    """A sound app, but for these top-level fields."""
    whole: dict[str, Any] = {
        "id": "/crawler/fetch",
        "cmd": "exec python -m crawler fetch",
        "instances": 2,
        "cpus": 0.25,
        "mem": 192,
        "container": container(),
        "networks": [{"mode": "host"}],
        "portDefinitions": [],
        "fetch": [{"uri": "${release_uri}"}],
        "env": {"QUEUE": "${queue_url}"},
        "taskKillGracePeriodSeconds": 15,
        "upgradeStrategy": {"minimumHealthCapacity": 0.5, "maximumOverCapacity": 0.5},
    }
    whole.update(fields)
    return {key: value for key, value in whole.items() if value is not ABSENT}


def container(*, volumes: Any = None, parameters: Any = None, **docker: Any) -> dict[str, Any]:
    """A sound container, but for these fields."""
    return {
        "type": "DOCKER",
        "docker": {
            "image": "${image}",
            "parameters": [{"key": "workdir", "value": "/var/app"}] if parameters is None else parameters,
            **docker,
        },
        "volumes": [volume()] if volumes is None else volumes,
    }


def volume(host: str = "app", inside: str = "/var/app") -> dict[str, Any]:
    """A folder of the sandbox in the container."""
    return {"containerPath": inside, "hostPath": host, "mode": "RO"}


def strategy(least: float, over: float) -> dict[str, Any]:
    """An `upgradeStrategy`."""
    return {"minimumHealthCapacity": least, "maximumOverCapacity": over}


@dataclass(frozen=True)
class Breaks:
    """Files of which one breaks the rule."""

    pointer: str
    apps: Sequence[Any]
    """Documents, or texts where they are no JSON; `a.json`, `b.json`, …"""

    says: str = ""
    facts: Facts = FACTS


@dataclass(frozen=True)
class Keeps:
    """Files that keep every rule, close to breaking this one."""

    apps: Sequence[Any]
    facts: Facts = FACTS


def breaks(pointer: str, says: str = "", facts: Facts = FACTS, **fields: Any) -> Breaks:
    """One file that breaks the rule by these fields."""
    return Breaks(pointer, [app(**fields)], says, facts)


def keeps(facts: Facts = FACTS, **fields: Any) -> Keeps:
    """One file that keeps it with these fields."""
    return Keeps([app(**fields)], facts)


Examples = dict[str, tuple[Sequence[Breaks], Sequence[Keeps]]]
