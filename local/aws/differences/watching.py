"""Refusals for dashboards, events, topics, budgets, secrets, keys and parameters, from the inputs alone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from local.aws.differences.rules import Rule, inside, items, known, one_of, within
from local.aws.provider.check import Problem
from local.aws.provider.wire import Props

_SUBSCRIBED: Final = (
    "application",
    "email",
    "email-json",
    "firehose",
    "http",
    "https",
    "lambda",
    "sms",
    "sqs",
)


def _dashboard(inputs: Props) -> Iterator[Problem]:
    name = known(inputs, "dashboardName")
    if isinstance(name, str) and not re.fullmatch(r"[A-Za-z0-9_-]{1,255}", name):
        yield Problem("dashboardName", f"{name!r}: at most 255 of A-Z a-z 0-9 - _")
    body = known(inputs, "dashboardBody")
    if isinstance(body, str):
        yield from _widgets(json.loads(body))


def _widgets(body: Any) -> Iterator[Problem]:
    widgets = body.get("widgets") if isinstance(body, dict) else None
    if not isinstance(widgets, list):
        yield Problem("dashboardBody", "needs a list of widgets")
        return
    for number, widget in enumerate(widgets):
        kinds = ("alarm", "custom", "explorer", "log", "metric", "text")
        if not isinstance(widget, dict) or widget.get("type") not in kinds:
            yield Problem("dashboardBody", f"widget {number} has none of the types {', '.join(kinds)}")
        elif not isinstance(widget.get("properties"), dict):
            yield Problem("dashboardBody", f"widget {number} has no properties")
        elif not 1 <= widget.get("width", 6) <= 24:
            yield Problem("dashboardBody", f"widget {number} is {widget['width']} wide: 1 to 24")


def _event_rule(inputs: Props) -> Iterator[Problem]:
    if not inputs.get("eventPattern") and not inputs.get("scheduleExpression"):
        yield Problem("", "a rule needs eventPattern, scheduleExpression or both")
    states = ("ENABLED", "DISABLED", "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS")
    yield from one_of(inputs, "state", *states)
    pattern = known(inputs, "eventPattern")
    if isinstance(pattern, str) and pattern:
        yield from _pattern(json.loads(pattern), "eventPattern")
    schedule = known(inputs, "scheduleExpression")
    if isinstance(schedule, str) and not re.fullmatch(
        r"rate\(\d+ (minute|hour|day)s?\)|cron\(([^ ()]+ ){5}[^ ()]+\)", schedule
    ):
        yield Problem("scheduleExpression", f"{schedule!r}: use rate(5 minutes) or cron with six fields")


def _pattern(pattern: Any, path: str) -> Iterator[Problem]:
    if not isinstance(pattern, dict) or not pattern:
        yield Problem("eventPattern", f"{path} must be an object that is not empty")
        return
    for key, value in pattern.items():
        if isinstance(value, dict):
            yield from _pattern(value, f"{path}.{key}")
        elif not isinstance(value, list) or not value:
            yield Problem("eventPattern", f"{path}.{key} must be a list: the values that match")


def _filter(inputs: Props) -> Iterator[Problem]:
    value = known(inputs, "metricTransformation.value")
    if isinstance(value, str) and not re.fullmatch(r"\$.+|-?[0-9.]+", value):
        yield Problem(
            "metricTransformation.value", f"{value!r}: a number, or a field such as $.bytes or $bytes"
        )
    default, dimensions = (
        inputs.get("metricTransformation", {}).get(key) for key in ("defaultValue", "dimensions")
    )
    if default is not None and dimensions:
        yield Problem("metricTransformation.defaultValue", "does not go with dimensions")


def _topic(inputs: Props) -> Iterator[Problem]:
    name = known(inputs, "name")
    if isinstance(name, str) and not re.fullmatch(r"[A-Za-z0-9_-]{1,256}", name):
        yield Problem("name", f"{name!r}: at most 256 of A-Z a-z 0-9 - _")


def _subscription(inputs: Props) -> Iterator[Problem]:
    yield from one_of(inputs, "protocol", *_SUBSCRIBED)
    protocol, endpoint = known(inputs, "protocol"), known(inputs, "endpoint")
    if isinstance(endpoint, str) and isinstance(protocol, str):
        wanted = {"email": r"[^@\s]+@[^@\s]+", "email-json": r"[^@\s]+@[^@\s]+", "sqs": r"arn:[^:]+:sqs:.+"}
        wanted |= {"http": r"http://.+", "https": r"https://.+"}
        if not re.fullmatch(wanted.get(protocol, ".+"), endpoint):
            yield Problem("endpoint", f"{endpoint!r} is no endpoint for {protocol}")


def _budget(inputs: Props) -> Iterator[Problem]:
    kinds = (
        "COST",
        "USAGE",
        "RI_UTILIZATION",
        "RI_COVERAGE",
        "SAVINGS_PLANS_UTILIZATION",
        "SAVINGS_PLANS_COVERAGE",
    )
    yield from one_of(inputs, "budgetType", *kinds)
    yield from one_of(inputs, "timeUnit", "DAILY", "MONTHLY", "QUARTERLY", "ANNUALLY", "CUSTOM")
    for key in ("limitAmount", "limitUnit"):
        if not inputs.get(key) and not inputs.get("plannedLimits") and not inputs.get("autoAdjustData"):
            yield Problem(key, "a budget needs it")
    notifications = known(inputs, "notifications")
    if isinstance(notifications, list) and len(notifications) > 10:
        yield Problem("notifications", f"{len(notifications)}: a budget has at most 10")
    for path, entry in items(inputs, "notifications"):
        yield from inside(path, _notification(entry))


def _notification(entry: Props) -> Iterator[Problem]:
    yield from one_of(entry, "comparisonOperator", "GREATER_THAN", "LESS_THAN", "EQUAL_TO")
    yield from one_of(entry, "notificationType", "ACTUAL", "FORECASTED")
    yield from one_of(entry, "thresholdType", "PERCENTAGE", "ABSOLUTE_VALUE")
    emails, topics = (entry.get(key) or [] for key in ("subscriberEmailAddresses", "subscriberSnsTopicArns"))
    if not emails and not topics:
        yield Problem("", "tells nobody: name e-mail addresses or a topic")
    if isinstance(topics, list) and len(topics) > 1:
        yield Problem("subscriberSnsTopicArns", f"{len(topics)}: a notification has at most one topic")
    if isinstance(emails, list) and len(emails) > 10:
        yield Problem("subscriberEmailAddresses", f"{len(emails)}: a notification has at most 10 addresses")


def _secret(inputs: Props) -> Iterator[Problem]:
    name = known(inputs, "name")
    if isinstance(name, str) and not re.fullmatch(r"[A-Za-z0-9/_+=.@-]{1,512}", name):
        yield Problem("name", f"{name!r}: at most 512 of A-Z a-z 0-9 / _ + = . @ -")
    if known(inputs, "recoveryWindowInDays") != 0:
        yield from within(inputs, "recoveryWindowInDays", 7, 30, "days, or 0 for none")


def _key(inputs: Props) -> Iterator[Problem]:
    yield from within(inputs, "deletionWindowInDays", 7, 30, "days")
    yield from within(inputs, "rotationPeriodInDays", 90, 2_560, "days")
    symmetric = known(inputs, "customerMasterKeySpec") == "SYMMETRIC_DEFAULT"
    if inputs.get("enableKeyRotation") is True and not symmetric:
        yield Problem("enableKeyRotation", "only symmetric keys rotate")


def _alias(inputs: Props) -> Iterator[Problem]:
    name = known(inputs, "name")
    if isinstance(name, str) and "name" not in inputs.get("__defaults", []):
        if not re.fullmatch(r"alias/[A-Za-z0-9/_-]{1,250}", name):
            yield Problem("name", f"{name!r}: alias/ and then A-Z a-z 0-9 / _ -")
        elif name.startswith("alias/aws/"):
            yield Problem("name", f"{name!r}: aliases below alias/aws/ are AWS's own")


def _open_id(inputs: Props) -> Iterator[Problem]:
    url = known(inputs, "url")
    if isinstance(url, str) and not re.fullmatch(r"https://[^/\s?]+(/[^\s?]*)?", url):
        yield Problem("url", f"{url!r}: https, without a query")


def _parameter(inputs: Props) -> Iterator[Problem]:
    yield from one_of(inputs, "type", "String", "StringList", "SecureString")
    yield from one_of(inputs, "tier", "Standard", "Advanced", "Intelligent-Tiering")
    if sum(inputs.get(key) is not None for key in ("value", "insecureValue", "valueWo")) != 1:
        yield Problem("value", "a parameter has exactly one of value, insecureValue and valueWo")
    value = known(inputs, "value")
    if isinstance(value, str) and len(value.encode()) > (4096 if inputs.get("tier") != "Advanced" else 8192):
        yield Problem("value", f"{len(value.encode())} bytes: 4096, or 8192 in the tier Advanced")


RULES: Final[dict[str, tuple[Rule, ...]]] = {
    "aws:cloudwatch/dashboard:Dashboard": (Rule("dashboard-body", _dashboard),),
    "aws:cloudwatch/eventRule:EventRule": (Rule("event-rule", _event_rule),),
    "aws:cloudwatch/logMetricFilter:LogMetricFilter": (Rule("filter-values", _filter),),
    "aws:sns/topic:Topic": (Rule("topic-name", _topic),),
    "aws:sns/topicSubscription:TopicSubscription": (Rule("subscription-endpoint", _subscription),),
    "aws:budgets/budget:Budget": (Rule("budget-values", _budget),),
    "aws:secretsmanager/secret:Secret": (Rule("secret-values", _secret),),
    "aws:kms/key:Key": (Rule("key-values", _key),),
    "aws:kms/alias:Alias": (Rule("key-alias", _alias),),
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider": (Rule("oidc-url", _open_id),),
    "aws:ssm/parameter:Parameter": (Rule("parameter-values", _parameter),),
}
