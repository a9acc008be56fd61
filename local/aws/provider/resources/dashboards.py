"""CloudWatch dashboards, and metrics that CloudWatch Logs makes of log lines.

Source: the CloudWatch and CloudWatch Logs API references.
"""

from __future__ import annotations

from local.aws import differences
from local.aws.provider.declaration import Resource, inputs
from local.aws.provider.session import Operation
from local.aws.provider.wire import Props


def _put_dashboard(op: Operation, props: Props) -> str:
    name = str(props["dashboardName"])
    op.client().put_dashboard(DashboardName=name, DashboardBody=props["dashboardBody"])
    return name


def _read_dashboard(op: Operation, name: str, _state: Props) -> Props | None:
    found = op.client().get_dashboard(DashboardName=name)
    return {
        "dashboardName": name,
        "dashboardArn": found["DashboardArn"],
        "dashboardBody": found["DashboardBody"],
    }


DASHBOARD = Resource(
    kind="aws:cloudwatch/dashboard:Dashboard",
    service="cloudwatch",
    create=_put_dashboard,
    read=_read_dashboard,
    update=lambda op, _id, _old, new: _put_dashboard(op, new),
    delete=lambda op, name, _: op.client().delete_dashboards(DashboardNames=[name]),
    implements=inputs("dashboardBody dashboardName"),
)


def _put_filter(op: Operation, props: Props) -> str:
    differences.require_log_group(op, props["logGroupName"])
    metric: Props = props["metricTransformation"]
    transformation = {
        "metricName": metric["name"],
        "metricNamespace": metric["namespace"],
        "metricValue": metric["value"],
        "unit": metric.get("unit") or "None",
    }
    if metric.get("defaultValue") is not None:
        transformation["defaultValue"] = float(metric["defaultValue"])
    if metric.get("dimensions"):
        transformation["dimensions"] = metric["dimensions"]
    op.client().put_metric_filter(
        logGroupName=props["logGroupName"],
        filterName=props["name"],
        filterPattern=props["pattern"],
        metricTransformations=[transformation],
    )
    return str(props["name"])


def _read_filter(op: Operation, name: str, state: Props) -> Props | None:
    if not state:
        return None
    found = op.client().describe_metric_filters(
        logGroupName=state["logGroupName"], filterNamePrefix=state["name"]
    )["metricFilters"]
    entry = next((each for each in found if each["filterName"] == name), None)
    if entry is None:
        return None
    metric = entry["metricTransformations"][0]
    own: Props = state.get("metricTransformation") or {}
    transformation = {
        "name": metric["metricName"],
        "namespace": metric["metricNamespace"],
        "value": metric["metricValue"],
        "unit": metric.get("unit") or own.get("unit"),
        # Of two texts for one number the program's stands.
        "defaultValue": own.get("defaultValue"),
        "dimensions": metric.get("dimensions"),
    }
    return {
        "name": name,
        "logGroupName": state["logGroupName"],
        "pattern": entry["filterPattern"],
        "metricTransformation": {key: value for key, value in transformation.items() if key in own},
    }


def _change_filter(op: Operation, name: str, old: Props, new: Props) -> None:
    """Deleted first: moto keeps the pattern of a filter that it has (filter-update)."""
    _delete_filter(op, name, old)
    _put_filter(op, new)


def _delete_filter(op: Operation, name: str, state: Props) -> None:
    op.client().delete_metric_filter(logGroupName=state["logGroupName"], filterName=name)


LOG_METRIC_FILTER = Resource(
    kind="aws:cloudwatch/logMetricFilter:LogMetricFilter",
    service="logs",
    create=_put_filter,
    read=_read_filter,
    update=_change_filter,
    delete=_delete_filter,
    implements=inputs("logGroupName metricTransformation name pattern"),
)

RESOURCES = (DASHBOARD, LOG_METRIC_FILTER)
