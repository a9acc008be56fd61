"""EventBridge rules, and where the events that match them go.

Source: the Amazon EventBridge API reference.
"""

from __future__ import annotations

from typing import Any

from local.aws.provider.declaration import Resource, inputs, tag_list, tag_map
from local.aws.provider.errors import ProviderError
from local.aws.provider.resources.ec2 import given
from local.aws.provider.session import Operation
from local.aws.provider.wire import Props


def _bus(props: Props) -> dict[str, str]:
    return {"EventBusName": str(props.get("eventBusName") or "default")}


def _identity(props: Props, name: str) -> str:
    bus = _bus(props)["EventBusName"]
    return name if bus == "default" else f"{bus}/{name}"


def _put_rule(op: Operation, props: Props) -> str:
    enabled = props.get("isEnabled")
    state = props.get("state") or ("DISABLED" if enabled is False else "ENABLED")
    op.client().put_rule(
        Name=props["name"],
        State=state,
        **_bus(props),
        **given(
            props,
            Description="description",
            EventPattern="eventPattern",
            RoleArn="roleArn",
            ScheduleExpression="scheduleExpression",
        ),
    )
    return _identity(props, props["name"])


def _create_rule(op: Operation, props: Props) -> str:
    op.made = _put_rule(op, props)
    # A call of its own: PutRule takes no tags for a rule that exists.
    _tag_rule(op, op.made, props["tagsAll"], [])
    return op.made


def _named(identity: str) -> dict[str, str]:
    bus, _, name = identity.rpartition("/")
    return {"Name": name, "EventBusName": bus or "default"}


def _read_rule(op: Operation, identity: str, state: Props) -> Props | None:
    rule = op.client().describe_rule(**_named(identity))
    tags = op.client().list_tags_for_resource(ResourceARN=rule["Arn"])["Tags"]
    return {
        "arn": rule["Arn"],
        "name": rule["Name"],
        "description": rule.get("Description") or None,
        "eventBusName": rule.get("EventBusName", "default"),
        "eventPattern": rule.get("EventPattern"),
        "isEnabled": rule.get("State") == "ENABLED" if state.get("isEnabled") is not None else None,
        "roleArn": rule.get("RoleArn"),
        "scheduleExpression": rule.get("ScheduleExpression"),
        "state": rule.get("State") if state.get("isEnabled") is None else None,
        "tagsAll": tag_map(tags),
    }


def _delete_rule(op: Operation, identity: str, state: Props) -> None:
    name = _named(identity)
    if state.get("forceDestroy"):
        bus = {"Rule": name["Name"], "EventBusName": name["EventBusName"]}
        targets = op.client().list_targets_by_rule(**bus)["Targets"]
        if targets:
            op.client().remove_targets(**bus, Ids=[target["Id"] for target in targets])
    op.client().delete_rule(**name)


def _tag_rule(op: Operation, identity: str, tags: dict[str, str], removed: list[str]) -> None:
    arn = op.client().describe_rule(**_named(identity))["Arn"]
    if removed:
        op.client().untag_resource(ResourceARN=arn, TagKeys=removed)
    if tags:
        op.client().tag_resource(ResourceARN=arn, Tags=tag_list(tags))


EVENT_RULE = Resource(
    kind="aws:cloudwatch/eventRule:EventRule",
    service="events",
    create=_create_rule,
    read=_read_rule,
    update=lambda op, _id, _old, new: _put_rule(op, new),
    delete=_delete_rule,
    tag=_tag_rule,
    implements=inputs(
        "description eventBusName eventPattern forceDestroy isEnabled name roleArn scheduleExpression state"
    ),
)


def _put_target(op: Operation, props: Props) -> str:
    target: dict[str, Any] = given(
        props, Id="targetId", Arn="arn", Input="input", InputPath="inputPath", RoleArn="roleArn"
    )
    queue = props.get("sqsTarget")
    if queue and queue.get("messageGroupId"):
        target["SqsParameters"] = {"MessageGroupId": queue["messageGroupId"]}
    dead = props.get("deadLetterConfig")
    if dead and dead.get("arn"):
        target["DeadLetterConfig"] = {"Arn": dead["arn"]}
    retry = props.get("retryPolicy")
    if retry:
        target["RetryPolicy"] = given(
            retry,
            MaximumRetryAttempts="maximumRetryAttempts",
            MaximumEventAgeInSeconds="maximumEventAgeInSeconds",
        )
    answer = op.client().put_targets(Rule=props["rule"], **_bus(props), Targets=[target])
    for entry in answer.get("FailedEntries", []):
        raise ProviderError(f"target {entry.get('TargetId')} of {props['rule']}: {entry.get('ErrorMessage')}")
    return _identity(props, f"{props['rule']}-{props['targetId']}").replace("/", "-")


def _read_target(op: Operation, _identity: str, state: Props) -> Props | None:
    if not state:
        return None
    found = op.client().list_targets_by_rule(Rule=state["rule"], **_bus(state))["Targets"]
    target = next((entry for entry in found if entry["Id"] == state["targetId"]), None)
    if target is None:
        return None
    return {
        "rule": state["rule"],
        "targetId": target["Id"],
        "arn": target["Arn"],
        "input": target.get("Input"),
        "inputPath": target.get("InputPath"),
        "roleArn": target.get("RoleArn"),
    }


EVENT_TARGET = Resource(
    kind="aws:cloudwatch/eventTarget:EventTarget",
    service="events",
    create=_put_target,
    read=_read_target,
    update=lambda op, _id, _old, new: _put_target(op, new),
    delete=lambda op, _id, state: op.client().remove_targets(
        Rule=state["rule"], **_bus(state), Ids=[state["targetId"]]
    ),
    implements=inputs(
        "arn deadLetterConfig eventBusName forceDestroy input inputPath retryPolicy roleArn rule sqsTarget targetId"
    ),
)

RESOURCES = (EVENT_RULE, EVENT_TARGET)
