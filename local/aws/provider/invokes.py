"""Functions of pulumi_aws that read data."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import botocore.exceptions

from local.aws.provider.errors import ProviderError, is_gone
from local.aws.provider.policy_document import policy_document
from local.aws.provider.session import Session
from local.aws.provider.wire import Props


class NothingFound(Exception):  # noqa: N818 - the answer to a question, not a fault
    """The data does not exist; shown as a failure of the call."""


def invoke(session: Session, token: str, args: Props) -> Props:
    """The outputs of a function; an input that was given comes back as an output.

    Raises:
        NothingFound: no data matches.
        ProviderError: the local provider does not implement the function.
    """
    function = _FUNCTIONS.get(token)
    if function is None:
        known = ", ".join(sorted(name.rsplit(":", 1)[-1] for name in _FUNCTIONS))
        raise ProviderError(
            f"the local aws provider does not implement the function {token}; it implements {known}. Add it to "
            f"local/aws/provider/invokes.py, or read the value from stack configuration"
        )
    return {**args, **function(session, args)}


def _caller_identity(session: Session, _args: Props) -> Props:
    found = session.client("sts").get_caller_identity()
    account = found["Account"]
    return {"accountId": account, "arn": found["Arn"], "userId": found["UserId"], "id": account}


def _region(session: Session, args: Props) -> Props:
    region = args.get("region") or args.get("name") or session.region
    return {
        "region": region,
        "name": region,
        "id": region,
        "description": region,
        "endpoint": f"ec2.{region}.amazonaws.com",
    }


def _partition(_session: Session, _args: Props) -> Props:
    return {
        "partition": "aws",
        "dnsSuffix": "amazonaws.com",
        "reverseDnsPrefix": "com.amazonaws",
        "id": "aws",
    }


def _filters(args: Props, extra: dict[str, str | None] | None = None) -> list[dict[str, Any]]:
    filters = [{"Name": entry["name"], "Values": entry["values"]} for entry in args.get("filters") or []]
    filters += [{"Name": f"tag:{key}", "Values": [value]} for key, value in (args.get("tags") or {}).items()]
    filters += [{"Name": name, "Values": [value]} for name, value in (extra or {}).items() if value]
    return filters


def _availability_zones(session: Session, args: Props) -> Props:
    region = args.get("region") or session.region
    found = session.client("ec2", region).describe_availability_zones(
        Filters=_filters(args, {"state": args.get("state")})
    )
    zones = [
        zone
        for zone in sorted(found["AvailabilityZones"], key=lambda zone: zone["ZoneName"])
        if zone["ZoneName"] not in (args.get("excludeNames") or [])
        and zone.get("ZoneId") not in (args.get("excludeZoneIds") or [])
    ]
    return {
        "names": [zone["ZoneName"] for zone in zones],
        "zoneIds": [zone.get("ZoneId", "") for zone in zones],
        "groupNames": sorted({zone.get("GroupName") or region for zone in zones}),
        "id": region,
        "region": region,
    }


_IMAGE: Final = (
    "Architecture", "BootMode", "CreationDate", "DeprecationTime", "Description", "EnaSupport", "Hypervisor", "ImageId",
    "ImageLocation", "ImageOwnerAlias", "ImageType", "ImdsSupport", "KernelId", "Name", "OwnerId", "Platform",
    "PlatformDetails", "Public", "RamdiskId", "RootDeviceName", "RootDeviceType", "SriovNetSupport", "State",
    "TpmSupport", "UsageOperation", "VirtualizationType",
)  # fmt: skip


def _ami(session: Session, args: Props) -> Props:
    region = args.get("region") or session.region
    request: dict[str, Any] = {"Filters": _filters(args)}
    if args.get("owners"):
        request["Owners"] = args["owners"]
    images = session.client("ec2", region).describe_images(**request)["Images"]
    if args.get("nameRegex"):
        images = [image for image in images if re.search(args["nameRegex"], image.get("Name", ""))]
    if not images:
        raise NothingFound(
            "aws.ec2.get_ami: no image matches; name one that the local EC2 has, such as al2023-ami-2023*"
        )
    if len(images) > 1 and not args.get("mostRecent"):
        raise NothingFound(
            f"aws.ec2.get_ami: {len(images)} images match; narrow the filters, or set most_recent"
        )
    image = max(images, key=lambda image: str(image.get("CreationDate", "")))
    outputs: Props = {
        name[0].lower() + name[1:]: image[name] for name in _IMAGE if image.get(name) is not None
    }
    return {
        **outputs,
        "id": image["ImageId"],
        "arn": f"arn:aws:ec2:{region}::image/{image['ImageId']}",
        "blockDeviceMappings": [],
        "productCodes": [],
        "stateReason": {},
        "tags": {tag["Key"]: tag["Value"] for tag in image.get("Tags", [])},
        "region": region,
    }


def _ssm_parameter(session: Session, args: Props) -> Props:
    region = args.get("region") or session.region
    decrypt = args.get("withDecryption", True)
    try:
        found = session.client("ssm", region).get_parameter(Name=args["name"], WithDecryption=bool(decrypt))[
            "Parameter"
        ]
    except botocore.exceptions.ClientError as error:
        if is_gone(error):
            raise NothingFound(f"aws.ssm.get_parameter: there is no parameter {args['name']}") from error
        raise
    return {
        "name": found["Name"],
        "arn": found["ARN"],
        "type": found["Type"],
        "value": found["Value"],
        "insecureValue": found["Value"] if found["Type"] != "SecureString" else None,
        "version": found["Version"],
        "withDecryption": decrypt,
        "id": found["Name"],
        "region": region,
    }


def _vpc(session: Session, args: Props) -> Props:
    region = args.get("region") or session.region
    client = session.client("ec2", region)
    default = None if args.get("default") is None else str(args["default"]).lower()
    wanted = {
        "vpc-id": args.get("id"),
        "cidr": args.get("cidrBlock"),
        "isDefault": default,
        "state": args.get("state"),
    }
    found = client.describe_vpcs(Filters=_filters(args, wanted))["Vpcs"]
    if len(found) != 1:
        raise NothingFound(f"aws.ec2.get_vpc: {len(found)} VPCs match, and it must be one")
    [vpc] = found
    identity = vpc["VpcId"]
    tables = client.describe_route_tables(
        Filters=[{"Name": "vpc-id", "Values": [identity]}, {"Name": "association.main", "Values": ["true"]}]
    )["RouteTables"]

    def attribute(name: str, api: str) -> bool:
        return bool(client.describe_vpc_attribute(VpcId=identity, Attribute=name)[api]["Value"])

    return {
        "id": identity,
        "arn": f"arn:aws:ec2:{region}:{vpc['OwnerId']}:vpc/{identity}",
        "cidrBlock": vpc["CidrBlock"],
        "cidrBlockAssociations": [],
        "default": vpc["IsDefault"],
        "dhcpOptionsId": vpc.get("DhcpOptionsId", ""),
        "enableDnsHostnames": attribute("enableDnsHostnames", "EnableDnsHostnames"),
        "enableDnsSupport": attribute("enableDnsSupport", "EnableDnsSupport"),
        "instanceTenancy": vpc["InstanceTenancy"],
        "mainRouteTableId": tables[0]["RouteTableId"] if tables else "",
        "ownerId": vpc["OwnerId"],
        "state": vpc["State"],
        "tags": {tag["Key"]: tag["Value"] for tag in vpc.get("Tags", [])},
        "region": region,
    }


def _subnets(session: Session, args: Props) -> Props:
    region = args.get("region") or session.region
    found = session.client("ec2", region).describe_subnets(Filters=_filters(args))["Subnets"]
    return {"ids": sorted(subnet["SubnetId"] for subnet in found), "id": region, "region": region}


def _service_principal(session: Session, args: Props) -> Props:
    region = args.get("region") or session.region
    name = f"{args['serviceName']}.amazonaws.com"
    return {
        "name": name,
        "id": f"{args['serviceName']}.{region}.amazonaws.com",
        "suffix": "amazonaws.com",
        "region": region,
    }


_FUNCTIONS: Final[dict[str, Callable[[Session, Props], Props]]] = {
    "aws:index/getCallerIdentity:getCallerIdentity": _caller_identity,
    "aws:index/getRegion:getRegion": _region,
    "aws:index/getPartition:getPartition": _partition,
    "aws:index/getAvailabilityZones:getAvailabilityZones": _availability_zones,
    "aws:index/getServicePrincipal:getServicePrincipal": _service_principal,
    "aws:ec2/getAmi:getAmi": _ami,
    "aws:ec2/getVpc:getVpc": _vpc,
    "aws:ec2/getSubnets:getSubnets": _subnets,
    "aws:ssm/getParameter:getParameter": _ssm_parameter,
    "aws:iam/getPolicyDocument:getPolicyDocument": lambda _session, args: policy_document(args),
}
