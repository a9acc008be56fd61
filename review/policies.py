"""What the policy pack said: it is in the engine's event log, `preview --json` leaves it out."""

from __future__ import annotations

import re
from dataclasses import dataclass

from review.preview import event_lines

_NOT_RUN = re.compile(
    r"^can't run policy '.*?' from policy pack '.*?' during preview: (?P<why>.*)$", re.DOTALL
)
"""A rule that touches an unknown value is reported so by pulumi-policy, as advisory."""


@dataclass(frozen=True, order=True)
class Finding:
    """What one rule said of one resource."""

    rule: str
    resource: str
    """Logical name; the stack's for a rule on the whole stack."""

    message: str
    mandatory: bool


@dataclass(frozen=True)
class PolicyResults:
    """What the pack found, in stable order."""

    ran: bool
    violations: tuple[Finding, ...] = ()
    not_evaluated: tuple[Finding, ...] = ()
    """Rules that met a value known only after the update: they run in full at `up`."""

    passed: int = 0
    """Rules that hold for every resource they were asked about."""

    @property
    def refused(self) -> bool:
        """Whether a mandatory rule is violated."""
        return any(finding.mandatory for finding in self.violations)


def read(events: str | None) -> PolicyResults:
    """The policy results of an event log; none have run where there is no log."""
    violations: set[Finding] = set()
    not_evaluated: set[Finding] = set()
    passed: set[str] = set()
    failed: set[str] = set()
    ran = False
    for event in event_lines(events or ""):
        for kind in ("policyAnalyzeSummaryEvent", "policyAnalyzeStackSummaryEvent"):
            summary = event.get(kind) or {}
            ran |= kind in event
            passed |= set(summary.get("passed") or [])
            failed |= set(summary.get("failed") or [])
        if found := event.get("policyEvent"):
            # The rule's description stands on the first line, what it found on the next.
            message = " ".join(str(found.get("message", "")).split())
            name = str(found.get("resourceUrn", "")).rpartition("::")[2]
            mandatory = found.get("enforcementLevel") == "mandatory"
            not_run = _NOT_RUN.match(message)
            if not_run:
                not_evaluated.add(Finding(found.get("policyName", ""), name, not_run["why"], False))
            else:
                violations.add(Finding(found.get("policyName", ""), name, message, mandatory))
    return PolicyResults(ran, tuple(sorted(violations)), tuple(sorted(not_evaluated)), len(passed - failed))
