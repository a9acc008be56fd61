"""What holds data or work is protected, save in stacks that are thrown away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

from .fleet import SPOT_FLEET
from .machines import INSTANCE, VOLUME
from .queues import QUEUE
from .rule import ResourceRule, Rule, StackRule, Subject, companions
from .storage import BUCKET, BUCKET_NAMES, TABLE

LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
STATEFUL = (TABLE, QUEUE, VOLUME, SPOT_FLEET, INSTANCE, "aws:kms/key:Key")
"""Single instances are masters: the fleet's come from its template, and are no resources of the program."""

DISPOSABLE = "disposableStacks"
DISPOSABLE_DEFAULT = ("local", "dev")
FLEETING_DAYS = 30
"""A bucket whose every object expires within this holds nothing that cannot be crawled again."""

_SETTINGS = {DISPOSABLE: {"type": "array", "items": {"type": "string"}, "default": list(DISPOSABLE_DEFAULT)}}
_PROTECT = "https://www.pulumi.com/docs/iac/concepts/options/protect/"


def _protected(resource: Subject) -> Iterator[str]:
    disposable = cast("Sequence[str]", resource.config.get(DISPOSABLE, DISPOSABLE_DEFAULT))
    if not resource.protect and resource.stack not in disposable:
        yield (
            "not protected: set trawler:protect to true in the stack file, or protect=True in its"
            " ResourceOptions"
        )


def _bucket_protected(bucket: Subject, stack: Sequence[Subject]) -> Iterator[str]:
    if not any(_is_fleeting(c) for c in companions(bucket, stack, LIFECYCLE, "bucket", BUCKET_NAMES)):
        yield from _protected(bucket)


def _is_fleeting(lifecycle: Subject) -> bool:
    """Whether a lifecycle ends every object of its bucket within days."""
    for rule in lifecycle.props.many("rules"):
        scope = rule.one("filter")
        # Of objects of one prefix, tag or size only, others may stay for good.
        everything = not rule.text("prefix") and not scope.any()
        days = rule.one("expiration").number("days")
        if rule.text("status") == "Enabled" and everything and days and days <= FLEETING_DAYS:
            return True
    return False


RULES: tuple[Rule, ...] = (
    ResourceRule(
        name="stateful-protected",
        what="Tables, queues, volumes, keys, the fleet request and single instances are protected.",
        why="Their deletion or replacement loses data or work, so the engine must refuse it.",
        reference=_PROTECT,
        types=STATEFUL,
        settings=_SETTINGS,
        check=_protected,
    ),
    StackRule(
        name="bucket-protected",
        what=f"Buckets are protected, unless all their objects expire within {FLEETING_DAYS} days.",
        why="A rollback finds its release in one.",
        reference=_PROTECT,
        types=(BUCKET,),
        settings=_SETTINGS,
        check=_bucket_protected,
    ),
)
