"""Matching a waiting instance against what the agents have left (InstanceOpFactory and OfferMatcher of Marathon)."""

import socket
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from local.mesos.agent.agent import Agent, Machine
from local.mesos.marathon import constraints
from local.mesos.marathon.constraints import Fields
from local.mesos.marathon.definition import App
from local.mesos.marathon.state import Instance, State

#: In the order in which an offer is checked, which is the order of the queue's reject summary.
REASONS = (
    "UnfulfilledRole",
    "UnfulfilledConstraint",
    "NoCorrespondingReservationFound",
    "AgentMaintenance",
    "InsufficientCpus",
    "InsufficientMemory",
    "InsufficientDisk",
    "InsufficientGpus",
    "InsufficientPorts",
    "DeclinedScarceResources",
)
_DEFAULT_ROLE = "*"


@dataclass(frozen=True)
class UnusedOffer:
    """An agent's last offer that did not suit an app, and why."""

    agent: Agent
    left: "Remaining"
    reason: str
    at: datetime


@dataclass
class OfferStatistics:
    """What became of the offers an app has seen since it waits."""

    processed: int = 0
    unused: int = 0
    last_unused_at: datetime | None = None
    last_used_at: datetime | None = None
    declined: Counter[str] = field(default_factory=Counter[str])
    last_declined: Counter[str] = field(default_factory=Counter[str])
    unused_offers: dict[str, UnusedOffer] = field(default_factory=dict[str, UnusedOffer])


@dataclass(frozen=True)
class Refusal:
    reason: str


@dataclass(frozen=True)
class Match:
    agent: Agent
    ports: list[int]


@dataclass
class Remaining:
    """What an agent has left; `take` keeps it true while several instances are placed in a row."""

    cpus: float
    mem: float
    disk: float
    ports: set[int]

    def copy(self) -> "Remaining":
        return Remaining(self.cpus, self.mem, self.disk, set(self.ports))

    def take(self, app: App, ports: Collection[int]) -> None:
        self.cpus -= app.cpus
        self.mem -= app.mem
        self.disk -= app.disk
        self.ports -= set(ports)


def remaining_on(agent: Agent, state: State) -> Remaining:
    machine = agent.machine
    left = Remaining(machine.cpus, machine.mem_mb, machine.disk_mb, set(machine.ports))
    for instance, task in state.tasks():
        if task.agent_id == agent.id:
            left.take(instance.run_spec.app, task.ports)
    return left


def try_offer(app: App, agent: Agent, left: Remaining, placed: Sequence[Fields]) -> Match | Refusal:
    """Match one instance of ``app`` against an agent; the first thing that is lacking names the refusal."""
    if app.accepted_resource_roles and _DEFAULT_ROLE not in app.accepted_resource_roles:
        return Refusal("UnfulfilledRole")
    if not constraints.are_met(app.constraints, fields_of(agent.machine), placed):
        return Refusal("UnfulfilledConstraint")
    for reason, wanted, available in (
        ("InsufficientCpus", app.cpus, left.cpus),
        ("InsufficientMemory", app.mem, left.mem),
        ("InsufficientDisk", app.disk, left.disk),
        ("InsufficientGpus", app.gpus, 0),
    ):
        if wanted > available + 1e-9:
            return Refusal(reason)
    ports = _ports_for(app, agent.machine, left.ports)
    return Refusal("InsufficientPorts") if ports is None else Match(agent, ports)


def fields_of(machine: Machine) -> Fields:
    return constraints.fields_of(machine.host, machine.attributes, machine.region, machine.zone)


def placed_fields(instances: Iterable[Instance], agents: dict[str, Agent]) -> list[Fields]:
    return [
        fields_of(agents[each.task.agent_id].machine)
        for each in instances
        if each.task is not None and each.task.agent_id in agents
    ]


def _wanted_ports(app: App) -> list[int | None]:
    """A fixed host port, or 0 for any, in order; None for a mapping without a host port."""
    if app.on_host_network:
        return [each.port if app.require_ports else 0 for each in app.port_definitions or []]
    mappings = (app.container and app.container.port_mappings) or []
    return [0 if each.host_port is None else each.host_port for each in mappings]


def _ports_for(app: App, machine: Machine, free: set[int]) -> list[int] | None:
    chosen: list[int] = []
    for wanted in _wanted_ports(app):
        if wanted:
            if wanted not in free or wanted in chosen:
                return None
            chosen.append(wanted)
            continue
        port = next(
            (p for p in machine.ports if p in free and p not in chosen and _is_open(machine.host, p)), None
        )
        if port is None:
            return None
        chosen.append(port)
    return chosen


def _is_open(host: str, port: int) -> bool:
    """Whether nothing else on this machine listens there: the agents share it with the rest of the world."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
