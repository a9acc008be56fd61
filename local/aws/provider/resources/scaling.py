"""Application Auto Scaling: targets, policies, scheduled actions.

Source: the Application Auto Scaling API reference.
"""

from __future__ import annotations

from typing import Any, Final

from local.aws import differences
from local.aws.provider.declaration import Resource, inputs
from local.aws.provider.facts import all_facts
from local.aws.provider.session import Operation
from local.aws.provider.shapes import covers, parameters, properties
from local.aws.provider.wire import Props

_SERVICE: Final = "application-autoscaling"
_IDS: Final = {
    "serviceNamespace": "ServiceNamespace",
    "resourceId": "ResourceId",
    "scalableDimension": "ScalableDimension",
}


def _ids(props: Props) -> dict[str, str]:
    return {api: props[key] for key, api in _IDS.items()}


def _find_target(op: Operation, props: Props) -> dict[str, Any] | None:
    found = op.client().describe_scalable_targets(
        ServiceNamespace=props["serviceNamespace"],
        ResourceIds=[props["resourceId"]],
        ScalableDimension=props["scalableDimension"],
    )["ScalableTargets"]
    return next(
        (target for target in found if all(target[api] == props[key] for key, api in _IDS.items())), None
    )


def _register(op: Operation, props: Props) -> str:
    differences.require_fleet(op, props["resourceId"])
    request: dict[str, Any] = {"MinCapacity": props["minCapacity"], "MaxCapacity": props["maxCapacity"]}
    if props.get("roleArn"):
        request["RoleARN"] = props["roleArn"]
    if props.get("suspendedState"):
        request["SuspendedState"] = parameters(
            op.client(), "RegisterScalableTarget", "SuspendedState", props["suspendedState"]
        )
    if props.get("tagsAll"):
        request["Tags"] = props["tagsAll"]
    op.client().register_scalable_target(**_ids(props), **request)
    return str(props["resourceId"])


def _read_target(op: Operation, identity: str, state: Props) -> Props | None:
    if not state:
        kind = identity.partition("/")[0]
        known = {"spot-fleet-request": ("ec2", "ec2:spot-fleet-request:TargetCapacity")}
        namespace, dimension = known[kind]
        state = {"serviceNamespace": namespace, "resourceId": identity, "scalableDimension": dimension}
    target = _find_target(op, state)
    if target is None:
        return None
    return {
        **{key: target[api] for key, api in _IDS.items()},
        "minCapacity": target["MinCapacity"],
        "maxCapacity": target["MaxCapacity"],
        "roleArn": target.get("RoleARN"),
        "arn": target.get("ScalableTargetARN"),
        # moto keeps no tags of targets: what the program gave is all there is.
        **({"tagsAll": state["tagsAll"]} if "tagsAll" in state else {}),
    }


def _deregister(op: Operation, _identity: str, state: Props) -> None:
    if _find_target(op, state) is None:
        return
    # AWS deletes a target's policies with it, moto keeps them (scaling-deregister).
    for policy in _policies(op, state):
        op.client().delete_scaling_policy(PolicyName=policy["PolicyName"], **_ids(state))
    op.client().deregister_scalable_target(**_ids(state))


TARGET = Resource(
    kind="aws:appautoscaling/target:Target",
    service=_SERVICE,
    create=_register,
    read=_read_target,
    update=lambda op, _id, _old, new: _register(op, new),
    delete=_deregister,
    implements=inputs(
        "maxCapacity minCapacity resourceId scalableDimension serviceNamespace roleArn suspendedState"
    ),
)


def _policies(op: Operation, props: Props) -> list[dict[str, Any]]:
    # moto ignores the filter by name, and may ignore others: compare what came back (scaling-policy-names).
    found: list[dict[str, Any]] = []
    pages = op.client().get_paginator("describe_scaling_policies").paginate(**_ids(props))
    for page in pages:
        found += [
            entry
            for entry in page["ScalingPolicies"]
            if all(entry[api] == props[key] for key, api in _IDS.items())
        ]
    return found


_POLICY: Final = "aws:appautoscaling/policy:Policy"
_CONFIGS: Final = ("stepScalingPolicyConfiguration", "targetTrackingScalingPolicyConfiguration")


def _policy_configs(op: Operation, props: Props) -> dict[str, Any]:
    configs = {key: props[key] for key in _CONFIGS if props.get(key)}
    return parameters(op.client(), "PutScalingPolicy", "", configs, {})


def _put_policy(op: Operation, props: Props) -> str:
    differences.require_scalable_target(_find_target(op, props), props)
    op.client().put_scaling_policy(
        PolicyName=props["name"], PolicyType=props["policyType"], **_ids(props), **_policy_configs(op, props)
    )
    return str(props["name"])


def _read_policy(op: Operation, name: str, state: Props) -> Props | None:
    entry = (
        next((entry for entry in _policies(op, state) if entry["PolicyName"] == name), None)
        if state
        else None
    )
    if entry is None:
        return None
    found: Props = {
        "name": name,
        **{key: entry[api] for key, api in _IDS.items()},
        "arn": entry["PolicyARN"],
        "policyType": entry["PolicyType"],
        "alarmArns": [alarm["AlarmARN"] for alarm in entry.get("Alarms", [])],
    }
    facts = all_facts()[_POLICY]
    sent = _policy_configs(op, state)
    for key in _CONFIGS:
        api = key[0].upper() + key[1:]
        if entry.get(api) is None:
            found[key] = None
        elif not covers(entry[api], sent.get(api)):
            object_name = facts.inputs[key].type.removeprefix("object:")
            found[key] = properties(entry[api], facts, object_name, {}, key)
    return found


def _delete_policy(op: Operation, name: str, state: Props) -> None:
    if any(entry["PolicyName"] == name for entry in _policies(op, state)):
        op.client().delete_scaling_policy(PolicyName=name, **_ids(state))


POLICY = Resource(
    kind=_POLICY,
    service=_SERVICE,
    create=_put_policy,
    read=_read_policy,
    update=lambda op, _id, _old, new: _put_policy(op, new),
    delete=_delete_policy,
    implements=inputs("name policyType resourceId scalableDimension serviceNamespace") | frozenset(_CONFIGS),
)


def _put_schedule(op: Operation, props: Props) -> str:
    differences.require_scalable_target(_find_target(op, props), props)
    request: dict[str, Any] = {
        "ScheduledActionName": props["name"],
        "Schedule": props["schedule"],
        "Timezone": props["timezone"],
        "ScalableTargetAction": parameters(
            op.client(), "PutScheduledAction", "ScalableTargetAction", props["scalableTargetAction"]
        ),
    }
    request |= {key[0].upper() + key[1:]: props[key] for key in ("startTime", "endTime") if props.get(key)}
    op.client().put_scheduled_action(**_ids(props), **request)
    return f"{props['name']}-{props['serviceNamespace']}-{props['resourceId']}"


def _find_schedule(op: Operation, state: Props) -> dict[str, Any] | None:
    found = op.client().describe_scheduled_actions(
        ServiceNamespace=state["serviceNamespace"], ResourceId=state["resourceId"]
    )["ScheduledActions"]
    return next((entry for entry in found if entry["ScheduledActionName"] == state["name"]), None)


def _read_schedule(op: Operation, _identity: str, state: Props) -> Props | None:
    entry = _find_schedule(op, state) if state else None
    if entry is None:
        return None
    action = entry.get("ScalableTargetAction", {})
    return {
        "name": entry["ScheduledActionName"],
        "arn": entry["ScheduledActionARN"],
        "schedule": entry["Schedule"],
        "timezone": entry.get("Timezone") or "UTC",
        "scalableTargetAction": {
            key: action[api]
            for key, api in (("maxCapacity", "MaxCapacity"), ("minCapacity", "MinCapacity"))
            if action.get(api) is not None
        },
    }


def _delete_schedule(op: Operation, _identity: str, state: Props) -> None:
    if _find_schedule(op, state) is not None:
        op.client().delete_scheduled_action(ScheduledActionName=state["name"], **_ids(state))


SCHEDULED_ACTION = Resource(
    kind="aws:appautoscaling/scheduledAction:ScheduledAction",
    service=_SERVICE,
    create=_put_schedule,
    read=_read_schedule,
    update=lambda op, _id, _old, new: _put_schedule(op, new),
    delete=_delete_schedule,
    implements=inputs(
        "name resourceId scalableDimension scalableTargetAction schedule serviceNamespace endTime startTime timezone"
    ),
)

RESOURCES = (TARGET, POLICY, SCHEDULED_ACTION)
