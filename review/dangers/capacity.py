"""Machines: the fleet request, the bounds of its capacity, and the masters."""

from __future__ import annotations

from collections.abc import Iterator

from review.dangers.data import FLEET, INSTANCE, INTERFACE, described, forcing
from review.dangers.kinds import Danger, Kind
from review.preview import Preview, Step
from review.values import shown

SCALABLE_TARGET = "aws:appautoscaling/target:Target"
VOLUME = "aws:ebs/volume:Volume"
_GONE = frozenset({"replace", "delete"})


def fleet_replacement(preview: Preview) -> Iterator[Danger]:
    """Fleet requests that would be replaced or deleted."""
    for step in preview.steps:
        if step.type == FLEET and step.op in _GONE:
            details = forcing(step) if step.op == "replace" else ["deleted, with its instances"]
            if step.op == "replace":
                details.append(
                    f"the new request starts with a target capacity of {shown(step.after.get('targetCapacity'))}"
                )
            if step.old and step.old.retain_on_delete:
                details.append("the old request is retained: it leaves the state and keeps its machines")
            yield Danger(Kind.FLEET_REPLACEMENT, step.name, tuple(details))


def capacity_reset(preview: Preview) -> Iterator[Danger]:
    """Updates that move the fleet's capacity at once.

    Source: Application Auto Scaling API Reference, RegisterScalableTarget: capacity outside the new bounds is
    moved into them. A target that is replaced with its fleet is part of the fleet's replacement.
    """
    fleet_goes = any(step.type == FLEET and step.op in _GONE for step in preview.steps)
    for step in preview.steps:
        if step.type == SCALABLE_TARGET and step.op in _GONE and not fleet_goes:
            yield Danger(Kind.CAPACITY_RESET, step.name, tuple(forcing(step)))
        elif step.type == SCALABLE_TARGET and step.op in {"update", "replace"}:
            moved = [c for c in step.changes if _narrower(c.path, c.before, c.after)]
            if moved:
                yield Danger(Kind.CAPACITY_RESET, step.name, tuple(map(described, moved)))
        elif step.type == FLEET and step.op == "update":
            moved = [c for c in step.changes if c.path in {"targetCapacity", "onDemandTargetCapacity"}]
            if moved:
                yield Danger(Kind.CAPACITY_RESET, step.name, tuple(map(described, moved)))


def _narrower(path: str, before: object, after: object) -> bool:
    if not isinstance(before, int | float) or not isinstance(after, int | float):
        return path in {"minCapacity", "maxCapacity"}
    return (path == "minCapacity" and after > before) or (path == "maxCapacity" and after < before)


def masters(preview: Preview) -> Iterator[Danger]:
    """More than one master's machine replaced or deleted, or what keeps a master's identity or log.

    Source: Apache Mesos, operational guide: a replaced master must be surely gone before a new one starts, and
    more empty ones than the quorum allows lose the log.
    """
    gone = [step for step in preview.steps if _is_of_master(step) and step.op in _GONE]
    machines = [step for step in gone if step.type == INSTANCE]
    for step in gone:
        if step.type != INSTANCE:
            what = (
                "its log goes with the volume"
                if step.type == VOLUME
                else "its address goes with the interface"
            )
            yield Danger(Kind.MASTERS, step.name, (what, *forcing(step)))
        elif len(machines) > 1:
            others = ", ".join(m.name for m in machines if m is not step)
            yield Danger(Kind.MASTERS, step.name, (f"together with {others}", *forcing(step)))


def _is_of_master(step: Step) -> bool:
    return step.component == "Cluster" and step.type in {INSTANCE, VOLUME, INTERFACE}
