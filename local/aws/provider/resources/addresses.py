"""Elastic addresses, NAT gateways, and the default security group of a VPC.

Source: the EC2 API reference.
"""

from __future__ import annotations

from typing import Any

from local.aws import differences
from local.aws.provider.declaration import Resource, inputs
from local.aws.provider.errors import RefusedError
from local.aws.provider.resources.ec2 import arn, ec2_tags, filters, given, only, tag_ec2, tagged
from local.aws.provider.resources.security_groups import read_group, set_rules
from local.aws.provider.session import Operation
from local.aws.provider.wire import Props

# Elastic address


def _create_address(op: Operation, props: Props) -> str:
    answer = op.client().allocate_address(Domain="vpc", TagSpecifications=tagged(props, "elastic-ip"))
    return str(answer["AllocationId"])


def _read_address(op: Operation, identity: str, _state: Props) -> Props | None:
    address = only(op.client().describe_addresses(Filters=filters(allocation_id=identity))["Addresses"])
    if address is None:
        return None
    return {
        "arn": arn(op, differences.account(op), f"elastic-ip/{identity}"),
        "allocationId": identity,
        "domain": address.get("Domain", "vpc"),
        "publicIp": address["PublicIp"],
        "associationId": address.get("AssociationId"),
        "networkInterface": address.get("NetworkInterfaceId"),
        "privateIp": address.get("PrivateIpAddress"),
        "publicDns": _public_name(op, address["PublicIp"]),
        "tagsAll": ec2_tags(op, identity),
    }


def _public_name(op: Operation, address: str) -> str:
    zone = "compute-1" if op.region == "us-east-1" else f"{op.region}.compute"
    return f"ec2-{address.replace('.', '-')}.{zone}.amazonaws.com"


def _release(op: Operation, identity: str, _state: Props) -> None:
    differences.require_released(op, identity)
    op.client().release_address(AllocationId=identity)


EIP = Resource(
    kind="aws:ec2/eip:Eip",
    service="ec2",
    create=_create_address,
    read=_read_address,
    delete=_release,
    tag=tag_ec2,
    implements=inputs("domain"),
)

# NAT gateway


def _create_nat(op: Operation, props: Props) -> str:
    if props.get("allocationId"):
        differences.require_released(op, props["allocationId"])
    answer = op.client().create_nat_gateway(
        TagSpecifications=tagged(props, "natgateway"),
        **given(props, SubnetId="subnetId", AllocationId="allocationId", ConnectivityType="connectivityType"),
    )
    return str(answer["NatGateway"]["NatGatewayId"])


def _read_nat(op: Operation, identity: str, _state: Props) -> Props | None:
    found = op.client().describe_nat_gateways(Filters=filters(nat_gateway_id=identity))["NatGateways"]
    gateway = only([entry for entry in found if entry["State"] not in ("deleting", "deleted")])
    if gateway is None:
        return None
    address: dict[str, Any] = (gateway.get("NatGatewayAddresses") or [{}])[0]
    return {
        "subnetId": gateway["SubnetId"],
        "vpcId": gateway["VpcId"],
        "connectivityType": gateway.get("ConnectivityType", "public"),
        "allocationId": address.get("AllocationId"),
        "publicIp": address.get("PublicIp"),
        "privateIp": address.get("PrivateIp"),
        "associationId": address.get("AssociationId"),
        "networkInterfaceId": address.get("NetworkInterfaceId"),
        "tagsAll": ec2_tags(op, identity),
    }


NAT_GATEWAY = Resource(
    kind="aws:ec2/natGateway:NatGateway",
    service="ec2",
    create=_create_nat,
    read=_read_nat,
    delete=lambda op, identity, _: op.client().delete_nat_gateway(NatGatewayId=identity),
    tag=tag_ec2,
    implements=inputs("allocationId connectivityType subnetId"),
)

# Default security group


def _take_default_group(op: Operation, props: Props) -> str:
    client = op.client()
    found = client.describe_security_groups(Filters=filters(vpc_id=props["vpcId"], group_name="default"))
    group = only(found["SecurityGroups"])
    if group is None:
        raise RefusedError(f"VPC {props['vpcId']} has no default security group")
    identity = str(group["GroupId"])
    if group.get("IpPermissions"):
        client.revoke_security_group_ingress(GroupId=identity, IpPermissions=group["IpPermissions"])
    if group.get("IpPermissionsEgress"):
        client.revoke_security_group_egress(GroupId=identity, IpPermissions=group["IpPermissionsEgress"])
    set_rules(op, identity, {}, props)
    tag_ec2(op, identity, props["tagsAll"], [])
    return identity


def _read_default_group(op: Operation, identity: str, state: Props) -> Props | None:
    found = read_group(op, identity, state)
    # On AWS every rule counts, also one that somebody else adds: here only those named are looked at, or that any is.
    for direction, key in (("ingress", "IpPermissions"), ("egress", "IpPermissionsEgress")):
        if found is not None and not state.get(direction):
            groups = op.client().describe_security_groups(GroupIds=[identity])["SecurityGroups"]
            found[direction] = [_as_rule(entry) for entry in groups[0].get(key, [])]
    return found


def _as_rule(permission: dict[str, Any]) -> Props:
    return {
        "protocol": permission["IpProtocol"],
        "fromPort": permission.get("FromPort", 0),
        "toPort": permission.get("ToPort", 0),
        "cidrBlocks": [entry["CidrIp"] for entry in permission.get("IpRanges", [])],
        "ipv6CidrBlocks": [entry["CidrIpv6"] for entry in permission.get("Ipv6Ranges", [])],
        "securityGroups": [entry["GroupId"] for entry in permission.get("UserIdGroupPairs", [])],
    }


def _leave_default_group(_op: Operation, _identity: str, _state: Props) -> None:
    """Nothing: it goes with its VPC, and cannot go before."""


DEFAULT_SECURITY_GROUP = Resource(
    kind="aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
    service="ec2",
    create=_take_default_group,
    read=_read_default_group,
    update=set_rules,
    delete=_leave_default_group,
    tag=tag_ec2,
    implements=inputs("egress ingress revokeRulesOnDelete vpcId"),
)

RESOURCES = (EIP, NAT_GATEWAY, DEFAULT_SECURITY_GROUP)
