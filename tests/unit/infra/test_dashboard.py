"""The dashboard: that CloudWatch would take it, and that it shows what there is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest

from infra import metrics
from infra.dashboard import Shown, body
from infra.settings import STAGES, queue_name

SHOWN = Shown(
    region="eu-west-1",
    stack="prod",
    budget_usd=900,
    queues={stage: queue_name("trawler-prod", stage) for stage in STAGES},
    dead={stage: queue_name("trawler-prod", stage, dead=True) for stage in STAGES},
    fleet_request_id="sfr-0123",
    max_capacity=40,
    target_group="targetgroup/marathon/0123456789abcdef",
    balancer="app/balancer/0123456789abcdef",
    interruptions_rule="trawler-prod-interruptions",
    alarm_arns=["arn:aws:cloudwatch:eu-west-1:123456789012:alarm:trawler-prod-deadline"],
)
JOINED = replace(SHOWN, target_group=None, balancer=None)
"""A stack without masters of its own."""


def graphs(shown: Shown) -> Iterator[dict[str, Any]]:
    """The properties of each graph."""
    return (w["properties"] for w in body(shown)["widgets"] if w["type"] == "metric")


def series(shown: Shown) -> Iterator[list[Any]]:
    """Every series of every graph."""
    return (one for graph in graphs(shown) for one in graph["metrics"])


@pytest.mark.parametrize("shown", [SHOWN, JOINED], ids=["managed", "existing"])
def test_widgets_fit_the_grid_and_do_not_overlap(shown: Shown) -> None:
    widgets = body(shown)["widgets"]
    assert 0 < len(widgets) <= 500
    for w in widgets:
        assert w["x"] >= 0
        assert w["y"] >= 0
        assert w["width"] >= 1
        assert w["x"] + w["width"] <= 24
        assert 1 <= w["height"] <= 1000
    for a, b in combinations(widgets, 2):
        apart = (
            a["x"] + a["width"] <= b["x"]
            or b["x"] + b["width"] <= a["x"]
            or a["y"] + a["height"] <= b["y"]
            or b["y"] + b["height"] <= a["y"]
        )
        assert apart, (a, b)


@pytest.mark.parametrize("shown", [SHOWN, JOINED], ids=["managed", "existing"])
def test_every_graph_has_a_region_a_title_and_series_that_cloudwatch_reads(shown: Shown) -> None:
    for graph in graphs(shown):
        assert graph["region"]
        assert graph["title"]
        assert graph["view"] in {"timeSeries", "singleValue"}
        assert graph["stat"] in {"Average", "Maximum", "Minimum", "Sum"}
        assert graph["period"] % 60 == 0
        assert 0 < len(graph["metrics"]) <= 500
        for line in graph.get("annotations", {}).get("horizontal", []):
            assert isinstance(line["value"], int | float)
    for one in series(shown):
        *names, shape = one
        assert isinstance(shape, dict)
        assert all(isinstance(name, str) and name for name in names)
        # Namespace, metric, then pairs of a dimension and its value; an expression has none of them.
        assert len(names) % 2 == 0
        assert len(names) >= 2 or "expression" in shape


def test_expressions_name_series_of_their_own_graph() -> None:
    seen = 0
    for graph in graphs(SHOWN):
        shapes = [one[-1] for one in graph["metrics"]]
        ids = [shape["id"] for shape in shapes if "id" in shape]
        assert len(ids) == len(set(ids))
        assert all(re.fullmatch(r"[a-z][A-Za-z0-9_]*", one) for one in ids)
        for shape in shapes:
            if "expression" in shape:
                seen += 1
                assert set(re.findall(r"\b[a-z]\w*", shape["expression"])) <= set(ids) - {shape["id"]}
    assert seen


def test_every_queue_and_dead_letter_queue_is_shown() -> None:
    shown = {one[3] for one in series(SHOWN) if one[0] == "AWS/SQS"}
    assert shown == {*SHOWN.queues.values(), *SHOWN.dead.values()}


def test_every_custom_metric_is_shown_for_this_stack() -> None:
    shown = {one[1]: one[2:4] for one in series(SHOWN) if one[0] == metrics.NAMESPACE}
    assert shown == {metric.name: ["Stack", "prod"] for metric in metrics.METRICS}


def test_every_alarm_stands_on_top() -> None:
    (panel,) = [w for w in body(SHOWN)["widgets"] if w["type"] == "alarm"]
    assert panel["properties"]["alarms"] == SHOWN.alarm_arns
    assert panel["y"] == 0


def test_the_fleet_is_shown_against_its_most() -> None:
    (graph,) = [g for g in graphs(SHOWN) if g["title"] == "Capacity, units"]
    assert {one[1] for one in graph["metrics"]} >= {"TargetCapacity", "FulfilledCapacity"}
    assert {one[3] for one in graph["metrics"]} == {"sfr-0123"}
    assert graph["annotations"]["horizontal"] == [{"label": "at most", "value": 40}]


def test_masters_are_shown_only_where_a_load_balancer_counts_them() -> None:
    assert "HealthyHostCount" in json.dumps(body(SHOWN))
    assert "HealthyHostCount" not in json.dumps(body(JOINED))


def test_billing_is_read_where_aws_has_it() -> None:
    (graph,) = [g for g in graphs(SHOWN) if g["metrics"][0][0] == "AWS/Billing"]
    assert graph["region"] == "us-east-1"
    assert {g["region"] for g in graphs(SHOWN)} == {"us-east-1", "eu-west-1"}
