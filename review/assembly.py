"""From what the engine wrote to what a person is told."""

from __future__ import annotations

from review import cost, dangers, gate, policies, preview, prices
from review.dangers import Kind
from review.preview import Diagnostic, Preview
from review.report import Review
from review.runs import Made


def review_of(stack: str, made: Made, yes: frozenset[Kind], source: str = "") -> Review:
    """Judge a preview.

    Args:
        stack: name of the stack.
        made: the preview, also one that failed.
        yes: kinds of danger that are acknowledged.
        source: the file with all of it, to be named in the report.

    Raises:
        ReviewError: the JSON is no preview.
    """
    if made.json is None:
        seen = Preview((), None, diagnostics=(Diagnostic("", "error", made.said or "it said nothing"),))
    else:
        seen = preview.read(made.json, made.events)
    failed = made.failed or bool(seen.errors)
    policy = policies.read(made.events)
    found = dangers.find(seen)
    return Review(
        stack=stack,
        preview=seen,
        policy=policy,
        dangers=found,
        yes=yes,
        verdict=gate.judge(seen, policy, found, yes, failed),
        cost=cost.estimate(seen, prices.load()),
        failed=failed,
        notes=made.notes,
        source=source,
    )
