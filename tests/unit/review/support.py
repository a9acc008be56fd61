"""Builders of small previews, and the ones that the real engine made."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from review import cost, dangers, gate, policies, prices
from review.policies import PolicyResults
from review.preview import Preview, read
from review.report import Review, render

FIXTURES = Path(__file__).with_name("fixtures")
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


def fixture(name: str) -> tuple[str, str | None]:
    """JSON and event log of a preview that the engine made."""
    events = FIXTURES / f"{name}.events"
    text = (FIXTURES / f"{name}.json").read_text()
    return text, events.read_text() if events.exists() else None


def a_step(
    op: str,
    kind: str,
    name: str,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    *,
    component: str = "Storage",
    forces: Sequence[str] = (),
    old: Mapping[str, Any] | None = None,
    new: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A step as the engine writes it; `old` and `new` are further keys of its states."""
    urn = f"urn:pulumi:prod::trawler::trawler:infra:{component}${kind}::{name}"
    step: dict[str, Any] = {"op": op, "urn": urn}
    if op != "create":
        step["oldState"] = {"urn": urn, "id": f"id-of-{name}", "inputs": before or {}, **(old or {})}
    if op != "delete":
        step["newState"] = {"urn": urn, "inputs": after or {}, **(new or {})}
    if forces:
        step["replaceReasons"] = list(forces)
        step["detailedDiff"] = {path: {"kind": "update-replace", "inputDiff": True} for path in forces}
    return step


def a_preview(
    *steps: dict[str, Any],
    unchanged: Sequence[dict[str, Any]] | None = (),
    errors: Sequence[str] = (),
    same: int = 5,
) -> Preview:
    """A preview of an environment that exists, with an event log unless `unchanged` is None."""
    counts: dict[str, int] = {"same": same}
    for step in steps:
        counts[step["op"]] = counts.get(step["op"], 0) + 1
    document = {
        "steps": list(steps),
        "changeSummary": counts,
        "diagnostics": [{"severity": "error", "message": f"error: {message}\n"} for message in errors],
    }
    existing = a_step("same", "aws:ec2/vpc:Vpc", "network-vpc", {}, {}, component="Network")
    events = None if unchanged is None else "\n".join(map(_event, [existing, *unchanged]))
    return read(json.dumps(document), events)


def a_fresh_preview(*steps: dict[str, Any]) -> Preview:
    """A preview where nothing exists yet."""
    return read(json.dumps({"steps": list(steps), "changeSummary": {"create": len(steps)}}), "")


def _event(step: dict[str, Any]) -> str:
    metadata = {"op": "same", "urn": step["urn"], "old": step.get("oldState"), "new": step.get("newState")}
    return json.dumps({"resourcePreEvent": {"metadata": metadata}})


def a_review(
    preview: Preview,
    *,
    policy: PolicyResults | None = None,
    yes: Sequence[str] = (),
    notes: tuple[str, ...] = (),
) -> Review:
    """All that a report tells of a preview."""
    found, policy = dangers.find(preview), policy or policies.read(None)
    kinds, failed = gate.acknowledged(yes), bool(preview.errors)
    return Review(
        stack="prod",
        preview=preview,
        policy=policy,
        dangers=found,
        yes=kinds,
        verdict=gate.judge(preview, policy, found, kinds, failed),
        cost=cost.estimate(preview, prices.load()),
        failed=failed,
        notes=notes,
        source="build/preview/prod.json",
    )


def kinds_of(preview: Preview) -> list[tuple[str, str]]:
    """Kind and resource of each danger."""
    return [(danger.kind.value, danger.subject) for danger in dangers.find(preview)]


def rendered(name: str) -> str:
    """The report of a preview that the engine made."""
    text, events = fixture(name)
    return render(
        a_review(read(text, events), policy=policies.read(events), notes=("Made on a local stack.",))
    )
