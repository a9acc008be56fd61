"""Which alarms a stack has: what each measures, when it goes off, and what silence means to it.

Each names the runbook that is read when it goes off. The age of the oldest message is no alarm: the fetch queue keeps
a delay for each host, so its oldest message is old on the best of days; what counts is whether the crawl ends in time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from pulumi import Input

from infra import metrics
from infra.queues import StageQueue
from infra.settings import MonitoringSettings

QUORUM = 2
"""Masters that must work, of three."""

FLEET_PERIOD_S = 300
"""Spot Fleet's metrics come every five minutes: agents have basic monitoring."""

MissingData = Literal["missing", "notBreaching", "ignore"]


@dataclass(frozen=True)
class Watched:
    """What is watched."""

    queues: Mapping[str, StageQueue]
    fleet_request_id: Input[str]
    max_capacity: int
    """Capacity units."""

    target_group_arn_suffix: Input[str] | None
    balancer_arn_suffix: Input[str] | None
    """Both None where no load balancer stands before the masters."""

    masters: Mapping[str, Input[str]]
    """Name → instance id; empty where the stack has no masters of its own."""

    region: str


@dataclass(frozen=True)
class MetricOf:
    """One metric, as an alarm or a graph reads it."""

    namespace: str
    name: str
    dimensions: Mapping[str, Input[str]]
    stat: Literal["Average", "Maximum", "Minimum", "Sum"]


@dataclass(frozen=True)
class Alarm:
    """An alarm, before its name and actions.

    With one metric it watches that; with several, `expression` joins them by their ids.
    """

    key: str
    """End of its name."""

    means: str
    runbook: str
    """File in docs/runbooks, without suffix."""

    inputs: Mapping[str, MetricOf]
    """Id in the expression → metric."""

    comparison: Literal["GreaterThanThreshold", "LessThanThreshold", "GreaterThanOrEqualToThreshold"]
    threshold: float
    period_s: int
    periods: int
    """Every one of the last this many periods must be over the threshold."""

    missing: MissingData
    """`notBreaching`: silence is well. `ignore`: silence leaves the alarm as it was. `missing`: silence is told as
    INSUFFICIENT_DATA once there has been a value; never at the start, when nothing has reported yet."""

    expression: str | None = None


def alarms(settings: MonitoringSettings, watched: Watched, stack: str) -> list[Alarm]:
    """Every alarm of a stack, in the order in which a person should look at them."""
    return [
        *_crawl(settings, watched, stack),
        *_dead_letters(settings, watched),
        _fleet_under_target(settings, watched),
        *_masters(watched),
    ]


def own(
    metric: metrics.Metric, stack: str, stat: Literal["Average", "Maximum", "Minimum", "Sum"]
) -> MetricOf:
    """One of the custom metrics of a stack."""
    return MetricOf(metrics.NAMESPACE, metric.name, metrics.dimensions(stack), stat)


def of_queue(
    name: str, queue: Input[str], stat: Literal["Average", "Maximum", "Minimum", "Sum"] = "Maximum"
) -> MetricOf:
    """A metric of the queue of that name."""
    return MetricOf("AWS/SQS", name, {"QueueName": queue}, stat)


def of_fleet(
    name: str, request_id: Input[str], stat: Literal["Average", "Maximum", "Minimum", "Sum"] = "Average"
) -> MetricOf:
    """A metric of the Spot Fleet request (Amazon EC2 User Guide, Monitor your fleet using CloudWatch)."""
    return MetricOf("AWS/EC2Spot", name, {"FleetRequestId": request_id}, stat)


def healthy_masters(watched: Watched) -> MetricOf | None:
    """Masters that the load balancer finds healthy, or None without one.

    Source: Application Load Balancer User Guide, CloudWatch metrics, HealthyHostCount.
    """
    group, balancer = watched.target_group_arn_suffix, watched.balancer_arn_suffix
    if group is None or balancer is None:
        return None
    dimensions = {"TargetGroup": group, "LoadBalancer": balancer}
    return MetricOf("AWS/ApplicationELB", "HealthyHostCount", dimensions, "Minimum")


def _crawl(settings: MonitoringSettings, watched: Watched, stack: str) -> Iterator[Alarm]:
    minutes = settings.no_progress_minutes
    yield Alarm(
        key="deadline",
        means="The crawl is projected to finish after its deadline",
        runbook="deadline",
        inputs={"slack": own(metrics.DEADLINE_SLACK, stack, "Minimum")},
        comparison="LessThanThreshold",
        threshold=0,
        period_s=60,
        # A projection swings in a crawl's first minutes.
        periods=5,
        # No crawl, no projection.
        missing="notBreaching",
    )
    yield Alarm(
        key="no-progress",
        means=f"Pages are pending and none was done for {minutes} minutes",
        runbook="no-progress",
        inputs={
            "pending": own(metrics.PAGES_PENDING, stack, "Minimum"),
            "done": own(metrics.PAGES_DONE, stack, "Sum"),
        },
        # Filled, since a publisher may keep quiet about nothing.
        expression="IF(pending > 0 AND FILL(done, 0) < 1, 1, 0)",
        comparison="GreaterThanOrEqualToThreshold",
        threshold=1,
        period_s=60,
        periods=minutes,
        # No crawl. A publisher that died within one is what `stalled` is for.
        missing="notBreaching",
    )
    yield Alarm(
        key="stalled",
        means=f"Pages wait to be fetched and none was parsed for {minutes} minutes",
        runbook="no-progress",
        inputs={
            "waiting": of_queue("ApproximateNumberOfMessagesVisible", watched.queues["fetch"].main.name),
            "parsed": of_queue("NumberOfMessagesDeleted", watched.queues["parse"].main.name, "Sum"),
        },
        # SQS itself reports these: it needs no publisher. Deletions are reported only when there are some.
        expression="IF(waiting > 0 AND FILL(parsed, 0) < 1, 1, 0)",
        comparison="GreaterThanOrEqualToThreshold",
        threshold=1,
        period_s=60,
        periods=minutes,
        # SQS falls silent about a queue that nobody called for six hours, whatever the queue holds: with every
        # worker gone, silence must not end the alarm. A queue that is drained reports 0 first.
        missing="ignore",
    )


def _dead_letters(settings: MonitoringSettings, watched: Watched) -> Iterator[Alarm]:
    for stage, queue in watched.queues.items():
        yield Alarm(
            key=f"dead-letters-{stage}",
            means=f"More than {settings.dead_letters} messages of {stage} could not be processed",
            runbook="dead-letters",
            inputs={"dead": of_queue("ApproximateNumberOfMessagesVisible", queue.dead.name)},
            comparison="GreaterThanThreshold",
            threshold=settings.dead_letters,
            period_s=60,
            periods=1,
            # As above: after six quiet hours the letters are still there.
            missing="ignore",
        )


def _fleet_under_target(settings: MonitoringSettings, watched: Watched) -> Alarm:
    minutes = settings.under_target_minutes
    return Alarm(
        key="fleet-under-target",
        means=f"The fleet had less capacity than its target for {minutes} minutes, or is gone",
        runbook="fleet-under-target",
        inputs={
            "target": of_fleet("TargetCapacity", watched.fleet_request_id),
            "fulfilled": of_fleet("FulfilledCapacity", watched.fleet_request_id),
        },
        expression="target - fulfilled",
        comparison="GreaterThanThreshold",
        threshold=0,
        period_s=FLEET_PERIOD_S,
        periods=-(-minutes * 60 // FLEET_PERIOD_S),
        # The base never goes away, so a request that fell silent was cancelled.
        missing="missing",
    )


def _masters(watched: Watched) -> Iterator[Alarm]:
    healthy = healthy_masters(watched)
    if healthy:
        yield Alarm(
            key="quorum",
            means=f"Fewer than {QUORUM} of three masters reach a leading Marathon",
            runbook="quorum",
            inputs={"healthy": healthy},
            comparison="LessThanThreshold",
            threshold=QUORUM,
            period_s=60,
            # An election, or the replacement of one master, is over sooner.
            periods=3,
            missing="missing",
        )
    for name, instance_id in watched.masters.items():
        yield Alarm(
            key=f"{name}-status",
            means=f"{name} fails EC2's status checks, or is gone",
            runbook="quorum",
            inputs={
                "failed": MetricOf("AWS/EC2", "StatusCheckFailed", {"InstanceId": instance_id}, "Maximum")
            },
            comparison="GreaterThanOrEqualToThreshold",
            threshold=1,
            period_s=60,
            # EC2's own recovery starts after two.
            periods=5,
            missing="missing",
        )
