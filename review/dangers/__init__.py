"""What in a change is dangerous."""

from __future__ import annotations

from dataclasses import replace

from review.dangers.access import exposure, iam_widening, protection_removed
from review.dangers.capacity import capacity_reset, fleet_replacement, masters
from review.dangers.data import refused_by_the_engine, stateful, told_otherwise
from review.dangers.kinds import ADVICE, Advice, Danger, Kind
from review.dangers.tasks import task_restarts
from review.preview import Preview

__all__ = ["ADVICE", "Advice", "Danger", "Kind", "find", "told_otherwise"]


def find(preview: Preview) -> list[Danger]:
    """Every danger, in the order of the kinds, then by resource."""
    found = [
        *stateful(preview),
        *fleet_replacement(preview),
        *masters(preview),
        *capacity_reset(preview),
        *task_restarts(preview),
        *iam_widening(preview),
        *protection_removed(preview),
        *exposure(preview),
    ]
    refused = {(danger.kind, danger.subject): danger for danger in refused_by_the_engine(preview)}
    by_name = {(danger.kind, danger.subject): danger for danger in reversed(found)}
    for key, danger in refused.items():
        by_name[key] = replace(by_name.get(key, danger), refused=True)
    order = list(Kind)
    return sorted(by_name.values(), key=lambda danger: (order.index(danger.kind), danger.subject))
