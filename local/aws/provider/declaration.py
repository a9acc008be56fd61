"""What one resource type declares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from local.aws.provider.session import Operation
from local.aws.provider.wire import Props


def _moves_nothing(_old: Props, _new: Props) -> frozenset[str]:
    return frozenset()


@dataclass(frozen=True)
class Resource:
    """A resource type over its AWS calls.

    Functions get plain properties by wire name: no secrets, nothing unknown, defaults filled in, `tagsAll` worked out.
    """

    kind: str
    """Type token, such as `aws:sqs/queue:Queue`."""
    service: str
    """boto3's name of the service whose endpoint it needs."""
    create: Callable[[Operation, Props], str]
    """Makes the object, returns its id; sets `Operation.made` before a second call that may fail."""
    read: Callable[[Operation, str, Props], Props | None]
    """Properties as they are now (None for one that is absent), or None when the object is gone.

    Gets the state, which is empty on import."""
    delete: Callable[[Operation, str, Props], object]
    """Removes the object; an error that says it is gone already counts as success."""
    update: Callable[[Operation, str, Props, Props], object] | None = None
    """Brings (old, new) about in place; None where nothing but tags changes in place."""
    tag: Callable[[Operation, str, dict[str, str], list[str]], object] | None = None
    """Sets tags and removes keys."""
    implements: frozenset[str] = frozenset()
    """Inputs that take effect; any other is refused by name. `tags` and `region` follow from the facts."""
    moves: Callable[[Props, Props], frozenset[str]] = _moves_nothing
    """Outputs that an update from old to new inputs changes: unknown in its preview."""


def inputs(names: str) -> frozenset[str]:
    """A set of input names from one text."""
    return frozenset(names.split())


def tag_list(tags: dict[str, str] | None) -> list[dict[str, str]]:
    """Tags as most services want them: [{Key, Value}]."""
    return [{"Key": key, "Value": value} for key, value in (tags or {}).items()]


def tag_map(tags: list[dict[str, str]] | None) -> dict[str, str]:
    """Tags from [{Key, Value}], without those that AWS itself sets."""
    return {tag["Key"]: tag["Value"] for tag in tags or [] if not tag["Key"].startswith("aws:")}
