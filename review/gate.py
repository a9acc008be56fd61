"""Whether a person must say yes first, and whether they have."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from review import apps
from review.dangers import Danger, Kind
from review.errors import MisuseError
from review.policies import PolicyResults
from review.preview import Preview

_LABEL = re.compile(r"^\s*acknowledged:\s*(?P<kind>[a-z-]+)\s*$", re.IGNORECASE)


class Status(IntEnum):
    """Exit status."""

    DONE = 0
    FAILED = 1
    MISUSED = 2
    NEEDS_YES = 3


@dataclass(frozen=True)
class Verdict:
    """What comes of it, in words and as an exit status."""

    words: str
    status: Status


def acknowledged(flags: Iterable[str], labels: Iterable[str] = ()) -> frozenset[Kind]:
    """The kinds somebody said yes to.

    Args:
        flags: kinds as given to `--acknowledge`.
        labels: labels of a pull request; `acknowledged: KIND` counts, all others are somebody else's.

    Raises:
        MisuseError: a flag is no kind of danger.
    """
    known = {kind.value: kind for kind in Kind}
    for flag in flags:
        if flag not in known:
            raise MisuseError(f"--acknowledge {flag}: no such danger; there are {', '.join(known)}")
    named = [match["kind"].lower() for label in labels if (match := _LABEL.match(label))]
    return frozenset(known[kind] for kind in [*flags, *named] if kind in known)


def judge(
    preview: Preview, policy: PolicyResults, dangers: Sequence[Danger], yes: frozenset[Kind], failed: bool
) -> Verdict:
    """The verdict on a preview.

    Args:
        preview: what would change.
        policy: what the policy pack said.
        dangers: what is dangerous in it.
        yes: kinds that are acknowledged.
        failed: whether the engine ended with an error.
    """
    open_kinds = {danger.kind for danger in dangers} - yes
    waiting = [danger for danger in dangers if danger.kind in open_kinds]
    parts: list[str] = []
    if policy.refused:
        parts.append("refused by the policy pack")
    if failed and any(danger.refused for danger in dangers):
        parts.append("refused by the engine, as what is protected would go")
    elif failed and not policy.refused:
        parts.append("the preview failed")
    if waiting:
        parts.append(f"{_count(waiting)} {'needs' if len(waiting) == 1 else 'need'} a yes")
    elif dangers:
        parts.append(f"{_count(dangers)}, acknowledged")
    elif not parts:
        parts.append(_harmless(preview))
    status = Status.NEEDS_YES if waiting else Status.FAILED if failed or policy.refused else Status.DONE
    return Verdict("; ".join(parts), status)


def _count(dangers: Sequence[Danger]) -> str:
    return f"{len(dangers)} dangerous change{'' if len(dangers) == 1 else 's'}"


def _harmless(preview: Preview) -> str:
    release = apps.release_change(preview)
    if release and apps.code_only(preview):
        return f"apps roll to new release {release.before[:12]}… → {release.after[:12]}…; no configuration changed"
    steps = [step for step in preview.steps if step.op != "read"]
    if not steps:
        return "nothing changes"
    return "a new environment" if preview.fresh else "changes, none of them dangerous"
