"""What can be dangerous in a change, and what a person should know of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """A kind of danger: what a label `acknowledged: KIND` or the flag `--acknowledge KIND` names."""

    STATEFUL_REPLACEMENT = "stateful-replacement"
    STATEFUL_DELETION = "stateful-deletion"
    FLEET_REPLACEMENT = "fleet-replacement"
    MASTERS = "masters"
    CAPACITY_RESET = "capacity-reset"
    TASK_RESTART = "task-restart"
    IAM_WIDENING = "iam-widening"
    PROTECTION_REMOVED = "protection-removed"
    DATA_EXPOSURE = "data-exposure"


@dataclass(frozen=True)
class Danger:
    """One danger: foreign text only in `subject` and `details`."""

    kind: Kind
    subject: str
    """The resource or app, by its logical name."""

    details: tuple[str, ...] = ()
    """What exactly, a line each."""

    refused: bool = False
    """Whether the engine itself refuses it, because the resource is protected."""


@dataclass(frozen=True)
class Advice:
    """Why a kind matters and what to do."""

    title: str
    why: str
    todo: str


ADVICE: dict[Kind, Advice] = {
    Kind.STATEFUL_REPLACEMENT: Advice(
        "What holds data would be replaced",
        "The new resource starts empty, and what the old one holds is lost with it.",
        "Keep what forces the replacement as it is, or move the data first; see docs/preview.md.",
    ),
    Kind.STATEFUL_DELETION: Advice(
        "What holds data would be deleted",
        "Messages, rows, objects or logs in it are gone for good, unless it is retained.",
        "Drain or copy it first. For a rename, give the resource an alias instead.",
    ),
    Kind.FLEET_REPLACEMENT: Advice(
        "The fleet request would be replaced",
        "A second fleet rises beside the first, then every machine of the first is terminated at once.",
        "Roll it with `make roll`: it starts the new request at today's capacity and drains the old one.",
    ),
    Kind.MASTERS: Advice(
        "The quorum of the masters is at risk",
        "More than one master gone, or one back with an empty log, can corrupt Mesos' replicated log.",
        "Replace one master at a time by its generation key, and wait until it has rejoined.",
    ),
    Kind.CAPACITY_RESET: Advice(
        "The fleet's capacity would be moved",
        "Any update of the scalable target moves capacity into its bounds at once, whatever auto scaling had chosen.",
        "Do it between crawls, or widen the bounds only in the direction in which capacity is free.",
    ),
    Kind.TASK_RESTART: Advice(
        "Tasks of an app would restart",
        "Every task of the app is killed and started anew, a share at a time; what it holds goes back to its queue.",
        "Merge it when a restart is fine. Only `instances` changes without one.",
    ),
    Kind.IAM_WIDENING: Advice(
        "Somebody may do more than before",
        "All tasks of an agent share its profile, so whatever a role gains, every worker gains.",
        "Check that each new action and resource is needed, and that no narrower one would do.",
    ),
    Kind.PROTECTION_REMOVED: Advice(
        "Protection would be removed",
        "The next update could delete or replace the resource without being refused.",
        "Unprotect only in the run that needs it, and protect again in the same change.",
    ),
    Kind.DATA_EXPOSURE: Advice(
        "Something would be open to the world",
        "Whoever finds the address or the name can read or reach it.",
        "Name a security group, a network or an endpoint instead of everyone.",
    ),
}
