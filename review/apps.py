"""Which Marathon apps a change restarts, by Marathon's own rule.

Source: Marathon, `AppDefinition.isUpgrade` and `DeploymentPlan`: every field of an app but `instances` and
`executorResources` restarts its tasks; only `instances` changed, or set to 0, scales.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from review.preview import Change, Preview, Step
from review.values import UNKNOWN, Difference, differences

APP_TYPE = "pulumi-python:dynamic/marathon:App"
RELEASE_TYPE = "pulumi-python:dynamic/release:Release"
RECORD_TYPE = "pulumi-python:dynamic/release:DeployRecord"
_CODE = {
    RELEASE_TYPE: frozenset({"digest", "key", "path", "files", "commit", "dirty"}),
    RECORD_TYPE: frozenset({"digest", "commit", "dirty"}),
}
"""Type → inputs that a change of code alone changes."""


_NO_RESTART = frozenset({"instances", "executorResources"})
_DIGEST = re.compile(r"[0-9a-f]{64}")
_RELEASE = re.compile(r"releases/[0-9a-f]{64}\.tar\.gz")


class Fate(StrEnum):
    """What becomes of an app's tasks."""

    STARTS = "starts"
    STOPS = "stops for good"
    RESTARTS = "restarts"
    ROLLS = "rolls to the new release"
    SCALES = "scales, no restart"
    UNDECIDED = "restarts if what is known only after up differs"
    UNTOUCHED = "untouched"


@dataclass(frozen=True)
class AppChange:
    """An app and what a change does to it."""

    name: str
    fate: Fate
    fields: tuple[Difference, ...] = ()
    """What differs in the manifest, without the release."""

    instances: tuple[Any, Any] = (None, None)


@dataclass(frozen=True)
class ReleaseChange:
    """Another release of the workers; digests, the first none in a new environment."""

    before: str
    after: str

    @property
    def whole(self) -> bool:
        """Whether both are digests: hex, and so safe to show."""
        return bool(_DIGEST.fullmatch(self.before) and _DIGEST.fullmatch(self.after))


def app_changes(preview: Preview) -> list[AppChange]:
    """Every app that is known, by name."""
    return sorted((_change(s) for s in preview.all() if s.type == APP_TYPE), key=lambda app: app.name)


def release_change(preview: Preview) -> ReleaseChange | None:
    """The new release, where there is one."""
    for step in preview.steps:
        if step.type == RELEASE_TYPE and step.before.get("digest") != step.after.get("digest"):
            return ReleaseChange(str(step.before.get("digest") or ""), str(step.after.get("digest") or ""))
    return None


def code_only(preview: Preview) -> bool:
    """Whether nothing changes but the release and the apps' way to it: what every deployment is."""
    release = release_change(preview)
    return (
        release is not None
        and release.whole
        and not preview.errors
        and all(_is_code(step) for step in preview.steps if step.op != "read")
    )


def _is_code(step: Step) -> bool:
    if step.op != "update":
        return False
    if step.type == APP_TYPE:
        return _change(step).fate is Fate.ROLLS and _manifest_only(step.changes)
    return {c.path for c in step.changes} <= _CODE.get(step.type, frozenset())


def _manifest_only(changes: Sequence[Change]) -> bool:
    return all(change.path.startswith("manifest") for change in changes)


def _change(step: Step) -> AppChange:
    before, after = _manifest(step.before), _manifest(step.after)
    instances = (before.get("instances"), after.get("instances"))
    if step.op == "same":
        return AppChange(_name(step), Fate.UNTOUCHED, (), instances)
    if step.op == "create":
        return AppChange(_name(step), Fate.STARTS, (), instances)
    if step.op == "delete":
        return AppChange(_name(step), Fate.STOPS, (), instances)
    if step.after.get("manifest") is UNKNOWN:
        return AppChange(_name(step), Fate.UNDECIDED, (), instances)
    fields = tuple(differences(_without_release(before), _without_release(after)))
    tops = {re.split(r"[.\[]", field.path, maxsplit=1)[0] for field in fields}
    if step.op == "replace":
        fate = Fate.RESTARTS
    elif tops - _NO_RESTART:
        # Set to 0, an app is scaled, whatever else changed.
        fate = Fate.SCALES if after.get("instances") == 0 else Fate.RESTARTS
    elif before.get("fetch") != after.get("fetch"):
        fate = Fate.ROLLS
    else:
        fate = Fate.SCALES if tops else Fate.UNTOUCHED
    return AppChange(_name(step), fate, fields, instances)


def _name(step: Step) -> str:
    manifest = _manifest(step.after) or _manifest(step.before)
    found = manifest.get("id")
    return found if isinstance(found, str) else (step.old.id if step.old and step.old.id else step.name)


def _manifest(inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    manifest = inputs.get("manifest")
    return manifest if isinstance(manifest, dict) else {}


def _without_release(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _without_release(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_without_release(item) for item in node]
    return _RELEASE.sub("releases/…", node) if isinstance(node, str) else node
