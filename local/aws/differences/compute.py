"""Refusals for launch templates, spot fleets, scaling, alarms and logs, from the inputs alone."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from local.aws.differences.rules import Rule, inside, items, known, one_of, within
from local.aws.provider.check import Problem
from local.aws.provider.wire import Props

_USER_DATA_LIMIT: Final = 16 * 1024
_STRATEGIES: Final = (
    "priceCapacityOptimized",
    "capacityOptimized",
    "capacityOptimizedPrioritized",
    "diversified",
    "lowestPrice",
)
_RETENTION_DAYS: Final = (
    0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
)  # fmt: skip


def _user_data(inputs: Props) -> Iterator[Problem]:
    text = known(inputs, "userData")
    if not isinstance(text, str) or not text:
        return
    try:
        size = len(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        yield Problem("userData", "must be base64; encode it with base64.b64encode(text.encode()).decode()")
        return
    if size > _USER_DATA_LIMIT:
        yield Problem(
            "userData", f"{size} bytes before encoding: EC2 takes {_USER_DATA_LIMIT}. Fetch the rest at boot"
        )


def _metadata_options(inputs: Props) -> Iterator[Problem]:
    yield from one_of(inputs, "metadataOptions.httpTokens", "required", "optional")
    for key in ("httpEndpoint", "httpProtocolIpv6", "instanceMetadataTags"):
        yield from one_of(inputs, f"metadataOptions.{key}", "enabled", "disabled")
    yield from within(inputs, "metadataOptions.httpPutResponseHopLimit", 1, 64, "hops")
    for path, mapping in items(inputs, "blockDeviceMappings"):
        types = ("standard", "io1", "io2", "gp2", "gp3", "sc1", "st1")
        yield from inside(path, one_of(mapping, "ebs.volumeType", *types))


def _fleet_strategies(inputs: Props) -> Iterator[Problem]:
    yield from one_of(inputs, "allocationStrategy", *_STRATEGIES)
    yield from one_of(inputs, "onDemandAllocationStrategy", "lowestPrice", "prioritized")
    yield from one_of(inputs, "fleetType", "maintain", "request")
    yield from one_of(inputs, "excessCapacityTerminationPolicy", "Default", "NoTermination")
    yield from one_of(inputs, "instanceInterruptionBehaviour", "terminate", "stop", "hibernate")
    yield from one_of(inputs, "terminateInstancesOnDelete", "true", "false")
    strategy = "spotMaintenanceStrategies.capacityRebalance.replacementStrategy"
    yield from one_of(inputs, strategy, "launch", "launch-before-terminate")
    yield from within(inputs, "targetCapacity", 0, 10_000)


def _fleet_specifications(inputs: Props) -> Iterator[Problem]:
    given = [key for key in ("launchSpecifications", "launchTemplateConfigs") if inputs.get(key)]
    if len(given) != 1:
        yield Problem("", "a spot fleet needs exactly one of launchSpecifications and launchTemplateConfigs")


def _fleet_on_demand(inputs: Props) -> Iterator[Problem]:
    total, on_demand = known(inputs, "targetCapacity"), known(inputs, "onDemandTargetCapacity")
    if isinstance(total, int) and isinstance(on_demand, int) and on_demand > total:
        yield Problem(
            "onDemandTargetCapacity", f"{on_demand} is more than the total targetCapacity of {total}"
        )


def _fleet_rebalance(inputs: Props) -> Iterator[Problem]:
    if inputs.get("spotMaintenanceStrategies") and known(inputs, "fleetType") == "request":
        yield Problem("spotMaintenanceStrategies", "capacity rebalance is for fleets of type maintain only")


def _fleet_pools(inputs: Props) -> Iterator[Problem]:
    pools = known(inputs, "instancePoolsToUseCount")
    if pools not in (None, 1) and known(inputs, "allocationStrategy") not in (None, "lowestPrice"):
        yield Problem("instancePoolsToUseCount", "goes with the allocation strategy lowestPrice only")


def _fleet_template_reference(inputs: Props) -> Iterator[Problem]:
    for path, config in items(inputs, "launchTemplateConfigs"):
        reference = config.get("launchTemplateSpecification")
        if isinstance(reference, dict):
            if ("id" in reference) == ("name" in reference):
                yield Problem(
                    f"{path}.launchTemplateSpecification",
                    "names the template by id or by name, by one of them",
                )
            if "version" not in reference:
                yield Problem(
                    f"{path}.launchTemplateSpecification", "needs version: a number, $Latest or $Default"
                )
        for inner, override in items(config, "overrides"):
            subnet = known(override, "subnetId")
            if isinstance(subnet, str) and "," in subnet:
                yield Problem(
                    f"{path}.{inner}.subnetId", "one subnet an override; write an override for each subnet"
                )


def _min_max(inputs: Props) -> Iterator[Problem]:
    for prefix in ("", "scalableTargetAction."):
        low, high = known(inputs, f"{prefix}minCapacity"), known(inputs, f"{prefix}maxCapacity")
        if isinstance(low, int) and isinstance(high, int) and low > high:
            yield Problem(f"{prefix}minCapacity", f"{low} is more than maxCapacity, which is {high}")
        yield from within(inputs, f"{prefix}minCapacity", 0, 2**31 - 1)


def _policy_kind(inputs: Props) -> Iterator[Problem]:
    yield from one_of(inputs, "policyType", "StepScaling", "TargetTrackingScaling", "PredictiveScaling")
    wanted = {
        "StepScaling": "stepScalingPolicyConfiguration",
        "TargetTrackingScaling": "targetTrackingScalingPolicyConfiguration",
    }
    kind = known(inputs, "policyType")
    needed = wanted.get(str(kind))
    if needed and not inputs.get(needed):
        yield Problem(needed, f"a policy of type {kind} needs it")
    for other in wanted.values():
        if needed and other != needed and inputs.get(other):
            yield Problem(other, f"does not go with policyType {kind}")
    tracking = inputs.get("targetTrackingScalingPolicyConfiguration")
    if isinstance(tracking, dict):
        kinds = ("predefinedMetricSpecification", "customizedMetricSpecification")
        if sum(bool(tracking.get(key)) for key in kinds) != 1:
            yield Problem(
                "targetTrackingScalingPolicyConfiguration", f"needs exactly one of {' and '.join(kinds)}"
            )


def _steps(inputs: Props) -> Iterator[Problem]:
    place = "stepScalingPolicyConfiguration"
    yield from one_of(
        inputs, f"{place}.adjustmentType", "ChangeInCapacity", "ExactCapacity", "PercentChangeInCapacity"
    )
    steps = known(inputs, f"{place}.stepAdjustments")
    if not isinstance(steps, list):
        return
    bounds = [
        (
            _bound(step.get("metricIntervalLowerBound"), "-inf"),
            _bound(step.get("metricIntervalUpperBound"), "inf"),
        )
        for step in steps
    ]
    ordered = sorted(bounds)
    for (_, upper), (lower, _) in pairwise(ordered):
        if upper != lower:
            what = "leave a gap" if upper < lower else "overlap"
            yield Problem(f"{place}.stepAdjustments", f"steps {what} between {upper:g} and {lower:g}")
    if any(low >= high for low, high in bounds):
        yield Problem(f"{place}.stepAdjustments", "a step's lower bound must be less than its upper bound")


def _bound(value: object, default: str) -> float:
    return float(str(value)) if value not in (None, "") else float(default)


def _schedule(inputs: Props) -> Iterator[Problem]:
    text = known(inputs, "schedule")
    if isinstance(text, str) and not re.fullmatch(
        r"at\(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\)"
        r"|rate\(\d+ (minute|hour|day)s?\)"
        r"|cron\((?:[0-9A-Za-z*?/,#-]+ ){5}[0-9A-Za-z*?/,#-]+\)",
        text,
    ):
        yield Problem(
            "schedule", f"{text!r}: use at(yyyy-mm-ddThh:mm:ss), rate(5 minutes) or cron with six fields"
        )
    elif isinstance(text, str) and text.startswith("cron(") and re.search(r"[G-Kg-k]{3}", text):
        yield Problem("schedule", f"{text!r}: not a cron expression of six fields")


_SCALING_IDS: Final = {"ec2": "spot-fleet-request/sfr-", "ecs": "service/", "dynamodb": "table/"}


def _alarm_values(inputs: Props) -> Iterator[Problem]:
    yield from one_of(inputs, "treatMissingData", "missing", "ignore", "breaching", "notBreaching")
    operators = ("GreaterThanOrEqualToThreshold", "GreaterThanThreshold", "LessThanThreshold")
    more = (
        "LessThanOrEqualToThreshold",
        "LessThanLowerOrGreaterThanUpperThreshold",
        "LessThanLowerThreshold",
    )
    yield from one_of(inputs, "comparisonOperator", *operators, *more, "GreaterThanUpperThreshold")
    yield from one_of(inputs, "statistic", "SampleCount", "Average", "Sum", "Minimum", "Maximum")
    period = known(inputs, "period")
    if isinstance(period, int) and not (period in (10, 20, 30) or (period >= 60 and period % 60 == 0)):
        yield Problem("period", f"{period} s: AWS takes 10, 20, 30 or a multiple of 60 seconds")
    datapoints, periods = known(inputs, "datapointsToAlarm"), known(inputs, "evaluationPeriods")
    if isinstance(datapoints, int) and isinstance(periods, int) and datapoints > periods:
        yield Problem("datapointsToAlarm", f"{datapoints} is more than evaluationPeriods, which is {periods}")


def _alarm_metric(inputs: Props) -> Iterator[Problem]:
    if bool(inputs.get("metricName")) == bool(inputs.get("metricQueries")):
        yield Problem("", "an alarm watches either metricName or metricQueries")
    queries = known(inputs, "metricQueries")
    if isinstance(queries, list) and queries and sum(bool(query.get("returnData")) for query in queries) != 1:
        yield Problem("metricQueries", "exactly one query has returnData")
    for key in ("comparisonOperator", "evaluationPeriods"):
        if inputs.get(key) is None:
            yield Problem(key, "an alarm needs it")


def _retention(inputs: Props) -> Iterator[Problem]:
    days = known(inputs, "retentionInDays")
    if isinstance(days, int) and days not in _RETENTION_DAYS:
        yield Problem(
            "retentionInDays",
            f"{days}: AWS takes one of {', '.join(map(str, _RETENTION_DAYS[1:]))}, or 0 for ever",
        )


RULES: Final[dict[str, tuple[Rule, ...]]] = {
    "aws:ec2/launchTemplate:LaunchTemplate": (
        Rule("template-user-data", _user_data),
        Rule("template-metadata-options", _metadata_options),
    ),
    "aws:ec2/spotFleetRequest:SpotFleetRequest": (
        Rule("fleet-strategies", _fleet_strategies),
        Rule("fleet-specifications", _fleet_specifications),
        Rule("fleet-on-demand-total", _fleet_on_demand),
        Rule("fleet-rebalance-request", _fleet_rebalance),
        Rule("fleet-pools", _fleet_pools),
        Rule("fleet-template-reference", _fleet_template_reference),
    ),
    "aws:appautoscaling/target:Target": (Rule("scaling-min-max", _min_max),),
    "aws:appautoscaling/policy:Policy": (
        Rule("scaling-policy-kind", _policy_kind),
        Rule("scaling-steps", _steps),
    ),
    "aws:appautoscaling/scheduledAction:ScheduledAction": (
        Rule("scaling-min-max", _min_max),
        Rule("scaling-schedule", _schedule),
    ),
    "aws:cloudwatch/metricAlarm:MetricAlarm": (
        Rule("alarm-values", _alarm_values),
        Rule("alarm-metric", _alarm_metric),
    ),
    "aws:cloudwatch/logGroup:LogGroup": (Rule("log-retention", _retention),),
}
