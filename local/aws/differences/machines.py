"""Refusals for instances, volumes, network interfaces and addresses, from the inputs alone."""

from __future__ import annotations

import base64
import binascii
import ipaddress
from collections.abc import Iterator
from typing import Final

from local.aws.differences.rules import Rule, known, one_of, within
from local.aws.provider.check import Problem
from local.aws.provider.wire import Props

_USER_DATA_LIMIT: Final = 16 * 1024
_VOLUME_TYPES: Final = ("standard", "io1", "io2", "gp2", "gp3", "sc1", "st1")


def _user_data(inputs: Props) -> Iterator[Problem]:
    text, encoded = known(inputs, "userData"), known(inputs, "userDataBase64")
    size = len(text.encode()) if isinstance(text, str) else 0
    if isinstance(encoded, str):
        try:
            size = len(base64.b64decode(encoded, validate=True))
        except (binascii.Error, ValueError):
            yield Problem("userDataBase64", "must be base64")
            return
    if size > _USER_DATA_LIMIT:
        key = "userData" if text else "userDataBase64"
        yield Problem(
            key, f"{size} bytes before encoding: EC2 takes {_USER_DATA_LIMIT}. Fetch the rest at boot"
        )


def _needs(inputs: Props) -> Iterator[Problem]:
    for key in ("ami", "instanceType"):
        if not inputs.get(key) and not inputs.get("launchTemplate"):
            yield Problem(key, "an instance needs it")


def _interfaces(inputs: Props) -> Iterator[Problem]:
    given = [key for key in ("primaryNetworkInterface", "networkInterfaces") if inputs.get(key)]
    if len(given) > 1:
        yield Problem("networkInterfaces", "does not go with primaryNetworkInterface")
    for key in ("subnetId", "vpcSecurityGroupIds", "privateIp"):
        if given and inputs.get(key):
            yield Problem(key, f"belongs to the network interface, which {given[0]} names")
    listed = known(inputs, "networkInterfaces")
    if isinstance(listed, list) and listed and not any(each.get("deviceIndex") == 0 for each in listed):
        yield Problem("networkInterfaces", "one of them has deviceIndex 0")


def _options(inputs: Props) -> Iterator[Problem]:
    yield from one_of(inputs, "metadataOptions.httpTokens", "required", "optional")
    for key in ("httpEndpoint", "httpProtocolIpv6", "instanceMetadataTags"):
        yield from one_of(inputs, f"metadataOptions.{key}", "enabled", "disabled")
    yield from within(inputs, "metadataOptions.httpPutResponseHopLimit", 1, 64, "hops")
    yield from one_of(inputs, "maintenanceOptions.autoRecovery", "default", "disabled")
    yield from one_of(inputs, "instanceInitiatedShutdownBehavior", "stop", "terminate")
    yield from one_of(inputs, "rootBlockDevice.volumeType", *_VOLUME_TYPES)


def _volume(inputs: Props) -> Iterator[Problem]:
    yield from one_of(inputs, "type", *_VOLUME_TYPES)
    if not inputs.get("size") and not inputs.get("snapshotId"):
        yield Problem("size", "a volume needs size, or snapshotId to take it from")
    kind = known(inputs, "type")
    if kind == "gp3":
        yield from within(inputs, "size", 1, 65_536, "GiB")
        yield from within(inputs, "iops", 3_000, 80_000)
        yield from within(inputs, "throughput", 125, 2_000, "MiB/s")
    elif inputs.get("throughput"):
        yield Problem("throughput", "goes with type gp3 only")


def _addresses(inputs: Props) -> Iterator[Problem]:
    addresses = known(inputs, "privateIps")
    for address in addresses if isinstance(addresses, list) else []:
        try:
            ipaddress.IPv4Address(str(address))
        except ValueError:
            yield Problem("privateIps", f"{address} is no IPv4 address")


def _nat(inputs: Props) -> Iterator[Problem]:
    yield from one_of(inputs, "connectivityType", "public", "private")
    public = known(inputs, "connectivityType") == "public"
    if public and not inputs.get("allocationId"):
        yield Problem("allocationId", "a public NAT gateway needs an elastic address")
    if not inputs.get("subnetId"):
        yield Problem("subnetId", "a NAT gateway stands in a subnet")


RULES: Final[dict[str, tuple[Rule, ...]]] = {
    "aws:ec2/instance:Instance": (
        Rule("instance-needs", _needs),
        Rule("instance-user-data-limit", _user_data),
        Rule("instance-two-networks", _interfaces),
        Rule("instance-options", _options),
    ),
    "aws:ebs/volume:Volume": (Rule("volume-values", _volume),),
    "aws:ec2/networkInterface:NetworkInterface": (Rule("interface-address", _addresses),),
    "aws:ec2/natGateway:NatGateway": (Rule("nat-needs", _nat),),
}
