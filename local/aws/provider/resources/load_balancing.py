"""Load balancers and target groups.

Source: the Elastic Load Balancing API reference, version 2015-12-01.
"""

from __future__ import annotations

from typing import Any, Final

from local.aws import differences
from local.aws.provider.check import nested_default
from local.aws.provider.declaration import Resource, inputs, tag_list, tag_map
from local.aws.provider.errors import RefusedError
from local.aws.provider.facts import all_facts
from local.aws.provider.resources.ec2 import as_given, given
from local.aws.provider.session import Operation
from local.aws.provider.wire import Props

SERVICE: Final = "elbv2"


def balancing_tags(op: Operation, arn: str) -> dict[str, str]:
    """Tags of anything in Elastic Load Balancing."""
    found = op.client().describe_tags(ResourceArns=[arn])["TagDescriptions"]
    return tag_map(found[0]["Tags"]) if found else {}


def tag_balancing(op: Operation, arn: str, tags: dict[str, str], removed: list[str]) -> None:
    """Sets and removes tags of anything in Elastic Load Balancing."""
    if removed:
        op.client().remove_tags(ResourceArns=[arn], TagKeys=removed)
    if tags:
        op.client().add_tags(ResourceArns=[arn], Tags=tag_list(tags))


# Load balancer

_ATTRIBUTES: Final = {
    "clientKeepAlive": "client_keep_alive.seconds",
    "desyncMitigationMode": "routing.http.desync_mitigation_mode",
    "dropInvalidHeaderFields": "routing.http.drop_invalid_header_fields.enabled",
    "enableDeletionProtection": "deletion_protection.enabled",
    "enableHttp2": "routing.http2.enabled",
    "idleTimeout": "idle_timeout.timeout_seconds",
    "preserveHostHeader": "routing.http.preserve_host_header.enabled",
}
_OF_EVERY_TYPE: Final = {"enableDeletionProtection"}


def _create_balancer(op: Operation, props: Props) -> str:
    differences.require_free_balancer_name(op, props["name"])
    answer = op.client().create_load_balancer(
        Name=props["name"],
        Scheme="internal" if props.get("internal") else "internet-facing",
        Type=props["loadBalancerType"],
        Tags=tag_list(props["tagsAll"]),
        **given(props, SecurityGroups="securityGroups", Subnets="subnets", IpAddressType="ipAddressType"),
    )
    identity = op.made = str(answer["LoadBalancers"][0]["LoadBalancerArn"])
    _set_attributes(op, identity, {}, props)
    return identity


def _set_attributes(op: Operation, arn: str, old: Props, new: Props) -> None:
    application = new["loadBalancerType"] == "application"
    names = {key: api for key, api in _ATTRIBUTES.items() if application or key in _OF_EVERY_TYPE}
    changed = {
        api: new[key] for key, api in names.items() if new.get(key) is not None and old.get(key) != new[key]
    }
    if changed:
        op.client().modify_load_balancer_attributes(
            LoadBalancerArn=arn,
            Attributes=[{"Key": key, "Value": str(value).lower()} for key, value in changed.items()],
        )


def _attributes(op: Operation, arn: str) -> dict[str, str]:
    found = op.client().describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]
    return {entry["Key"]: entry["Value"] for entry in found}


def _update_balancer(op: Operation, arn: str, old: Props, new: Props) -> None:
    _set_attributes(op, arn, old, new)
    if old.get("securityGroups") != new.get("securityGroups"):
        op.client().set_security_groups(LoadBalancerArn=arn, SecurityGroups=new.get("securityGroups") or [])
    if new.get("ipAddressType") and old.get("ipAddressType") != new["ipAddressType"]:
        op.client().set_ip_address_type(LoadBalancerArn=arn, IpAddressType=new["ipAddressType"])
    if old.get("subnets") != new.get("subnets"):
        op.client().set_subnets(LoadBalancerArn=arn, Subnets=new.get("subnets") or [])


def _read_balancer(op: Operation, arn: str, _state: Props) -> Props | None:
    [balancer] = op.client().describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"]
    attributes = _attributes(op, arn)
    return {
        # An attribute that was never set is not in moto's answer.
        **{key: _typed(attributes.get(api)) for key, api in _ATTRIBUTES.items() if api in attributes},
        "arn": arn,
        "arnSuffix": arn.rsplit(":loadbalancer/", maxsplit=1)[-1],
        "name": balancer["LoadBalancerName"],
        "dnsName": balancer["DNSName"],
        "zoneId": balancer.get("CanonicalHostedZoneId"),
        "vpcId": balancer.get("VpcId"),
        "internal": balancer["Scheme"] == "internal",
        "ipAddressType": balancer.get("IpAddressType"),
        "loadBalancerType": balancer["Type"],
        "securityGroups": sorted(balancer.get("SecurityGroups") or []),
        "subnets": sorted(zone["SubnetId"] for zone in balancer["AvailabilityZones"]),
        "tagsAll": balancing_tags(op, arn),
    }


def _typed(text: str | None) -> str | int | bool | None:
    if text in ("true", "false"):
        return text == "true"
    return int(text) if text and text.isdigit() else text


def _delete_balancer(op: Operation, arn: str, _state: Props) -> None:
    """moto deletes one that is protected, and says nothing about one that is gone (balancer-deletion-protection)."""
    if _attributes(op, arn).get("deletion_protection.enabled") == "true":
        raise RefusedError(
            f"load balancer {arn} has enableDeletionProtection: AWS does not delete it (OperationNotPermitted). Set "
            f"enable_deletion_protection=False, run `pulumi up`, then destroy again"
        )
    op.client().delete_load_balancer(LoadBalancerArn=arn)


LOAD_BALANCER = Resource(
    kind="aws:lb/loadBalancer:LoadBalancer",
    service=SERVICE,
    create=_create_balancer,
    read=_read_balancer,
    update=_update_balancer,
    delete=_delete_balancer,
    tag=tag_balancing,
    implements=inputs("internal ipAddressType loadBalancerType name securityGroups subnets")
    | frozenset(_ATTRIBUTES),
)

# Target group

_TARGET_GROUP: Final = "aws:lb/targetGroup:TargetGroup"
_HEALTH: Final = {
    "enabled": "HealthCheckEnabled",
    "healthyThreshold": "HealthyThresholdCount",
    "interval": "HealthCheckIntervalSeconds",
    "path": "HealthCheckPath",
    "port": "HealthCheckPort",
    "protocol": "HealthCheckProtocol",
    "timeout": "HealthCheckTimeoutSeconds",
    "unhealthyThreshold": "UnhealthyThresholdCount",
}
_GROUP_ATTRIBUTES: Final = {
    "deregistrationDelay": "deregistration_delay.timeout_seconds",
    "loadBalancingAlgorithmType": "load_balancing.algorithm.type",
    "slowStart": "slow_start.duration_seconds",
}


def _health(props: Props) -> dict[str, Any]:
    """A health check with the defaults of AWS's provider, which are not those of the API; {} for none."""
    check: Props | None = props.get("healthCheck")
    if not check:
        return {}
    facts = all_facts()[_TARGET_GROUP]
    for key in _HEALTH:
        default = nested_default(facts, f"healthCheck.{key}")
        check = {key: default, **check} if default is not None else check
    result: dict[str, Any] = {api: check[key] for key, api in _HEALTH.items() if check.get(key) is not None}
    return {**result, "Matcher": {"HttpCode": check["matcher"]}} if check.get("matcher") else result


def _create_group(op: Operation, props: Props) -> str:
    answer = op.client().create_target_group(
        Name=props["name"],
        Tags=tag_list(props["tagsAll"]),
        **given(
            props,
            Port="port",
            Protocol="protocol",
            ProtocolVersion="protocolVersion",
            TargetType="targetType",
            VpcId="vpcId",
        ),
        **_health(props),
    )
    identity = op.made = str(answer["TargetGroups"][0]["TargetGroupArn"])
    _set_group_attributes(op, identity, {}, props)
    return identity


def _set_group_attributes(op: Operation, arn: str, old: Props, new: Props) -> None:
    changed = {
        api: new[key]
        for key, api in _GROUP_ATTRIBUTES.items()
        if new.get(key) is not None and old.get(key) != new[key]
    }
    if changed:
        op.client().modify_target_group_attributes(
            TargetGroupArn=arn,
            Attributes=[{"Key": key, "Value": str(value)} for key, value in changed.items()],
        )


def _update_group(op: Operation, arn: str, old: Props, new: Props) -> None:
    _set_group_attributes(op, arn, old, new)
    if old.get("healthCheck") != new.get("healthCheck") and _health(new):
        op.client().modify_target_group(TargetGroupArn=arn, **_health(new))


def _read_group(op: Operation, arn: str, state: Props) -> Props | None:
    [group] = op.client().describe_target_groups(TargetGroupArns=[arn])["TargetGroups"]
    found = op.client().describe_target_group_attributes(TargetGroupArn=arn)["Attributes"]
    attributes = {entry["Key"]: entry["Value"] for entry in found}
    health = {key: group.get(api) for key, api in _HEALTH.items()}
    health["matcher"] = (group.get("Matcher") or {}).get("HttpCode")
    return {
        **{key: _typed(attributes[api]) for key, api in _GROUP_ATTRIBUTES.items() if api in attributes},
        "arn": arn,
        "arnSuffix": arn.rsplit(":", 1)[-1],
        "name": group["TargetGroupName"],
        "healthCheck": as_given(state.get("healthCheck"), health),
        "ipAddressType": group.get("IpAddressType"),
        "port": group.get("Port"),
        "protocol": group.get("Protocol"),
        "protocolVersion": group.get("ProtocolVersion"),
        "targetType": group.get("TargetType"),
        "vpcId": group.get("VpcId"),
        "loadBalancerArns": group.get("LoadBalancerArns", []),
        "tagsAll": balancing_tags(op, arn),
    }


TARGET_GROUP = Resource(
    kind=_TARGET_GROUP,
    service=SERVICE,
    create=_create_group,
    read=_read_group,
    update=_update_group,
    delete=lambda op, arn, _: op.client().delete_target_group(TargetGroupArn=arn),
    tag=tag_balancing,
    implements=inputs("healthCheck name port protocol protocolVersion targetType vpcId")
    | frozenset(_GROUP_ATTRIBUTES),
)

RESOURCES = (LOAD_BALANCER, TARGET_GROUP)
