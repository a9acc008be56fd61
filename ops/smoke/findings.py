"""What a check found, and how it is shown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from rich.table import Table

Verdict = Literal["ok", "failed", "not here"]

_COLOURS: dict[Verdict, str] = {"ok": "green", "failed": "red", "not here": "yellow"}


class FailedCheck(Exception):  # noqa: N818  a verdict, not a mistake of the program
    """What was checked is not so.

    Attributes:
        todo: what a person can do about it.
    """

    def __init__(self, found: str, todo: str) -> None:
        super().__init__(found)
        self.todo = todo


class NotHere(Exception):  # noqa: N818
    """It cannot be checked on this stack; the text says why."""


@dataclass(frozen=True)
class Finding:
    """One check's outcome."""

    check: str
    verdict: Verdict
    found: str
    todo: str
    seconds: float

    def __str__(self) -> str:
        return f"{self.verdict}: {self.check}: {self.found}{f' → {self.todo}' if self.todo else ''}"


def table(findings: Iterable[Finding]) -> Table:
    """All of them, a row each."""
    shown = Table("check", "verdict", "found", "to do")
    for f in findings:
        shown.add_row(f.check, f"[{_COLOURS[f.verdict]}]{f.verdict}[/]", f.found, f.todo)
    return shown
