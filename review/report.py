"""The report: Markdown for a pull request's comment, within GitHub's limit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from review import apps, markdown
from review.apps import AppChange
from review.cost import Cost, Range
from review.dangers import ADVICE, Danger, Kind, told_otherwise
from review.gate import Verdict
from review.policies import PolicyResults
from review.preview import Change, Preview, Step
from review.values import UNKNOWN, decoded, line_diff, shown

LIMIT = 65_000
"""Bytes. GitHub takes 65,536 characters in a comment (GitHub Docs, REST API, issue comments)."""

_MANY = 40
"""Dangers of one kind, and lines of one danger, that are told apart."""

TEMPLATES = Path(__file__).with_name("templates")

_KNOWN_AFTER = Markup("_known after_ `up`")
_VERBS = {
    "create": "create",
    "update": "change",
    "replace": "replace",
    "delete": "delete",
    "import": "import",
}


@dataclass(frozen=True)
class Review:
    """All that a report tells."""

    stack: str
    preview: Preview
    policy: PolicyResults
    dangers: Sequence[Danger]
    yes: frozenset[Kind]
    verdict: Verdict
    cost: Cost
    failed: bool
    notes: tuple[str, ...] = ()
    """How it was made, in the project's own words."""

    source: str = ""
    """The file with all of it, where there is one to look into."""


@dataclass(frozen=True)
class _Section:
    title: str
    full: str
    short: str
    """What stands for it when there is no room."""


def marker(stack: str) -> str:
    """The line by which the one comment of a stack is found again."""
    return f"<!-- trawler-preview:{stack} -->"


def render(review: Review, limit: int = LIMIT) -> str:
    """The report, at most `limit` bytes: sections that do not fit are cut whole, and it says so."""
    rendering = _Rendering(review)
    head, sections = rendering.head(), rendering.sections()
    cut: list[str] = []
    text = _joined(head, [section.full for section in sections], cut)
    # The changes stand last and are cut first, the largest before the others; the dangers stand to the end.
    for index in sorted(
        range(len(sections)), key=lambda i: (rendering.rank(sections[i]), -len(sections[i].full))
    ):
        if len(text.encode()) <= limit:
            break
        section = sections[index]
        if section.full == section.short:
            continue
        cut.append(section.title)
        sections[index] = _Section(section.title, section.short, section.short)
        text = _joined(head, [s.full for s in sections], [*cut, *([review.source] if review.source else [])])
    return text


def _joined(head: str, sections: Sequence[str], cut: Sequence[str]) -> str:
    parts = [head, *(section for section in sections if section)]
    if cut:
        parts.append(f"_Cut for want of room: {', '.join(cut)}._\n")
    return "\n".join(parts)


class _Rendering:
    def __init__(self, review: Review) -> None:
        self._review = review
        self._environment = Environment(
            loader=FileSystemLoader(TEMPLATES),
            # Whatever is not explicitly shown as code is at least no markup.
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            undefined=StrictUndefined,
        )
        filters: dict[str, Callable[..., Any]] = {
            "code": markdown.code,
            "name": markdown.name,
            "block": markdown.block,
            "html": markdown.html,
            "usd": _usd,
            "span": _span,
            "told": Markup,
        }
        self._environment.filters.update(filters)

    def head(self) -> str:
        """Marker, verdict, and what the whole comes to."""
        review = self._review
        counts = dict.fromkeys(_VERBS.values(), 0)
        for step in review.preview.steps:
            if step.op in _VERBS:
                counts[_VERBS[step.op]] += 1
        return self._of(
            "head",
            marker=Markup(marker(review.stack)),  # noqa: S704  a stack's name is letters, digits, _ . -
            stack=review.stack,
            words=review.verdict.words,
            counts={verb: count for verb, count in counts.items() if count},
            same=int(review.preview.counts.get("same", 0)),
            quiet=apps.code_only(review.preview) or not review.preview.steps,
        )

    def sections(self) -> list[_Section]:
        """The report's sections, in the order in which they stand."""
        return [
            *self._diagnostics(),
            *self._dangers(),
            *self._policy(),
            *self._apps(),
            *self._cost(),
            *self._changes(),
            *self._notes(),
        ]

    def rank(self, section: _Section) -> int:
        """Who is cut first: 0."""
        order = ("Changes", "Cost", "Apps", "Policy", "Diagnostics", "Dangers", "Notes")
        return order.index(section.title.partition(" ")[0])

    def _of(self, template: str, **values: Any) -> str:
        return self._environment.get_template(f"{template}.md.j2").render(**values)

    def _diagnostics(self) -> list[_Section]:
        review = self._review
        errors = [e for e in review.preview.errors if not told_otherwise(e.message)]
        told = review.policy.refused or any(danger.refused for danger in review.dangers)
        if not review.failed or (told and not errors):
            return []
        full = self._of("diagnostics", errors=errors[:_MANY], more=max(0, len(errors) - _MANY), brief=False)
        short = self._of("diagnostics", errors=errors[:5], more=max(0, len(errors) - 5), brief=True)
        return [_Section("Diagnostics", full, short)]

    def _dangers(self) -> list[_Section]:
        dangers = self._review.dangers
        if not dangers:
            return []
        groups = [
            {
                "kind": kind.value,
                "advice": ADVICE[kind],
                "yes": kind in self._review.yes,
                "dangers": list(group),
            }
            for kind, group in groupby(dangers, key=lambda danger: danger.kind)
        ]
        full = self._of("dangers", groups=groups, many=_MANY, brief=False)
        return [_Section("Dangers", full, self._of("dangers", groups=groups, many=_MANY, brief=True))]

    def _policy(self) -> list[_Section]:
        policy = self._review.policy
        skipped = {
            rule: [finding.resource for finding in group]
            for rule, group in groupby(policy.not_evaluated, key=lambda finding: finding.rule)
        }
        values: dict[str, Any] = {
            "policy": policy,
            "skipped": skipped,
            "many": _MANY,
            "failed": self._review.failed,
        }
        return [
            _Section(
                "Policy", self._of("policy", **values, brief=False), self._of("policy", **values, brief=True)
            )
        ]

    def _apps(self) -> list[_Section]:
        found = apps.app_changes(self._review.preview)
        if (
            not found
            or self._review.preview.fresh
            or apps.code_only(self._review.preview)
            or all(_idle(app) for app in found)
        ):
            return []
        release = apps.release_change(self._review.preview)
        full = self._of("apps", apps=found, release=release)
        return [_Section("Apps", full, "")]

    def _cost(self) -> list[_Section]:
        bill = self._review.cost
        changed = [line for line in bill.lines if line.delta != Range()]
        if self._review.failed or (not changed and not self._review.preview.fresh):
            return []
        full = self._of(
            "cost",
            cost=bill,
            changed=changed,
            fresh=self._review.preview.fresh,
            share=f"{bill.spot_share * 100:.0f}",
        )
        return [_Section("Cost", full, "")]

    def _changes(self) -> list[_Section]:
        if apps.code_only(self._review.preview):
            return []
        steps = sorted(
            (s for s in self._review.preview.steps if s.op in _VERBS and s.type != "pulumi:pulumi:Stack"),
            key=lambda s: (not s.component, s.component, s.urn),
        )
        return [
            self._component(component, list(group))
            for component, group in groupby(steps, key=lambda s: s.component)
        ]

    def _component(self, component: str, steps: Sequence[Step]) -> _Section:
        created = [step for step in steps if step.op == "create"]
        dragged = [step for step in steps if _dragged(step)]
        changed = [
            {"verb": _VERBS[step.op], "step": step, "rows": [_row(change) for change in step.changes]}
            for step in steps
            if step.op != "create" and not _dragged(step)
        ]
        title = f"Changes of {len(steps)} resource{'' if len(steps) == 1 else 's'} of {component or 'no component'}"
        full = self._of(
            "changes",
            component=component or "others",
            created=created,
            changed=changed,
            dragged=dragged,
            count=len(steps),
        )
        return _Section(markdown.visible(title) if component.isalnum() else "Changes", full, "")

    def _notes(self) -> list[_Section]:
        review = self._review
        full = self._of("notes", notes=[Markup(n) for n in review.notes], source=review.source)  # noqa: S704
        return [_Section("Notes", full, full)] if full.strip() else []


def _dragged(step: Step) -> bool:
    """Replaced only because what it belongs to is: nothing of its own changes."""
    return (
        step.op == "replace"
        and not step.replace_reasons
        and all(change.after is UNKNOWN for change in step.changes)
    )


def _idle(app: AppChange) -> bool:
    return app.fate is apps.Fate.UNTOUCHED


def _row(change: Change) -> Mapping[str, Any]:
    before, after = decoded(change.before), decoded(change.after)
    if before is not None and after is not None:
        return {
            "path": change.path,
            "replaces": change.replaces,
            "lines": "\n".join(line_diff(before, after)),
        }
    # What it becomes is not told yet: how it began is enough.
    limit = 80 if change.after is UNKNOWN else markdown.VALUE_LIMIT
    return {
        "path": change.path,
        "replaces": change.replaces,
        "lines": "",
        "before": markdown.code(shown(change.before), limit),
        "after": _KNOWN_AFTER if change.after is UNKNOWN else markdown.code(shown(change.after)),
    }


def _usd(value: float) -> str:
    return f"{value:,.2f}"


def _span(value: Range) -> str:
    if abs(value.floor - value.ceiling) < 0.005:
        return _usd(value.floor)
    return f"{_usd(value.floor)} to {_usd(value.ceiling)}"


__all__ = ["LIMIT", "Review", "marker", "render"]
