"""CloudWatch alarms and CloudWatch Logs groups.

Source: the CloudWatch and CloudWatch Logs API references.
"""

from __future__ import annotations

import uuid
from typing import Any, Final

from local.aws.provider.declaration import Resource, inputs, tag_list, tag_map
from local.aws.provider.facts import all_facts
from local.aws.provider.session import Operation
from local.aws.provider.shapes import covers, parameters, properties
from local.aws.provider.wire import Props

_ALARM: Final = "aws:cloudwatch/metricAlarm:MetricAlarm"
_SETTINGS: Final = (
    "actionsEnabled", "alarmActions", "alarmDescription", "comparisonOperator", "datapointsToAlarm",
    "evaluateLowSampleCountPercentiles", "evaluationPeriods", "extendedStatistic", "insufficientDataActions",
    "metricName", "namespace", "okActions", "period", "statistic", "threshold", "thresholdMetricId",
    "treatMissingData", "unit",
)  # fmt: skip
_NAMES: Final = {
    "okActions": "OKActions",
    "evaluateLowSampleCountPercentiles": "EvaluateLowSampleCountPercentile",
}


def _dimensions(dimensions: Props) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in dimensions.items()]


def _query(op: Operation, query: Props) -> dict[str, Any]:
    metric = query.get("metric")
    request: dict[str, Any] = parameters(
        op.client(),
        "PutMetricAlarm",
        "Metrics",
        [{key: value for key, value in query.items() if key != "metric"}],
    )[0]
    request["ReturnData"] = bool(query.get("returnData"))
    if metric:
        request["MetricStat"] = {
            "Metric": {
                "MetricName": metric["metricName"],
                **({"Namespace": metric["namespace"]} if metric.get("namespace") else {}),
                "Dimensions": _dimensions(metric.get("dimensions") or {}),
            },
            "Period": metric["period"],
            "Stat": metric["stat"],
            **({"Unit": metric["unit"]} if metric.get("unit") else {}),
        }
    return request


def _settings(op: Operation, props: Props) -> dict[str, Any]:
    given = {key: props[key] for key in _SETTINGS if props.get(key) not in (None, "", [])}
    request: dict[str, Any] = parameters(op.client(), "PutMetricAlarm", "", given, _NAMES)
    if props.get("dimensions"):
        request["Dimensions"] = _dimensions(props["dimensions"])
    if props.get("metricQueries"):
        request["Metrics"] = [_query(op, query) for query in props["metricQueries"]]
    return request


def _put_alarm(op: Operation, props: Props) -> str:
    op.client().put_metric_alarm(
        AlarmName=props["name"], Tags=tag_list(props["tagsAll"]), **_settings(op, props)
    )
    return str(props["name"])


def _read_alarm(op: Operation, name: str, state: Props) -> Props | None:
    client = op.client()
    found = client.describe_alarms(AlarmNames=[name]).get("MetricAlarms", [])
    alarm = next((entry for entry in found if entry["AlarmName"] == name), None)
    if alarm is None:
        return None
    tags = client.list_tags_for_resource(ResourceARN=alarm["AlarmArn"]).get("Tags", [])
    result: Props = {"name": name, "arn": alarm["AlarmArn"], "tagsAll": tag_map(tags)}
    sent = _settings(op, state) if state else {}
    for key in _SETTINGS:
        api = _NAMES.get(key) or key[0].upper() + key[1:]
        # moto answers some settings never: what came back is compared, nothing else.
        if alarm.get(api) is not None and not (api in sent and covers(alarm[api], sent[api])):
            result[key] = alarm[api]
    if alarm.get("Dimensions") and not covers(alarm["Dimensions"], sent.get("Dimensions")):
        result["dimensions"] = {entry["Name"]: entry["Value"] for entry in alarm["Dimensions"]}
    if alarm.get("Metrics") and not covers(alarm["Metrics"], sent.get("Metrics")):
        facts = all_facts()[_ALARM]
        result["metricQueries"] = [_read_query(entry, facts) for entry in alarm["Metrics"]]
    return result


def _read_query(entry: dict[str, Any], facts: Any) -> Props:
    query = properties(entry, facts, "MetricAlarmMetricQuery")
    statistic = entry.get("MetricStat")
    if statistic:
        metric = statistic["Metric"]
        query["metric"] = {
            "metricName": metric["MetricName"],
            "namespace": metric.get("Namespace"),
            "period": statistic["Period"],
            "stat": statistic["Stat"],
            "dimensions": {
                dimension["Name"]: dimension["Value"] for dimension in metric.get("Dimensions", [])
            },
        }
    return query


def _tag_alarm(op: Operation, name: str, tags: dict[str, str], removed: list[str]) -> None:
    client = op.client()
    [alarm] = client.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    if removed:
        client.untag_resource(ResourceARN=alarm["AlarmArn"], TagKeys=removed)
    if tags:
        client.tag_resource(ResourceARN=alarm["AlarmArn"], Tags=tag_list(tags))


METRIC_ALARM = Resource(
    kind=_ALARM,
    service="cloudwatch",
    create=_put_alarm,
    read=_read_alarm,
    update=lambda op, _id, _old, new: _put_alarm(op, new),
    delete=lambda op, name, _: op.client().delete_alarms(AlarmNames=[name]),
    tag=_tag_alarm,
    implements=inputs("name dimensions metricQueries") | frozenset(_SETTINGS),
)


def _create_log_group(op: Operation, props: Props) -> str:
    client = op.client()
    name = str(props.get("name") or f"{props['namePrefix']}{uuid.uuid4().hex[:26]}")
    request: dict[str, Any] = {"logGroupName": name}
    if props["tagsAll"]:
        request["tags"] = props["tagsAll"]
    if props.get("kmsKeyId"):
        request["kmsKeyId"] = props["kmsKeyId"]
    client.create_log_group(**request)
    op.made = name
    _set_retention(op, name, {}, props)
    return name


def _set_retention(op: Operation, name: str, old: Props, new: Props) -> None:
    before, after = old.get("retentionInDays") or 0, new.get("retentionInDays") or 0
    if before != after and after:
        op.client().put_retention_policy(logGroupName=name, retentionInDays=after)
    elif before != after:
        op.client().delete_retention_policy(logGroupName=name)


def _read_log_group(op: Operation, name: str, _state: Props) -> Props | None:
    client = op.client()
    found = client.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    group = next((entry for entry in found if entry["logGroupName"] == name), None)
    if group is None:
        return None
    return {
        "name": name,
        "arn": group["arn"].removesuffix(":*"),
        "retentionInDays": group.get("retentionInDays", 0),
        "kmsKeyId": group.get("kmsKeyId"),
        "tagsAll": client.list_tags_log_group(logGroupName=name).get("tags", {}),
    }


def _delete_log_group(op: Operation, name: str, state: Props) -> None:
    if not state.get("skipDestroy"):
        op.client().delete_log_group(logGroupName=name)


def _tag_log_group(op: Operation, name: str, tags: dict[str, str], removed: list[str]) -> None:
    if removed:
        op.client().untag_log_group(logGroupName=name, tags=removed)
    if tags:
        op.client().tag_log_group(logGroupName=name, tags=tags)


LOG_GROUP = Resource(
    kind="aws:cloudwatch/logGroup:LogGroup",
    service="logs",
    create=_create_log_group,
    read=_read_log_group,
    update=_set_retention,
    delete=_delete_log_group,
    tag=_tag_log_group,
    implements=inputs("name namePrefix kmsKeyId retentionInDays skipDestroy"),
)

RESOURCES = (METRIC_ALARM, LOG_GROUP)
