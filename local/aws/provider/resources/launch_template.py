"""EC2 launch templates. Any change of a template's data is a new version.

Source: the EC2 API reference, CreateLaunchTemplateVersion.
"""

from __future__ import annotations

import uuid
from typing import Any, Final

from local.aws import differences
from local.aws.provider.declaration import Resource, inputs, tag_list
from local.aws.provider.facts import all_facts, element_type
from local.aws.provider.resources.ec2 import ec2_tags, tag_ec2
from local.aws.provider.session import Operation
from local.aws.provider.shapes import covers, parameters, properties
from local.aws.provider.wire import Props

_TOKEN: Final = "aws:ec2/launchTemplate:LaunchTemplate"  # noqa: S105 - a resource type
_DATA: Final = (
    "blockDeviceMappings", "capacityReservationSpecification", "cpuOptions", "creditSpecification", "disableApiStop",
    "disableApiTermination", "ebsOptimized", "enclaveOptions", "hibernationOptions", "iamInstanceProfile", "imageId",
    "instanceInitiatedShutdownBehavior", "instanceMarketOptions", "instanceRequirements", "instanceType", "kernelId",
    "keyName", "licenseSpecifications", "maintenanceOptions", "metadataOptions", "monitoring", "networkInterfaces",
    "placement", "privateDnsNameOptions", "ramDiskId", "securityGroupNames", "tagSpecifications", "userData",
    "vpcSecurityGroupIds",
)  # fmt: skip
_NAMES: Final = {
    "securityGroupNames": "SecurityGroups",
    "vpcSecurityGroupIds": "SecurityGroupIds",
    "networkInterfaces.securityGroups": "Groups",
    "networkInterfaces.ipv4Addresses": "PrivateIpAddresses",
    "networkInterfaces.ipv4AddressCount": "SecondaryPrivateIpAddressCount",
}


def _data(client: Any, props: Props) -> dict[str, Any]:
    given = {key: props[key] for key in _DATA if props.get(key) not in (None, "", [], {})}
    return parameters(client, "CreateLaunchTemplate", "LaunchTemplateData", given, _NAMES)


def _create(op: Operation, props: Props) -> str:
    client = op.client()
    if props.get("instanceType"):
        differences.require_instance_types(op, {props["instanceType"]}, "template-instance-type")
    answer = client.create_launch_template(
        LaunchTemplateName=props.get("name") or f"{props['namePrefix']}{uuid.uuid4().hex[:26]}",
        LaunchTemplateData=_data(client, props),
        **({"VersionDescription": props["description"]} if props.get("description") else {}),
    )
    identity = op.made = str(answer["LaunchTemplate"]["LaunchTemplateId"])
    # A call of its own: moto would copy tags given on creation into the template's data (template-tag-data).
    if props["tagsAll"]:
        client.create_tags(Resources=[identity], Tags=tag_list(props["tagsAll"]))
    return identity


def _read(op: Operation, identity: str, state: Props) -> Props | None:
    client = op.client()
    found = client.describe_launch_templates(LaunchTemplateIds=[identity])["LaunchTemplates"]
    template = next((entry for entry in found if entry["LaunchTemplateId"] == identity), None)
    if template is None:
        return None
    version = client.describe_launch_template_versions(LaunchTemplateId=identity, Versions=["$Latest"])
    latest = version["LaunchTemplateVersions"][0]
    account = (
        op.client("sts").get_caller_identity()["Account"] if "sts" in op.session.endpoints else "123456789012"
    )
    result: Props = {
        "name": template["LaunchTemplateName"],
        "arn": f"arn:aws:ec2:{op.region}:{account}:launch-template/{identity}",
        "latestVersion": template["LatestVersionNumber"],
        "defaultVersion": template["DefaultVersionNumber"],
        "description": latest.get("VersionDescription") or None,
        "tagsAll": ec2_tags(op, identity),
    }
    data = latest["LaunchTemplateData"]
    if state and covers(data, _data(client, state)):
        return result
    return result | _properties(data)


def _properties(data: dict[str, Any]) -> Props:
    facts = all_facts()[_TOKEN]
    result: Props = {}
    for key in _DATA:
        value = data.get(_NAMES.get(key) or key[0].upper() + key[1:])
        kind = facts.inputs[key].type
        inner = (element_type(kind) or kind).removeprefix("object:")
        if value is None:
            result[key] = None
        elif kind.startswith("list<object:"):
            result[key] = [properties(element, facts, inner, _NAMES, key) for element in value]
        elif kind.startswith("object:"):
            result[key] = properties(value, facts, inner, _NAMES, key)
        else:
            result[key] = str(value).lower() if kind == "string" and isinstance(value, bool) else value
    return result


def _update(op: Operation, identity: str, old: Props, new: Props) -> None:
    client = op.client()
    if _moved(old, new):
        if new.get("instanceType"):
            differences.require_instance_types(op, {new["instanceType"]}, "template-instance-type")
        answer = client.create_launch_template_version(
            LaunchTemplateId=identity,
            LaunchTemplateData=_data(client, new),
            **({"VersionDescription": new["description"]} if new.get("description") else {}),
        )
        if new.get("updateDefaultVersion"):
            number = answer["LaunchTemplateVersion"]["VersionNumber"]
            client.modify_launch_template(LaunchTemplateId=identity, DefaultVersion=str(number))
    if new.get("defaultVersion") and old.get("defaultVersion") != new["defaultVersion"]:
        client.modify_launch_template(LaunchTemplateId=identity, DefaultVersion=str(new["defaultVersion"]))


def _moved(old: Props, new: Props) -> bool:
    return any((old.get(key) or None) != (new.get(key) or None) for key in (*_DATA, "description"))


def _moves(old: Props, new: Props) -> frozenset[str]:
    if not _moved(old, new):
        return frozenset()
    return frozenset(
        {"latestVersion", "defaultVersion"} if new.get("updateDefaultVersion") else {"latestVersion"}
    )


LAUNCH_TEMPLATE = Resource(
    kind=_TOKEN,
    service="ec2",
    create=_create,
    read=_read,
    update=_update,
    delete=lambda op, identity, _: op.client().delete_launch_template(LaunchTemplateId=identity),
    tag=tag_ec2,
    implements=inputs("name namePrefix description defaultVersion updateDefaultVersion") | frozenset(_DATA),
    moves=_moves,
)

RESOURCES = (LAUNCH_TEMPLATE,)
