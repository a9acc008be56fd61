"""Budgets of AWS Budgets, and who is told when one is used up.

Source: the AWS Budgets API reference.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from local.aws import differences
from local.aws.provider.declaration import Resource, inputs
from local.aws.provider.session import Operation
from local.aws.provider.shapes import parameters
from local.aws.provider.wire import Props

_TIME: Final = "%Y-%m-%d_%H:%M"


def _budget(op: Operation, props: Props) -> dict[str, Any]:
    filters = {entry["name"]: entry["values"] for entry in props.get("costFilters") or []}
    period = {
        api: datetime.strptime(f"{props[key]}+0000", f"{_TIME}%z")
        for key, api in (("timePeriodStart", "Start"), ("timePeriodEnd", "End"))
        # Without a beginning, AWS takes the month's, and an end far away.
        if props.get("timePeriodStart") and props.get(key)
    }
    types = props.get("costTypes")
    return {
        "BudgetName": props["name"],
        "BudgetType": props["budgetType"],
        "TimeUnit": props["timeUnit"],
        "BudgetLimit": {"Amount": str(props["limitAmount"]), "Unit": props["limitUnit"]},
        **({"CostFilters": filters} if filters else {}),
        **(
            {"CostTypes": parameters(op.client(), "CreateBudget", "Budget.CostTypes", types)} if types else {}
        ),
        **({"TimePeriod": period} if period else {}),
    }


def _notification(entry: Props) -> dict[str, Any]:
    return {
        "NotificationType": entry["notificationType"],
        "ComparisonOperator": entry["comparisonOperator"],
        "Threshold": float(entry["threshold"]),
        "ThresholdType": entry["thresholdType"],
    }


def _subscribers(entry: Props) -> list[dict[str, str]]:
    kinds = (("subscriberEmailAddresses", "EMAIL"), ("subscriberSnsTopicArns", "SNS"))
    return [
        {"SubscriptionType": kind, "Address": address}
        for key, kind in kinds
        for address in entry.get(key) or []
    ]


def _create(op: Operation, props: Props) -> str:
    account = differences.account(op)
    op.client().create_budget(
        AccountId=account,
        Budget=_budget(op, props),
        NotificationsWithSubscribers=[
            {"Notification": _notification(entry), "Subscribers": _subscribers(entry)}
            for entry in props.get("notifications") or []
        ],
    )
    return f"{account}:{props['name']}"


def _read(op: Operation, identity: str, state: Props) -> Props | None:
    account, _, name = identity.partition(":")
    this = {"AccountId": account, "BudgetName": name}
    budget = op.client().describe_budget(**this)["Budget"]
    there = op.client().describe_notifications_for_budget(**this).get("Notifications", [])
    limit: dict[str, str] = budget.get("BudgetLimit", {})
    filters: dict[str, list[str]] = budget.get("CostFilters") or {}
    own_amount = state.get("limitAmount")
    amount = limit.get("Amount")
    return {
        "arn": f"arn:aws:budgets::{account}:budget/{name}",
        "accountId": account,
        "name": name,
        "budgetType": budget["BudgetType"],
        "timeUnit": budget["TimeUnit"],
        "costFilters": [{"name": key, "values": values} for key, values in sorted(filters.items())],
        "limitAmount": own_amount if _same_number(own_amount, amount) else amount,
        "limitUnit": limit.get("Unit"),
        # Who is told, moto does not say: of those it knows, the program's word stands.
        "notifications": [
            entry
            for entry in state.get("notifications") or []
            if any(_notification(entry) == _compared(found) for found in there)
        ],
        "timePeriodStart": state.get("timePeriodStart") or budget["TimePeriod"]["Start"].strftime(_TIME),
        # moto keeps no tags of a budget (budget-tags).
        "tagsAll": state.get("tagsAll") or {},
    }


def _compared(found: dict[str, Any]) -> dict[str, Any]:
    keys = ("NotificationType", "ComparisonOperator", "Threshold", "ThresholdType")
    return {key: found.get(key) for key in keys}


def _same_number(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and float(one) == float(other)


def _update(op: Operation, identity: str, _old: Props, new: Props) -> None:
    """Made anew under its name, which is all the identity it has: moto has no UpdateBudget (budget-update)."""
    _delete(op, identity, new)
    _create(op, new)


def _delete(op: Operation, identity: str, _state: Props) -> None:
    account, _, name = identity.partition(":")
    op.client().delete_budget(AccountId=account, BudgetName=name)


def _tag(_op: Operation, _identity: str, _tags: dict[str, str], _removed: list[str]) -> None:
    """Nothing: see the reading of tags."""


BUDGET = Resource(
    kind="aws:budgets/budget:Budget",
    service="budgets",
    create=_create,
    read=_read,
    update=_update,
    delete=_delete,
    tag=_tag,
    implements=inputs(
        "accountId budgetType costFilters costTypes limitAmount limitUnit name notifications timePeriodEnd "
        "timePeriodStart timeUnit"
    ),
)

RESOURCES = (BUDGET,)
