"""EC2 network interfaces that outlive the instances they are attached to.

Source: the EC2 API reference.
"""

from __future__ import annotations

from typing import Any

from local.aws import differences
from local.aws.provider.declaration import Resource, inputs
from local.aws.provider.resources.ec2 import arn, ec2_tags, filters, given, only, tag_ec2, tagged
from local.aws.provider.session import Operation
from local.aws.provider.wire import Props


def _create(op: Operation, props: Props) -> str:
    wanted: list[str] = props.get("privateIps") or ([props["privateIp"]] if props.get("privateIp") else [])
    differences.require_free_addresses(op, props["subnetId"], wanted)
    addresses = [{"PrivateIpAddress": ip, "Primary": n == 0} for n, ip in enumerate(wanted)]
    answer = op.client().create_network_interface(
        SubnetId=props["subnetId"],
        TagSpecifications=tagged(props, "network-interface"),
        **({"PrivateIpAddress": wanted[0]} if len(wanted) == 1 else {}),
        **({"PrivateIpAddresses": addresses} if len(wanted) > 1 else {}),
        **given(props, Description="description", Groups="securityGroups"),
    )
    identity = op.made = str(answer["NetworkInterface"]["NetworkInterfaceId"])
    if not props["sourceDestCheck"]:
        _modify(op, identity, SourceDestCheck={"Value": False})
    return identity


def _modify(op: Operation, identity: str, **change: Any) -> None:
    op.client().modify_network_interface_attribute(NetworkInterfaceId=identity, **change)


def _read(op: Operation, identity: str, _state: Props) -> Props | None:
    found = op.client().describe_network_interfaces(Filters=filters(network_interface_id=identity))
    interface = only(found["NetworkInterfaces"])
    if interface is None:
        return None
    addresses = [entry["PrivateIpAddress"] for entry in interface.get("PrivateIpAddresses", [])]
    return {
        "arn": arn(op, interface["OwnerId"], f"network-interface/{identity}"),
        "ownerId": interface["OwnerId"],
        "subnetId": interface["SubnetId"],
        "description": interface.get("Description") or None,
        "interfaceType": interface.get("InterfaceType", "interface"),
        "privateIp": interface["PrivateIpAddress"],
        "privateIps": addresses or [interface["PrivateIpAddress"]],
        "privateIpLists": addresses or [interface["PrivateIpAddress"]],
        "privateIpsCount": max(len(addresses) - 1, 0),
        "securityGroups": sorted(group["GroupId"] for group in interface.get("Groups", [])),
        "sourceDestCheck": interface.get("SourceDestCheck", True),
        "macAddress": interface.get("MacAddress"),
        "privateDnsName": interface.get("PrivateDnsName"),
        "tagsAll": ec2_tags(op, identity),
    }


def _update(op: Operation, identity: str, old: Props, new: Props) -> None:
    if old.get("securityGroups") != new.get("securityGroups") and new.get("securityGroups"):
        _modify(op, identity, Groups=new["securityGroups"])
    if old.get("description") != new.get("description"):
        _modify(op, identity, Description={"Value": new.get("description") or ""})
    if bool(old["sourceDestCheck"]) != bool(new["sourceDestCheck"]):
        _modify(op, identity, SourceDestCheck={"Value": bool(new["sourceDestCheck"])})
    before, after = old.get("privateIps") or [], new.get("privateIps") or []
    removed, added = [ip for ip in before if ip not in after], [ip for ip in after if ip not in before]
    if removed and after:
        op.client().unassign_private_ip_addresses(NetworkInterfaceId=identity, PrivateIpAddresses=removed)
    if added:
        differences.require_free_addresses(op, new["subnetId"], added)
        op.client().assign_private_ip_addresses(NetworkInterfaceId=identity, PrivateIpAddresses=added)


def _delete(op: Operation, identity: str, _state: Props) -> None:
    differences.require_unattached(op, identity)
    op.client().delete_network_interface(NetworkInterfaceId=identity)


NETWORK_INTERFACE = Resource(
    kind="aws:ec2/networkInterface:NetworkInterface",
    service="ec2",
    create=_create,
    read=_read,
    update=_update,
    delete=_delete,
    tag=tag_ec2,
    implements=inputs("description privateIp privateIps securityGroups sourceDestCheck subnetId"),
)

RESOURCES = (NETWORK_INTERFACE,)
