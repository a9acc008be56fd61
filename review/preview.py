"""The engine's preview: `pulumi preview --json`, and with its event log also what stays as it is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from review.errors import ReviewError
from review.values import SECRET, Difference, at, differences, known

REPLACING = frozenset({"replace", "create-replacement", "delete-replaced"})
LOGICAL = frozenset(
    {"create", "update", "replace", "delete", "import", "import-replacement", "discard", "read"}
)
"""Operations that are one change each; a replacement's other two steps repeat it (pulumi/pulumi, step.go)."""


@dataclass(frozen=True)
class State:
    """A resource as it is, or as it is meant to be."""

    id: str
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    protect: bool
    retain_on_delete: bool
    dependencies: Mapping[str, Sequence[str]]
    """Input → URNs it is made of."""

    @classmethod
    def read(cls, raw: Mapping[str, Any] | None) -> State | None:
        """The state of a step; None where it has none."""
        if not raw:
            return None
        return cls(
            str(raw.get("id") or ""),
            known(raw.get("inputs") or {}),
            known(raw.get("outputs") or {}),
            bool(raw.get("protect")),
            bool(raw.get("retainOnDelete")),
            raw.get("propertyDependencies") or {},
        )


@dataclass(frozen=True)
class Change:
    """One property of a resource that would change."""

    path: str
    before: Any
    after: Any
    replaces: bool


@dataclass(frozen=True)
class Step:
    """What would happen to one resource."""

    op: str
    urn: str
    old: State | None
    new: State | None
    replace_reasons: tuple[str, ...] = ()
    replacing_paths: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    """Every property path that the provider says differs."""

    @property
    def name(self) -> str:
        """Logical name."""
        return self.urn.rpartition("::")[2]

    @property
    def type(self) -> str:
        """Type token, `aws:sqs/queue:Queue`."""
        return self._types[-1]

    @property
    def component(self) -> str:
        """The component it belongs to, by the first type of its URN: `Queues`; empty for one without a parent."""
        first = self._types[0]
        return first.rpartition(":")[2] if len(self._types) > 1 or first.startswith("trawler:") else ""

    @property
    def _types(self) -> list[str]:
        return self.urn.split("::")[2].split("$") if self.urn.count("::") >= 3 else [""]

    @property
    def before(self) -> Mapping[str, Any]:
        """Inputs as they are."""
        return self.old.inputs if self.old else {}

    @property
    def after(self) -> Mapping[str, Any]:
        """Inputs as they would be; empty for a resource that goes."""
        return self.new.inputs if self.new and self.op != "delete" else {}

    @cached_property
    def changes(self) -> list[Change]:
        """Every property that differs, by path."""
        before, after = dict(self.before), dict(self.after)
        if self.op == "replace":
            # A name that the provider chose is another one after a replacement, and not the one shown here.
            for key in {*before.get("__defaults", ())} & {*after.get("__defaults", ())}:
                before.pop(key, None)
                after.pop(key, None)
        found = list(differences(before, after))
        told = {difference.path for difference in found}
        hidden = [
            Difference(path, SECRET, SECRET)
            for path in self.paths
            if path not in told and SECRET in (at(before, path), at(after, path))
        ]
        return [self._change(difference) for difference in [*found, *hidden]]

    def _change(self, found: Difference) -> Change:
        top = found.path.partition(".")[0].partition("[")[0]
        replaces = self.op == "replace" and (
            top in self.replace_reasons
            or any(
                found.path.startswith(path) or path.startswith(found.path) for path in self.replacing_paths
            )
        )
        return Change(found.path, found.before, found.after, replaces)


@dataclass(frozen=True)
class Diagnostic:
    """Something the engine or the program said."""

    urn: str
    severity: str
    message: str


@dataclass(frozen=True)
class Preview:
    """What an update would do."""

    steps: tuple[Step, ...]
    """What changes, in stable order (by URN)."""

    unchanged: tuple[Step, ...] | None
    """What stays as it is; None where no event log told."""

    counts: Mapping[str, int] = field(default_factory=dict)
    diagnostics: tuple[Diagnostic, ...] = ()

    @property
    def errors(self) -> list[Diagnostic]:
        """What made the preview fail."""
        return [d for d in self.diagnostics if d.severity == "error"]

    @cached_property
    def fresh(self) -> bool:
        """Whether nothing of the environment exists yet."""
        known_before = [*self.steps, *(self.unchanged or ())]
        return not any(step.old and step.old.id for step in known_before) and not (
            self.unchanged is None and self.counts.get("same", 0) > 1
        )

    def all(self) -> Iterator[Step]:
        """What changes and what does not."""
        yield from self.steps
        yield from self.unchanged or ()


def read(text: str, events: str | None = None) -> Preview:
    """The preview of a JSON document, and of its event log where there is one.

    Raises:
        ReviewError: the text is not what `pulumi preview --json` prints.
    """
    try:
        raw = json.loads(text)
    except ValueError as e:
        raise ReviewError(f"the preview is not the JSON of `pulumi preview --json`: {e}") from None
    if not isinstance(raw, dict):
        raise ReviewError("the preview is not the JSON of `pulumi preview --json`: it is no object")
    steps = [_step(step) for step in raw.get("steps") or [] if step.get("op") in LOGICAL]
    return Preview(
        steps=tuple(sorted(steps, key=lambda step: step.urn)),
        unchanged=None if events is None else _unchanged(events),
        counts=raw.get("changeSummary") or {},
        diagnostics=tuple(
            Diagnostic(d.get("urn") or "", d.get("severity") or "", (d.get("message") or "").strip())
            for d in raw.get("diagnostics") or []
        ),
    )


def event_lines(events: str) -> Iterator[dict[str, Any]]:
    """The events of a log, one JSON object a line; a torn last line is left out."""
    for line in events.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            yield event


def _unchanged(events: str) -> tuple[Step, ...]:
    found: dict[str, Step] = {}
    for event in event_lines(events):
        metadata = (event.get("resourcePreEvent") or {}).get("metadata") or {}
        if metadata.get("op") == "same":
            found[metadata["urn"]] = Step(
                "same", metadata["urn"], State.read(metadata.get("old")), State.read(metadata.get("new"))
            )
    return tuple(found[urn] for urn in sorted(found))


def _step(raw: Mapping[str, Any]) -> Step:
    detailed = raw.get("detailedDiff") or {}
    return Step(
        raw["op"],
        raw["urn"],
        State.read(raw.get("oldState")),
        State.read(raw.get("newState")),
        tuple(sorted(raw.get("replaceReasons") or [])),
        tuple(sorted(p for p, d in detailed.items() if str(d.get("kind", "")).endswith("-replace"))),
        tuple(sorted(detailed)),
    )
