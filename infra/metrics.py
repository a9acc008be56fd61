"""The custom metrics: one place for their names, so that who publishes and who reads cannot disagree.

Nobody publishes them yet: `scaler` is not built, and `plan` counts pages without telling CloudWatch. Whoever does
sends one datum a minute with the one dimension `Stack`, and keeps quiet where there is no crawl. `workers/` imports
nothing of the rest and will keep these names in its own settings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

NAMESPACE = "Trawler"
"""Namespace of every custom metric; the agents' role may publish to no other."""

DIMENSION = "Stack"
"""The one dimension; its value is the stack's name. Each further one would be billed as metrics of its own."""

Unit = Literal["Count", "None", "Seconds"]
"""Units of CloudWatch (MetricDatum, Unit)."""


@dataclass(frozen=True)
class Metric:
    """A custom metric."""

    name: str
    unit: Unit
    publisher: str
    """The app whose task it is to publish it."""

    meaning: str


DEMAND_PER_CAPACITY = Metric(
    "DemandPerCapacity",
    "None",
    "scaler",
    "Capacity that the queued work needs within the latency target, divided by the fleet's capacity at hand.",
)
DEADLINE_SLACK = Metric(
    "DeadlineSlackS",
    "Seconds",
    "scaler",
    "Deadline less projected finish of the crawl that is nearest to being late; negative: it will be late.",
)
PAGES_DONE = Metric("PagesDone", "Count", "plan", "Pages done since the last datum, all crawls together.")
PAGES_PENDING = Metric(
    "PagesPending", "Count", "plan", "Pages discovered or queued and not done, all crawls together."
)

METRICS = (DEMAND_PER_CAPACITY, DEADLINE_SLACK, PAGES_DONE, PAGES_PENDING)


def dimensions(stack: str) -> dict[str, str]:
    """The dimensions that every custom metric of a stack carries."""
    return {DIMENSION: stack}
