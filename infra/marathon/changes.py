"""What differs between two definitions of an app, and what that does to its tasks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from infra.marathon.normal_form import normal

Json = dict[str, Any]

NO_RESTART = frozenset({"instances", "executorResources"})
"""Fields that scale or do nothing; every other one replaces all tasks (Marathon, `AppDefinition.isUpgrade`)."""

DECIDED_BY_SERVER = frozenset(
    {
        "role", "acceptedResourceRoles", "maxLaunchDelaySeconds", "tty", "resourceLimits", "executorResources",
        "taskRateLimit", "user",
    }
)  # fmt: skip
"""Fields whose default is a flag or a version of the server's: where they are not set, any value is right."""

ASSIGNED_PORTS = ("port", "servicePort", "hostPort", "containerPort")
"""Ports of which 0 asks for any, and a read may tell which it became."""

LEGACY = {"fetch": "uris", "portDefinitions": "ports"}

_ABSENT = object()


def differences(wanted: Mapping[str, Any], found: Mapping[str, Any], *, of_marathon: bool) -> list[str]:
    """Where two definitions differ in meaning, as JSON pointers (RFC 6901) into their normal form, in order.

    Args:
        wanted: as written.
        found: another such, or what Marathon says.
        of_marathon: `found` is Marathon's: what a server decides or assigns is no difference where it was not set.
    """
    left, right = normal(wanted), normal(found)
    if of_marathon:
        for key in DECIDED_BY_SERVER - left.keys():
            right.pop(key, None)
    return list(_different(left, right, "", of_marathon))


def restarts(changed: Sequence[str], wanted: Mapping[str, Any]) -> bool:
    """Whether these differences replace the app's tasks. Set to 0 instances, an app is only scaled."""
    return wanted.get("instances") != 0 and any(path.split("/")[1] not in NO_RESTART for path in changed)


def told(changed: Sequence[str], wanted: Mapping[str, Any]) -> str:
    """The differences and their effect as one line. It names fields and no value: one of them may be a secret."""
    effect = "replaces its tasks" if restarts(changed, wanted) else "restarts no task"
    return f"differs in {', '.join(changed)}; an update {effect}"


def as_found(manifest: Mapping[str, Any], app: Mapping[str, Any]) -> Json:
    """The manifest with what Marathon holds differently; the same manifest where nothing differs.

    Fields that the server filled in do not appear, nor does the form change in which something was written.

    Args:
        manifest: as it was deployed.
        app: Marathon's.
    """
    made, there = dict(manifest), normal(app)
    for key in _fields(differences(manifest, app, of_marathon=True)):
        made.pop(LEGACY.get(key, ""), None)
        if key not in there:
            made.pop(key, None)
            continue
        made[key] = _in_shape(manifest.get(key, _ABSENT), app.get(key, there[key]))
        if key in _fields(differences(made, app, of_marathon=True)):
            made[key] = there[key]
    return made


def _fields(pointers: Sequence[str]) -> list[str]:
    return sorted({pointer.split("/")[1] for pointer in pointers})


def _different(left: Any, right: Any, path: str, of_marathon: bool) -> Iterator[str]:
    if isinstance(left, dict) and isinstance(right, dict):
        for key in sorted(left.keys() | right.keys()):
            if of_marathon and key in ASSIGNED_PORTS and left.get(key, 0) == 0:
                continue
            where = f"{path}/{key.replace('~', '~0').replace('/', '~1')}"
            yield from _different(left.get(key, _ABSENT), right.get(key, _ABSENT), where, of_marathon)
    elif isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        for i, (one, other) in enumerate(zip(left, right, strict=True)):
            yield from _different(one, other, f"{path}/{i}", of_marathon)
    elif left != right or isinstance(left, bool) != isinstance(right, bool):
        yield path


def _in_shape(wanted: Any, found: Any) -> Any:
    """What is there, without the keys that the server added to what was set."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return {
            key: _in_shape(wanted.get(key, _ABSENT), value) for key, value in found.items() if key in wanted
        }
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        return [_in_shape(w, f) for w, f in zip(wanted, found, strict=True)]
    return found
