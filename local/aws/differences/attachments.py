"""Refusals that need a look at what is attached where: addresses, interfaces, volumes."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from local.aws.differences.lookups import refused
from local.aws.provider.session import Operation

_KEPT_BY_AWS = (0, 1, 2, 3, -1)
"""Positions in a subnet that AWS keeps for itself (VPC user guide, Subnet CIDR blocks)."""


def account(op: Operation) -> str:
    """The account's id; STS is asked where it has an endpoint."""
    if "sts" not in op.session.endpoints:
        return "123456789012"
    return str(op.client("sts").get_caller_identity()["Account"])


def require_free_addresses(op: Operation, subnet_id: str, addresses: Sequence[str]) -> None:
    """Each address lies in the subnet, is not AWS's own, and belongs to no other interface."""
    if not addresses:
        return
    client = op.client("ec2")
    [subnet] = client.describe_subnets(SubnetIds=[subnet_id])["Subnets"]
    network = ipaddress.ip_network(subnet["CidrBlock"])
    own = {network[position] for position in _KEPT_BY_AWS}
    for address in addresses:
        if ipaddress.ip_address(address) not in network or ipaddress.ip_address(address) in own:
            text = f"address {address} is not free in subnet {subnet_id}, {network} without its first four and its last"
            raise refused("interface-address", text)
    taken = client.describe_network_interfaces(
        Filters=[
            {"Name": "subnet-id", "Values": [subnet_id]},
            {"Name": "addresses.private-ip-address", "Values": list(addresses)},
        ]
    )["NetworkInterfaces"]
    if taken:
        raise refused(
            "interface-address",
            f"address {', '.join(addresses)}: interface {taken[0]['NetworkInterfaceId']} has it already",
        )


def require_unattached(op: Operation, interface_id: str) -> None:
    """A network interface belongs to no instance."""
    client = op.client("ec2")
    found = client.describe_network_interfaces(
        Filters=[{"Name": "network-interface-id", "Values": [interface_id]}]
    )["NetworkInterfaces"]
    holders = [interface.get("Attachment", {}).get("InstanceId") for interface in found]
    # moto leaves an interface with an instance that is terminated: it holds nothing.
    states = ["pending", "running", "stopping", "stopped", "shutting-down"]
    alive = client.describe_instances(
        Filters=[
            {"Name": "instance-id", "Values": [holder for holder in holders if holder]},
            {"Name": "instance-state-name", "Values": states},
        ]
    )["Reservations"]
    if any(holders) and alive:
        raise refused("interface-in-use", f"network interface {interface_id} is in use by {holders[0]}")


def require_attachable(op: Operation, volume_id: str, instance_id: str, device: str) -> None:
    """A volume is free and in the instance's zone, and the instance has nothing else under the device name."""
    client = op.client("ec2")
    [volume] = client.describe_volumes(VolumeIds=[volume_id])["Volumes"]
    found = client.describe_instances(InstanceIds=[instance_id])["Reservations"]
    instance = found[0]["Instances"][0]
    for attachment in volume["Attachments"]:
        raise refused("volume-in-use", f"volume {volume_id} is attached to {attachment['InstanceId']}")
    zone = instance["Placement"]["AvailabilityZone"]
    if volume["AvailabilityZone"] != zone:
        raise refused(
            "volume-zone",
            f"volume {volume_id} is in {volume['AvailabilityZone']}, instance {instance_id} in {zone}",
        )
    if any(entry["DeviceName"] == device for entry in instance.get("BlockDeviceMappings", [])):
        raise refused("volume-in-use", f"instance {instance_id} has a volume as {device} already")


def require_no_smaller_volume(volume_id: str, before: int | None, after: int | None) -> None:
    """A volume does not shrink."""
    if before and after and after < before:
        raise refused("volume-shrink", f"volume {volume_id} has {before} GiB and cannot shrink to {after}")


def require_released(op: Operation, allocation_id: str) -> None:
    """An elastic address is associated with nothing."""
    found = op.client("ec2").describe_addresses(
        Filters=[{"Name": "allocation-id", "Values": [allocation_id]}]
    )["Addresses"]
    holders = [entry for entry in found if entry.get("AssociationId")]
    if holders and _holder_is_there(op, holders[0].get("NetworkInterfaceId")):
        raise refused("address-in-use", f"elastic address {allocation_id} is in use")


def _holder_is_there(op: Operation, interface_id: str | None) -> bool:
    """moto leaves the association behind when the NAT gateway that held it goes."""
    gateways = op.client("ec2").describe_nat_gateways()["NatGateways"]
    return not any(
        entry["State"] == "deleted"
        and any(address.get("NetworkInterfaceId") == interface_id for address in entry["NatGatewayAddresses"])
        for entry in gateways
    )
