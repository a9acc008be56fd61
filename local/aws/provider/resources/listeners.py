"""Listeners of load balancers, and the targets that stand behind a target group.

Source: the Elastic Load Balancing API reference, version 2015-12-01.
"""

from __future__ import annotations

import zlib
from typing import Any, Final

from botocore.exceptions import ClientError

from local.aws import differences
from local.aws.provider.declaration import Resource, inputs, tag_list
from local.aws.provider.errors import error_code
from local.aws.provider.facts import all_facts
from local.aws.provider.resources.ec2 import given
from local.aws.provider.resources.load_balancing import SERVICE, balancing_tags, tag_balancing
from local.aws.provider.session import Operation
from local.aws.provider.shapes import covers, parameters, properties
from local.aws.provider.wire import Props

_LISTENER: Final = "aws:lb/listener:Listener"
_SECURE: Final = ("HTTPS", "TLS")


def _actions(op: Operation, props: Props) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = parameters(
        op.client(), "CreateListener", "DefaultActions", props["defaultActions"]
    )
    return found


def _request(op: Operation, props: Props) -> dict[str, Any]:
    certificate = props.get("certificateArn")
    return {
        "DefaultActions": _actions(op, props),
        **given(props, Port="port", Protocol="protocol", SslPolicy="sslPolicy"),
        **({"Certificates": [{"CertificateArn": certificate}]} if certificate else {}),
    }


def _send(op: Operation, call: Any, request: dict[str, Any]) -> dict[str, Any]:
    """A certificate of the real account is not here: then the listener goes without (listener-certificate)."""
    try:
        return call(**request)
    except ClientError as error:
        if error_code(error) != "CertificateNotFound":
            raise
        arn = request.pop("Certificates")[0]["CertificateArn"]
        op.tell(f"certificate {arn} is not known here: the listener is made without it")
        return call(**request)


def _create(op: Operation, props: Props) -> str:
    differences.require_free_port(op, props["loadBalancerArn"], props.get("port"))
    request = {
        "LoadBalancerArn": props["loadBalancerArn"],
        "Tags": tag_list(props["tagsAll"]),
        **_request(op, props),
    }
    return str(_send(op, op.client().create_listener, request)["Listeners"][0]["ListenerArn"])


def _read(op: Operation, arn: str, state: Props) -> Props | None:
    [listener] = op.client().describe_listeners(ListenerArns=[arn])["Listeners"]
    certificates: list[dict[str, Any]] = listener.get("Certificates") or []
    actions = state.get("defaultActions")
    if not state or not covers(listener["DefaultActions"], _actions(op, state)):
        facts = all_facts()[_LISTENER]
        actions = [properties(entry, facts, "ListenerDefaultAction") for entry in listener["DefaultActions"]]
    return {
        "arn": arn,
        "loadBalancerArn": listener["LoadBalancerArn"],
        "certificateArn": certificates[0]["CertificateArn"] if certificates else state.get("certificateArn"),
        "defaultActions": actions,
        "port": listener.get("Port"),
        "protocol": listener.get("Protocol"),
        # moto names a policy for plain HTTP as well.
        "sslPolicy": listener.get("SslPolicy") if listener.get("Protocol") in _SECURE else None,
        "tagsAll": balancing_tags(op, arn),
    }


def _update(op: Operation, arn: str, _old: Props, new: Props) -> None:
    _send(op, op.client().modify_listener, {"ListenerArn": arn, **_request(op, new)})


LISTENER = Resource(
    kind=_LISTENER,
    service=SERVICE,
    create=_create,
    read=_read,
    update=_update,
    delete=lambda op, arn, _: op.client().delete_listener(ListenerArn=arn),
    tag=tag_balancing,
    implements=inputs("certificateArn defaultActions loadBalancerArn port protocol sslPolicy"),
)


def _target(props: Props) -> dict[str, Any]:
    return given(props, Id="targetId", Port="port", AvailabilityZone="availabilityZone")


def _register(op: Operation, props: Props) -> str:
    group, target = props["targetGroupArn"], _target(props)
    differences.require_target(op, group, props["targetId"])
    op.client().register_targets(TargetGroupArn=group, Targets=[target])
    return f"{group}-{zlib.crc32(str(sorted(target.items())).encode())}"


def _read_target(op: Operation, _identity: str, state: Props) -> Props | None:
    if not state:
        return None
    # moto leaves out targets that are asked for and not registered, as AWS does not: all are looked at.
    found = op.client().describe_target_health(TargetGroupArn=state["targetGroupArn"])
    for entry in found["TargetHealthDescriptions"]:
        target = entry["Target"]
        if target["Id"] == state["targetId"] and state.get("port") in (None, target.get("Port")):
            return {"targetGroupArn": state["targetGroupArn"], "targetId": target["Id"]}
    return None


def _deregister(op: Operation, identity: str, state: Props) -> None:
    if _read_target(op, identity, state) is not None:
        op.client().deregister_targets(TargetGroupArn=state["targetGroupArn"], Targets=[_target(state)])


TARGET_GROUP_ATTACHMENT = Resource(
    kind="aws:lb/targetGroupAttachment:TargetGroupAttachment",
    service=SERVICE,
    create=_register,
    read=_read_target,
    delete=_deregister,
    implements=inputs("availabilityZone port targetGroupArn targetId"),
)

RESOURCES = (LISTENER, TARGET_GROUP_ATTACHMENT)
