"""Resources that hold data: replaced, deleted, or refused by the engine because they are protected."""

from __future__ import annotations

import re
from collections.abc import Iterator

from review.dangers.kinds import Danger, Kind
from review.preview import Change, Preview, Step
from review.values import shown

STATEFUL = frozenset(
    {
        "aws:sqs/queue:Queue",
        "aws:dynamodb/table:Table",
        "aws:s3/bucket:Bucket",
        "aws:s3/bucketV2:BucketV2",
        "aws:ebs/volume:Volume",
        "aws:cloudwatch/logGroup:LogGroup",
        "aws:kms/key:Key",
        "aws:secretsmanager/secret:Secret",
    }
)
"""Types that lose something when they go: messages, rows, objects, logs, a disk, what a key encrypted."""

FLEET = "aws:ec2/spotFleetRequest:SpotFleetRequest"
INSTANCE = "aws:ec2/instance:Instance"
INTERFACE = "aws:ec2/networkInterface:NetworkInterface"

_REFUSED = re.compile(
    r"(?:unable to replace resource|resource) \"(?P<urn>urn:pulumi:[^\"]+)\"\s*"
    r"(?:as it is currently marked for protection|cannot be deleted)"
)
"""The engine's words for a protected resource (pulumi/pulumi, pkg/resource/deploy/step_generator.go)."""


def stateful(preview: Preview) -> Iterator[Danger]:
    """Resources that hold data and would be replaced or deleted."""
    for step in preview.steps:
        if step.type not in STATEFUL:
            continue
        kept = step.old is not None and step.old.retain_on_delete
        retained = ["the old one is retained: it leaves the state and lives on in AWS"] if kept else []
        if step.op == "replace":
            yield Danger(Kind.STATEFUL_REPLACEMENT, step.name, (*forcing(step), *retained))
        elif step.op == "delete":
            yield Danger(Kind.STATEFUL_DELETION, step.name, tuple(retained))


def refused_by_the_engine(preview: Preview) -> Iterator[Danger]:
    """Replacements and deletions that the preview itself refused."""
    for diagnostic in preview.errors:
        for match in _REFUSED.finditer(diagnostic.message):
            step = Step("replace", match["urn"], None, None)
            replaced = "unable to replace" in match[0]
            kind = Kind.STATEFUL_REPLACEMENT if replaced else Kind.STATEFUL_DELETION
            if step.type == FLEET:
                kind = Kind.FLEET_REPLACEMENT
            elif step.type in {INSTANCE, INTERFACE} or step.component == "Cluster":
                kind = Kind.MASTERS
            yield Danger(kind, step.name, refused=True)


def told_otherwise(message: str) -> bool:
    """Whether an error needs no telling of its own: a refusal, told with its danger, or the engine's last word."""
    return bool(_REFUSED.search(message)) or message == "error: preview failed"


def forcing(step: Step) -> list[str]:
    """What forces a replacement: each property with before and after."""
    paths = [change for change in step.changes if change.replaces] or step.changes
    lines = [described(change) for change in paths]
    return lines or [", ".join(step.replace_reasons) or "what it depends on is replaced"]


def described(change: Change) -> str:
    """A property's change on one line."""
    return f"{change.path}: {shown(change.before)} → {shown(change.after)}"
