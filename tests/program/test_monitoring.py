"""What pages, whom, and when: alarms, topic, budget, logs and dashboard as registered."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml

from infra import metrics
from infra.alarms import Watched, healthy_masters
from infra.logs import log_group
from review import prices
from tests.program.engine import ACCOUNT, ROOT, Program, Registered, run

ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
TOPIC = f"arn:aws:sns:us-east-1:{ACCOUNT}:trawler-prod-alarms"
OF_ALL = {"deadline", "no-progress", "stalled", "fleet-under-target"} | {
    f"dead-letters-{stage}" for stage in ("plan", "fetch", "parse", "store")
}


@pytest.fixture(scope="module")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """The production stack."""
    return run(tmp_path_factory.mktemp("prod"), "prod")


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """The smallest stack."""
    return run(tmp_path_factory.mktemp("dev"), "dev")


def paging(program: Program) -> dict[str, dict[str, Any]]:
    """Key → inputs of each alarm that tells a person."""
    found = [a for a in program.of(ALARM) if a.name.startswith("monitoring-")]
    return {a.name.removeprefix("monitoring-"): a.inputs for a in found}


def read(alarm: dict[str, Any]) -> list[dict[str, Any]]:
    """The metrics that an alarm reads."""
    if "metricQueries" in alarm:
        return [q["metric"] for q in alarm["metricQueries"] if "metric" in q]
    return [alarm]


def breached(alarm: dict[str, Any], **values: float | None) -> bool:
    """Whether a datapoint with these values counts against the alarm; None is a metric that said nothing."""
    (result,) = [q for q in alarm["metricQueries"] if q["returnData"]]
    value = eval(result["expression"].replace(" AND ", " and "), {"IF": _if, "FILL": _fill}, values)  # noqa: S307  the program's own text
    if alarm["comparisonOperator"] == "GreaterThanThreshold":
        return value > alarm["threshold"]
    assert alarm["comparisonOperator"] == "GreaterThanOrEqualToThreshold"
    return value >= alarm["threshold"]


def _if(condition: bool, then: float, otherwise: float) -> float:
    return then if condition else otherwise


def _fill(value: float | None, filled: float) -> float:
    return filled if value is None else value


def test_production_pages_for_what_hurts(prod: Program) -> None:
    assert set(paging(prod)) == OF_ALL | {"quorum", *(f"master-{i}-status" for i in (1, 2, 3))}


def test_a_single_master_has_no_quorum_to_lose(dev: Program) -> None:
    assert set(paging(dev)) == OF_ALL | {"master-solo-status"}


def test_the_age_of_a_message_pages_nobody(prod: Program) -> None:
    assert "Age" not in json.dumps(list(paging(prod).values()))


def test_every_alarm_tells_when_it_begins_and_when_it_ends(prod: Program) -> None:
    for alarm in paging(prod).values():
        assert alarm["alarmActions"] == alarm["okActions"] == [TOPIC]


def test_every_alarm_names_a_runbook_that_exists_and_names_it(prod: Program) -> None:
    for key, alarm in paging(prod).items():
        (page,) = re.findall(r"Runbook: (docs/runbooks/[a-z-]+\.md)$", alarm["alarmDescription"])
        text = (ROOT / page).read_text()
        general = re.sub(r"^(dead-letters)-.*", r"\1-<stage>", re.sub(r"master-\d", "<master>", key))
        assert f"trawler-<stack>-{general}" in text


def test_names_begin_with_the_stack_and_fit(prod: Program) -> None:
    for alarm in paging(prod).values():
        assert alarm["name"].startswith("trawler-prod-")
        assert len(alarm["name"]) <= 255
    assert len(prod.named("monitoring-topic").inputs["name"]) <= 256
    assert len(prod.named("monitoring-interruptions").inputs["name"]) <= 64
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,255}", prod.named("monitoring-dashboard").inputs["dashboardName"])


def test_the_longest_prefix_still_fits_every_name(tmp_path: Any) -> None:
    # As long as the queues' names allow it: 80 characters with "-store-dead" or "-fetch-dead.fifo".
    program = run(tmp_path, "prod", namePrefix="t" * 64)
    assert len(program.named("monitoring-interruptions").inputs["name"]) <= 64
    assert len(program.named("monitoring-budget").inputs["name"]) <= 100


def test_no_alarm_looks_back_further_than_cloudwatch_does(tmp_path: Any) -> None:
    settings = changed("prod", noProgressMinutes=120, underTargetMinutes=120)
    for alarm in paging(run(tmp_path, "prod", monitoring=settings)).values():
        period = alarm.get("period") or read(alarm)[0]["period"]
        assert period in {60, 300}
        assert alarm["evaluationPeriods"] * period <= 24 * 60 * 60
        assert alarm["datapointsToAlarm"] == alarm["evaluationPeriods"]


def test_alarms_wait_as_long_as_the_settings_say(tmp_path: Any) -> None:
    settings = changed("prod", noProgressMinutes=30, underTargetMinutes=17, deadLetters=5)
    alarms = paging(run(tmp_path, "prod", monitoring=settings))
    assert alarms["no-progress"]["evaluationPeriods"] == 30
    assert alarms["stalled"]["evaluationPeriods"] == 30
    # In steps of the five minutes in which Spot Fleet reports, never shorter than asked.
    assert alarms["fleet-under-target"]["evaluationPeriods"] == 4
    assert alarms["dead-letters-parse"]["threshold"] == 5


def test_expressions_join_what_they_name(prod: Program) -> None:
    joined = [alarm for alarm in paging(prod).values() if "metricQueries" in alarm]
    assert len(joined) == 3
    for alarm in joined:
        queries = {q["id"]: q for q in alarm["metricQueries"]}
        (result,) = [q for q in queries.values() if q["returnData"]]
        named = set(re.findall(r"\b[a-z]\w*\b", result["expression"]))
        assert named == set(queries) - {result["id"]}


@pytest.mark.parametrize(
    ("pending", "done", "bad"), [(5, None, True), (5, 0, True), (5, 3, False), (0, None, False)]
)
def test_pages_that_wait_while_none_is_done_are_no_progress(
    prod: Program, pending: float, done: float | None, bad: bool
) -> None:
    alarms = paging(prod)
    assert breached(alarms["no-progress"], pending=pending, done=done) is bad
    assert breached(alarms["stalled"], waiting=pending, parsed=done) is bad


@pytest.mark.parametrize(("fulfilled", "bad"), [(9.5, True), (10, False), (11, False)])
def test_a_fleet_is_short_below_its_target_only(prod: Program, fulfilled: float, bad: bool) -> None:
    assert breached(paging(prod)["fleet-under-target"], target=10, fulfilled=fulfilled) is bad


def test_the_fleets_alarm_reads_the_request_of_this_stack(prod: Program) -> None:
    metrics_read = read(paging(prod)["fleet-under-target"])
    assert {m["namespace"] for m in metrics_read} == {"AWS/EC2Spot"}
    assert [m["dimensions"] for m in metrics_read] == [{"FleetRequestId": "sfr-0123"}] * 2


def test_stalled_needs_no_publisher(prod: Program) -> None:
    assert {m["namespace"] for m in read(paging(prod)["stalled"])} == {"AWS/SQS"}


def test_each_stage_is_watched_at_its_own_dead_letter_queue(prod: Program) -> None:
    watched = {
        key: a["dimensions"]["QueueName"] for key, a in paging(prod).items() if key.startswith("dead-letters")
    }
    assert watched == {
        "dead-letters-plan": "trawler-prod-plan-dead",
        "dead-letters-fetch": "trawler-prod-fetch-dead.fifo",
        "dead-letters-parse": "trawler-prod-parse-dead",
        "dead-letters-store": "trawler-prod-store-dead",
    }


def test_the_quorum_is_counted_by_the_load_balancer() -> None:
    watched = Watched({}, "sfr-1", 4, "targetgroup/marathon/1", "app/balancer/2", {}, "us-east-1")
    healthy = healthy_masters(watched)
    assert healthy is not None
    assert healthy.dimensions == {"TargetGroup": "targetgroup/marathon/1", "LoadBalancer": "app/balancer/2"}


def test_fewer_than_two_masters_page(prod: Program) -> None:
    alarm = paging(prod)["quorum"]
    assert (alarm["comparisonOperator"], alarm["threshold"]) == ("LessThanThreshold", 2)
    assert alarm["statistic"] == "Minimum"


def test_alarms_on_metrics_that_nobody_publishes_are_quiet(prod: Program) -> None:
    own = [a for a in paging(prod).values() if read(a)[0]["namespace"] == metrics.NAMESPACE]
    assert len(own) == 2
    for alarm in own:
        assert alarm["treatMissingData"] == "notBreaching"
        assert all(m["dimensions"] == {"Stack": "prod"} for m in read(alarm))


def test_silence_of_sqs_does_not_end_an_alarm(prod: Program) -> None:
    for key, alarm in paging(prod).items():
        if key == "stalled" or key.startswith("dead-letters"):
            assert alarm["treatMissingData"] == "ignore"


def test_silence_of_the_fleet_or_a_master_pages(prod: Program) -> None:
    telling = {key for key, alarm in paging(prod).items() if alarm.get("insufficientDataActions")}
    assert telling == {"fleet-under-target", "quorum", *(f"master-{i}-status" for i in (1, 2, 3))}
    assert all(paging(prod)[key]["treatMissingData"] == "missing" for key in telling)


def test_only_alarms_of_this_stack_may_publish_to_its_topic(prod: Program) -> None:
    allow, deny = json.loads(prod.named("monitoring-topic").inputs["policy"])["Statement"]
    assert allow["Effect"] == "Allow"
    assert allow["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert allow["Resource"] == TOPIC
    assert allow["Condition"] == {
        "StringEquals": {"aws:SourceAccount": ACCOUNT},
        "ArnLike": {"aws:SourceArn": f"arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:trawler-prod-*"},
    }
    assert deny["Effect"] == "Deny"
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_every_address_is_subscribed_and_told_of_the_budget(tmp_path: Any) -> None:
    emails = ["b@example.com", "a@example.com"]
    program = run(tmp_path, "prod", monitoring=changed("prod", emails=emails, budgetUsd=1234.5))
    subscriptions = program.of("aws:sns/topicSubscription:TopicSubscription")
    assert {(s.inputs["protocol"], s.inputs["endpoint"]) for s in subscriptions} == {
        ("email", "a@example.com"),
        ("email", "b@example.com"),
    }
    budget = program.named("monitoring-budget").inputs
    assert (budget["limitAmount"], budget["limitUnit"], budget["timeUnit"]) == ("1234.50", "USD", "MONTHLY")
    told = [(n["notificationType"], n["threshold"], n["thresholdType"]) for n in budget["notifications"]]
    assert told == [("ACTUAL", 80, "PERCENTAGE"), ("FORECASTED", 100, "PERCENTAGE")]
    assert all(set(n["subscriberEmailAddresses"]) == set(emails) for n in budget["notifications"])


def test_a_stacks_budget_counts_that_stack_alone(prod: Program, dev: Program) -> None:
    for program, stack in ((prod, "prod"), (dev, "dev")):
        filters = program.named("monitoring-budget").inputs["costFilters"]
        assert filters == [{"name": "TagKeyValue", "values": [f"user:Stack${stack}"]}]


def test_interruptions_are_counted_and_page_nobody(prod: Program) -> None:
    pattern = json.loads(prod.named("monitoring-interruptions").inputs["eventPattern"])
    assert "EC2 Spot Instance Interruption Warning" in pattern["detail-type"]
    assert not prod.of("aws:cloudwatch/eventTarget:EventTarget")
    assert "trawler-prod-interruptions" in prod.named("monitoring-dashboard").inputs["dashboardBody"]


def test_the_dashboard_shows_every_alarm_and_every_queue(prod: Program) -> None:
    body = prod.named("monitoring-dashboard").inputs["dashboardBody"]
    for alarm in paging(prod).values():
        assert f":{alarm['name']}" in body
    for queue in prod.of("aws:sqs/queue:Queue"):
        assert f'"{queue.inputs["name"]}"' in body


@pytest.mark.parametrize(("stack", "days", "kept"), [("prod", 30, True), ("dev", 3, False)])
def test_logs_are_kept_as_long_as_asked_and_outlive_a_protected_stack(
    prod: Program, dev: Program, stack: str, days: int, kept: bool
) -> None:
    program = {"prod": prod, "dev": dev}[stack]
    groups: list[Registered] = program.of("aws:cloudwatch/logGroup:LogGroup")
    assert {g.inputs["name"] for g in groups} == {
        f"/trawler/{stack}/{kind}" for kind in ("agents", "masters", "tasks")
    }
    for group in groups:
        assert group.inputs["retentionInDays"] == days
        assert bool(group.options.retainOnDelete) is kept
        assert bool(group.options.protect) is kept


def test_a_log_group_of_no_known_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="'agent': there are agents, masters, tasks"):
        log_group("prod", "agent")


def test_without_monitoring_nothing_of_it_is_made(tmp_path: Any) -> None:
    program = run(tmp_path, "prod", monitoring=None)
    assert not paging(program)
    for type_ in ("sns/topic:Topic", "budgets/budget:Budget", "cloudwatch/dashboard:Dashboard"):
        assert not program.of(f"aws:{type_}")
    assert not program.of("aws:cloudwatch/logGroup:LogGroup")


@pytest.mark.parametrize("stack", ["prod", "dev"])
def test_the_page_tells_what_the_alarms_cost(prod: Program, dev: Program, stack: str) -> None:
    page, listed = (ROOT / "docs" / "monitoring.md").read_text(), prices.load()
    count = sum(len(read(alarm)) for alarm in paging({"prod": prod, "dev": dev}[stack]).values())
    row = f"| alarms of `{stack}`, which read {count} metrics | ${listed.month('alarm_month') * count:.2f} |"
    assert row in page
    assert f"| the dashboard | ${listed.month('dashboard_month'):.2f} |" in page
    own = listed.month("custom_metric_month") * len(metrics.METRICS)
    assert f"custom metrics, once published | ${own:.2f} |" in page


def changed(stack: str, **settings: Any) -> dict[str, Any]:
    """The stack's monitoring section with changes to it."""
    config: dict[str, Any] = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"]
    return {**config["trawler:monitoring"], **settings}
