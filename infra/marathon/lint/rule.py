"""What a rule on app manifests is, and what it says when one breaks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from infra.marathon.app_fields import AppManifest
from infra.marathon.lint.facts import Facts
from infra.marathon.placeholders import Manifest

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class App:
    """A file of `marathon_apps/`, as rules see it."""

    path: Path
    document: Manifest
    """As it is written."""

    app: AppManifest
    """Filled with what is known; a placeholder whose value is made by the deployment is still in it."""

    broken: frozenset[str]
    """Top-level fields whose form is wrong: they are left out of `app`, and rules that read them do not judge it."""

    @property
    def id(self) -> str:
        """The app's id."""
        return self.app.id

    def sets(self, field: str) -> bool:
        """Whether the file itself gives a top-level field."""
        return field in self.document


@dataclass(frozen=True)
class Found:
    """One place that breaks a rule."""

    pointer: str
    """JSON pointer (RFC 6901)."""

    what: str
    """What is there."""

    do: str
    """What to do about it."""


@dataclass(frozen=True)
class Finding:
    """What is told to a person."""

    path: Path
    pointer: str
    rule: str
    severity: Severity
    what: str
    do: str

    def __str__(self) -> str:
        return f"{self.path}: {self.pointer or '/'}: {self.rule}: {self.what}; {self.do}"


@dataclass(frozen=True)
class Rule:
    """A rule on one app, or a part of it.

    Attributes:
        id: how it is called in findings and in exceptions.
        severity: an `error` stops the deployment before its first resource, a `warning` is shown.
        what: what must be true, one sentence.
        why: what happens otherwise.
        reference: the public document or source that says so.
        fixed: no exception can be made: Marathon itself would refuse the app, or it could not be rendered.
    """

    id: str
    severity: Severity
    what: str
    why: str
    reference: str
    fixed: bool = False


@dataclass(frozen=True, kw_only=True)
class AppRule(Rule):
    """Judged app by app."""

    reads: tuple[str, ...]
    """Top-level fields it looks at: it is silent where the form of one of them is wrong already."""

    check: Callable[[App, Facts], Iterator[Found]]


@dataclass(frozen=True, kw_only=True)
class FolderRule(Rule):
    """Judged over all apps together."""

    reads: tuple[str, ...]

    check: Callable[[Sequence[App], Facts], Iterator[tuple[App, Found]]]
