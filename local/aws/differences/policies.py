"""Differences that are made good on the way to moto."""

from __future__ import annotations

import json
from typing import Any

_VPC_KEYS = {"aws:sourcevpce", "aws:sourcevpc"}
_SERVICE_LINKED_NAMES = {
    "ec2.application-autoscaling.amazonaws.com": "AWSServiceRoleForApplicationAutoScaling_EC2SpotFleetRequest",
    "spotfleet.amazonaws.com": "AWSServiceRoleForEC2SpotFleet",
    "spot.amazonaws.com": "AWSServiceRoleForEC2Spot",
}


def enforceable_policy(text: str) -> dict[str, Any] | None:
    """The part of a bucket policy that moto evaluates as AWS would (s3-policy-conditions).

    moto ignores conditions: a Deny of everything but TLS would block every object call on plain loopback HTTP, and a
    conditional Allow would admit everybody. So statements with a Condition are left out; but for an Allow that asks for
    nothing but a certain VPC or VPC endpoint, since this machine stands for the inside of the VPC.

    Returns:
        the policy to send, or None when nothing of it is left.
    """
    document = json.loads(text)
    statements = document.get("Statement", [])
    given: list[dict[str, Any]] = statements if isinstance(statements, list) else [statements]
    kept = [
        {key: value for key, value in statement.items() if key != "Condition"}
        for statement in given
        if not statement.get("Condition") or _is_open_to_the_vpc(statement)
    ]
    return {**document, "Statement": kept} if kept else None


def _is_open_to_the_vpc(statement: dict[str, Any]) -> bool:
    asked = {key.lower() for keys in statement["Condition"].values() for key in keys}
    operators = statement["Condition"].keys()
    return statement.get("Effect") == "Allow" and asked <= _VPC_KEYS and operators <= {"StringEquals"}


def service_linked_role_name(service: str, found: str, suffix: str | None) -> str:
    """The name that AWS gives a service-linked role; `found` is moto's (iam-service-linked-name)."""
    name = _SERVICE_LINKED_NAMES.get(service)
    if name is None:
        return found
    return f"{name}_{suffix}" if suffix else name
