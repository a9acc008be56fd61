"""The dashboard's body: what an operator looks at first, top to bottom.

Source: Amazon CloudWatch API Reference, Dashboard Body Structure and Syntax.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra import metrics
from infra.alarms import QUORUM
from infra.logs import KINDS, log_group

GRID = 24
"""Width of the dashboard's grid."""

GRAPH_HEIGHT = 6
BILLING_REGION = "us-east-1"
"""Billing metrics are there, wherever the stack is."""

Widget = dict[str, Any]
Series = list[Any]


@dataclass(frozen=True)
class Shown:
    """What the dashboard shows, all of it known."""

    region: str
    stack: str
    budget_usd: float
    queues: Mapping[str, str]
    """Stage → name of its queue."""

    dead: Mapping[str, str]
    """Stage → name of its dead letter queue."""

    fleet_request_id: str
    max_capacity: int
    target_group: str | None
    balancer: str | None
    """ARN suffixes; None where no load balancer stands before the masters."""

    interruptions_rule: str
    alarm_arns: Sequence[str]


def body(shown: Shown) -> dict[str, Any]:
    """The dashboard's body, ready for JSON: rows of alarms, crawl, queues, fleet and cost."""
    rows = [
        [_alarms(shown)],
        [_heading("## Crawl")],
        _crawl(shown),
        [_heading("## Queues")],
        _queues(shown),
        [_heading("## Fleet")],
        _fleet(shown),
        [
            _heading(
                f"## Cost\nBudget of this stack: **${shown.budget_usd:,.2f}** a month, watched by AWS Budgets. The "
                "estimate below is of the whole account, where its billing metrics are switched on."
            )
        ],
        _cost(shown),
    ]
    return {"start": "-PT12H", "periodOverride": "inherit", "widgets": _placed(rows)}


def _placed(rows: Sequence[Sequence[Widget]]) -> list[Widget]:
    """The widgets with their places: the widgets of a row share the grid's width evenly."""
    placed: list[Widget] = []
    y = 0
    for row in rows:
        width, height = GRID // len(row), max(widget["height"] for widget in row)
        placed += [
            {**widget, "x": i * width, "y": y, "width": width, "height": height}
            for i, widget in enumerate(row)
        ]
        y += height
    return placed


def _heading(markdown: str) -> Widget:
    height = 1 + markdown.count("\n")
    return {
        "type": "text",
        "height": height,
        "properties": {"markdown": markdown, "background": "transparent"},
    }


def _alarms(shown: Shown) -> Widget:
    return {
        "type": "alarm",
        "height": 3,
        "properties": {"title": f"Alarms of {shown.stack}", "alarms": list(shown.alarm_arns)},
    }


def _graph(
    region: str,
    title: str,
    series: Sequence[Series],
    stat: str,
    period_s: int = 60,
    lines: Mapping[str, float] | None = None,
    view: str = "timeSeries",
) -> Widget:
    properties: dict[str, Any] = {
        "title": title,
        "view": view,
        "region": region,
        "stat": stat,
        "period": period_s,
        "metrics": list(series),
    }
    if view == "timeSeries":
        properties["yAxis"] = {"left": {"showUnits": False}}
    if lines:
        properties["annotations"] = {"horizontal": [{"label": k, "value": v} for k, v in lines.items()]}
    return {"type": "metric", "height": GRAPH_HEIGHT, "properties": properties}


def _own(shown: Shown, metric: metrics.Metric, **shape: Any) -> Series:
    (dimension,) = metrics.dimensions(shown.stack).items()
    return [metrics.NAMESPACE, metric.name, *dimension, {"label": metric.name, **shape}]


def _crawl(shown: Shown) -> list[Widget]:
    region = shown.region
    return [
        _graph(
            region,
            "Pages: pending, and done a minute",
            [
                _own(shown, metrics.PAGES_PENDING, stat="Maximum"),
                _own(shown, metrics.PAGES_DONE, stat="Sum", yAxis="right"),
            ],
            "Maximum",
        ),
        _graph(
            region,
            "Slack to the deadline, seconds",
            [_own(shown, metrics.DEADLINE_SLACK)],
            "Minimum",
            lines={"late below": 0},
        ),
        _graph(
            region,
            "Demand for each unit of capacity",
            [_own(shown, metrics.DEMAND_PER_CAPACITY)],
            "Maximum",
            lines={"held at": 1},
        ),
    ]


def _queues(shown: Shown) -> list[Widget]:
    def each(metric: str, names: Mapping[str, str]) -> list[Series]:
        return [["AWS/SQS", metric, "QueueName", name, {"label": stage}] for stage, name in names.items()]

    region, waiting = shown.region, "ApproximateNumberOfMessagesVisible"
    return [
        _graph(region, "Waiting", each(waiting, shown.queues), "Maximum"),
        _graph(region, "In flight", each("ApproximateNumberOfMessagesNotVisible", shown.queues), "Maximum"),
        _graph(
            region,
            "Age of the oldest, seconds (fetch waits out of politeness)",
            each("ApproximateAgeOfOldestMessage", shown.queues),
            "Maximum",
        ),
        _graph(region, "Dead letters", each(waiting, shown.dead), "Maximum"),
    ]


def _fleet(shown: Shown) -> list[Widget]:
    region = shown.region

    def fleet(metric: str) -> Series:
        return ["AWS/EC2Spot", metric, "FleetRequestId", shown.fleet_request_id, {"label": metric}]

    row = [
        _graph(
            region,
            "Capacity, units",
            [fleet(m) for m in ("TargetCapacity", "FulfilledCapacity", "PendingCapacity")],
            "Average",
            300,
            lines={"at most": shown.max_capacity},
        ),
        _graph(
            region,
            "Spot interruptions and rebalance recommendations, whole account",
            [["AWS/Events", "TriggeredRules", "RuleName", shown.interruptions_rule, {"label": "a warning"}]],
            "Sum",
            300,
        ),
        _graph(region, "CPU of agents, %", [fleet("CPUUtilization")], "Average", 300),
    ]
    if shown.target_group and shown.balancer:
        healthy = ["TargetGroup", shown.target_group, "LoadBalancer", shown.balancer, {"label": "masters"}]
        row.append(
            _graph(
                region,
                "Masters that reach a leader",
                [["AWS/ApplicationELB", "HealthyHostCount", *healthy]],
                "Minimum",
                lines={"quorum": QUORUM},
            )
        )
    return row


def _cost(shown: Shown) -> list[Widget]:
    region = shown.region
    capacity = ["AWS/EC2Spot", "FulfilledCapacity", "FleetRequestId", shown.fleet_request_id]
    hidden: dict[str, Any] = {"visible": False}
    return [
        _graph(
            region,
            "Capacity, unit-hours an hour",
            [[*capacity, {"label": "unit-hours"}]],
            "Average",
            3600,
        ),
        _graph(
            region,
            "Pages for each unit-hour",
            [
                [{"expression": "done / units", "id": "yield", "label": "pages"}],
                _own(shown, metrics.PAGES_DONE, id="done", stat="Sum", **hidden),
                [*capacity, {"id": "units", "stat": "Average", **hidden}],
            ],
            "Sum",
            3600,
        ),
        _graph(
            region,
            "Logs taken in, bytes a day",
            [
                ["AWS/Logs", "IncomingBytes", "LogGroupName", log_group(shown.stack, kind), {"label": kind}]
                for kind in KINDS
            ],
            "Sum",
            86400,
        ),
        _graph(
            BILLING_REGION,
            "Estimated charges of the account this month, US dollars",
            [["AWS/Billing", "EstimatedCharges", "Currency", "USD", {"label": "so far"}]],
            "Maximum",
            21600,
            view="singleValue",
        ),
    ]
