"""Tasks that a change kills."""

from __future__ import annotations

from collections.abc import Iterator

from review.apps import AppChange, Fate, app_changes
from review.dangers.kinds import Danger, Kind
from review.preview import Preview
from review.values import shown

_KILLED = frozenset({Fate.RESTARTS, Fate.STOPS, Fate.UNDECIDED})


def task_restarts(preview: Preview) -> Iterator[Danger]:
    """Apps whose tasks restart or stop for another reason than a new release: that is what a deployment is."""
    for app in app_changes(preview):
        if app.fate in _KILLED:
            yield Danger(Kind.TASK_RESTART, app.name, tuple(_details(app)))


def _details(app: AppChange) -> Iterator[str]:
    if app.fate is not Fate.RESTARTS:
        yield app.fate.value
    for field in app.fields:
        yield f"{field.path}: {shown(field.before)} → {shown(field.after)}"
