"""EC2 instances that stand by themselves: no fleet makes or ends them.

Source: the EC2 API reference; what needs a stopped instance is what AWS's provider stops it for.
"""

from __future__ import annotations

import base64
from typing import Any, Final

from local.aws import differences
from local.aws.provider.declaration import Resource, inputs
from local.aws.provider.errors import RefusedError
from local.aws.provider.resources.ec2 import arn, as_given, ec2_tags, filters, given, only, tag_ec2, tagged
from local.aws.provider.resources.volumes import find_volume, modify_volume
from local.aws.provider.session import Operation
from local.aws.provider.shapes import parameters
from local.aws.provider.wire import Props

_ROOT_DEVICE: Final = "/dev/xvda"
"""Of an image that is not known here: Amazon Linux's."""
_ROOT_GB: Final = 8


def _create(op: Operation, props: Props) -> str:
    client = op.client()
    names = {"encrypted", "iops", "kmsKeyId", "throughput", "volumeSize", "volumeType", "deleteOnTermination"}
    root = {key: value for key, value in (props.get("rootBlockDevice") or {}).items() if key in names}
    request: dict[str, Any] = {
        **given(
            props,
            ImageId="ami",
            InstanceType="instanceType",
            InstanceInitiatedShutdownBehavior="instanceInitiatedShutdownBehavior",
        ),
        **_place(op, props),
    }
    if props.get("metadataOptions"):
        path = "MetadataOptions"
        request[path] = parameters(client, "RunInstances", path, props["metadataOptions"])
    if props.get("iamInstanceProfile"):
        request["IamInstanceProfile"] = {"Name": props["iamInstanceProfile"]}
    if root:
        # moto wants a size (instance-root-size), and deletes the volume with the instance only when told to.
        root = {"volumeSize": _ROOT_GB, "deleteOnTermination": True} | root
        path = "BlockDeviceMappings"
        mapping = {"deviceName": _root_device(op, props["ami"]), "ebs": root}
        request[path] = parameters(client, "RunInstances", path, [mapping])
    text = _user_data(props)
    if text is not None:
        request["UserData"] = text
    answer = client.run_instances(
        MinCount=1,
        MaxCount=1,
        Monitoring={"Enabled": bool(props.get("monitoring"))},
        TagSpecifications=tagged(props, "instance"),
        **request,
    )
    identity = op.made = str(answer["Instances"][0]["InstanceId"])
    for key, api in _FLAGS.items():
        # A call of its own: moto does not see them in RunInstances (instance-flags).
        if props.get(key):
            client.modify_instance_attribute(InstanceId=identity, **{api: {"Value": True}})
    return identity


_FLAGS: Final = {"disableApiTermination": "DisableApiTermination", "disableApiStop": "DisableApiStop"}


def _place(op: Operation, props: Props) -> dict[str, Any]:
    """Where the instance is: on interfaces that exist, or in a subnet."""
    primary: Props | None = props.get("primaryNetworkInterface")
    given_interfaces: list[Props] = props.get("networkInterfaces") or []
    if primary:
        given_interfaces = [{"deviceIndex": 0, **primary}]
    if given_interfaces:
        for entry in given_interfaces:
            differences.require_unattached(op, entry["networkInterfaceId"])
        path = "NetworkInterfaces"
        interfaces = parameters(op.client(), "RunInstances", path, given_interfaces)
        # EC2 starts it where its interface is; moto in its first zone, unless it is told (instance-zone).
        return {path: interfaces, "Placement": {"AvailabilityZone": _zone_of(op, given_interfaces[0])}}
    zone = props.get("availabilityZone")
    placement = {"Placement": {"AvailabilityZone": zone}} if zone else {}
    if not props.get("subnetId"):
        return placement | given(props, SecurityGroupIds="vpcSecurityGroupIds", PrivateIpAddress="privateIp")
    # As an interface: moto would otherwise leave the one it makes behind (instance-interface).
    own = given(props, SubnetId="subnetId", Groups="vpcSecurityGroupIds", PrivateIpAddress="privateIp")
    return placement | {"NetworkInterfaces": [{"DeviceIndex": 0, "DeleteOnTermination": True, **own}]}


def _zone_of(op: Operation, interface: Props) -> str:
    identity = filters(network_interface_id=str(interface["networkInterfaceId"]))
    found = op.client().describe_network_interfaces(Filters=identity)["NetworkInterfaces"]
    [subnet] = op.client().describe_subnets(SubnetIds=[found[0]["SubnetId"]])["Subnets"]
    return str(subnet["AvailabilityZone"])


def _root_device(op: Operation, image: str) -> str:
    found = only(op.client().describe_images(Filters=filters(image_id=image))["Images"])
    return str((found or {}).get("RootDeviceName") or _ROOT_DEVICE)


def _user_data(props: Props) -> bytes | None:
    """As it was before base64, which boto3 does."""
    if props.get("userDataBase64"):
        return base64.b64decode(props["userDataBase64"])
    return props["userData"].encode() if props.get("userData") else None


def _find(op: Operation, identity: str) -> dict[str, Any]:
    """The instance; empty when it is gone, which a terminated one is."""
    found = op.client().describe_instances(Filters=filters(instance_id=identity))["Reservations"]
    instance = only([entry for reservation in found for entry in reservation["Instances"]])
    if instance is None or instance["State"]["Name"] in ("shutting-down", "terminated"):
        return {}
    return instance


def _read(op: Operation, identity: str, state: Props) -> Props | None:
    instance = _find(op, identity)
    if not instance:
        return None
    client = op.client()

    def attribute(name: str) -> Any:
        answer = client.describe_instance_attribute(InstanceId=identity, Attribute=name)
        return answer.get(name[0].upper() + name[1:], {}).get("Value")

    interfaces: list[dict[str, Any]] = instance.get("NetworkInterfaces") or [{}]
    options: dict[str, Any] = instance.get("MetadataOptions") or {}
    metadata = {
        key: options.get(key[0].upper() + key[1:])
        for key in (
            "httpEndpoint", "httpProtocolIpv6", "httpPutResponseHopLimit", "httpTokens", "instanceMetadataTags",
        )
    }  # fmt: skip
    text = attribute("userData") if state.get("userData") or state.get("userDataBase64") else None
    profile = instance.get("IamInstanceProfile", {}).get("Arn")
    return {
        "arn": arn(op, interfaces[0].get("OwnerId") or differences.account(op), f"instance/{identity}"),
        "ami": instance["ImageId"],
        "instanceType": instance["InstanceType"],
        "availabilityZone": instance["Placement"]["AvailabilityZone"],
        "disableApiStop": attribute("disableApiStop"),
        "disableApiTermination": attribute("disableApiTermination"),
        "iamInstanceProfile": profile.rsplit("/", 1)[-1] if profile else None,
        "instanceInitiatedShutdownBehavior": attribute("instanceInitiatedShutdownBehavior"),
        "instanceLifecycle": instance.get("InstanceLifecycle"),
        "instanceState": instance["State"]["Name"],
        "metadataOptions": as_given(state.get("metadataOptions"), metadata),
        "monitoring": instance.get("Monitoring", {}).get("State") == "enabled",
        "privateIp": instance.get("PrivateIpAddress"),
        "privateDns": instance.get("PrivateDnsName"),
        "publicIp": instance.get("PublicIpAddress"),
        "publicDns": instance.get("PublicDnsName"),
        "primaryNetworkInterfaceId": interfaces[0].get("NetworkInterfaceId"),
        "rootBlockDevice": as_given(state.get("rootBlockDevice"), _root(op, instance)),
        "subnetId": instance.get("SubnetId"),
        "vpcSecurityGroupIds": sorted(group["GroupId"] for group in interfaces[0].get("Groups", [])),
        "userData": base64.b64decode(text).decode() if text and state.get("userData") else None,
        "userDataBase64": text if state.get("userDataBase64") else None,
        "tagsAll": ec2_tags(op, identity),
    }


def _root_mapping(instance: dict[str, Any]) -> dict[str, Any]:
    """moto always names /dev/sda1 the root: the first volume of the instance is it."""
    return next((entry["Ebs"] for entry in instance.get("BlockDeviceMappings", []) if "Ebs" in entry), {})


def _root(op: Operation, instance: dict[str, Any]) -> Props:
    mapping = _root_mapping(instance)
    volume = find_volume(op, mapping["VolumeId"]) if mapping else None
    if volume is None:
        return {}
    return {
        "deleteOnTermination": mapping.get("DeleteOnTermination"),
        "encrypted": volume.get("Encrypted"),
        "iops": volume.get("Iops"),
        "throughput": volume.get("Throughput"),
        "volumeSize": volume.get("Size"),
        "volumeType": volume.get("VolumeType"),
    }


def _update(op: Operation, identity: str, old: Props, new: Props) -> None:
    client = op.client()
    changed = {key for key in new.keys() | old.keys() if old.get(key) != new.get(key)}

    def modify(**change: Any) -> None:
        client.modify_instance_attribute(InstanceId=identity, **change)

    for key in changed & _FLAGS.keys():
        modify(**{_FLAGS[key]: {"Value": bool(new.get(key))}})
    if "vpcSecurityGroupIds" in changed and new.get("vpcSecurityGroupIds"):
        modify(Groups=new["vpcSecurityGroupIds"])
    if "instanceInitiatedShutdownBehavior" in changed:
        behaviour = new.get("instanceInitiatedShutdownBehavior") or "stop"
        # By name and value: moto knows no other way.
        modify(Attribute="instanceInitiatedShutdownBehavior", Value=behaviour)
    if "metadataOptions" in changed and new.get("metadataOptions"):
        options = parameters(client, "ModifyInstanceMetadataOptions", "", new["metadataOptions"])
        client.modify_instance_metadata_options(InstanceId=identity, **options)
    if "iamInstanceProfile" in changed:
        _set_profile(op, identity, new.get("iamInstanceProfile"))
    if "rootBlockDevice" in changed:
        before, after = _as_volume(old.get("rootBlockDevice")), _as_volume(new.get("rootBlockDevice"))
        modify_volume(op, _root_mapping(_find(op, identity))["VolumeId"], before, after)
    if changed & {"instanceType", "userData", "userDataBase64"}:
        _restart(op, identity, changed, new)


def _as_volume(root: Props | None) -> Props:
    names = {"volumeSize": "size", "volumeType": "type", "iops": "iops", "throughput": "throughput"}
    return {names[key]: value for key, value in (root or {}).items() if key in names}


def _set_profile(op: Operation, identity: str, profile: str | None) -> None:
    client = op.client()
    only_this = filters(instance_id=identity)
    found = client.describe_iam_instance_profile_associations(Filters=only_this)
    association = only(found["IamInstanceProfileAssociations"])
    if association and profile:
        client.replace_iam_instance_profile_association(
            AssociationId=association["AssociationId"], IamInstanceProfile={"Name": profile}
        )
    elif association:
        client.disassociate_iam_instance_profile(AssociationId=association["AssociationId"])
    elif profile:
        client.associate_iam_instance_profile(InstanceId=identity, IamInstanceProfile={"Name": profile})


def _restart(op: Operation, identity: str, changed: set[str], new: Props) -> None:
    """EC2 changes these on a stopped instance only (instance-running-changes)."""
    client = op.client()
    running = _find(op, identity)["State"]["Name"] == "running"
    if running:
        client.stop_instances(InstanceIds=[identity])
    if "instanceType" in changed:
        client.modify_instance_attribute(InstanceId=identity, InstanceType={"Value": new["instanceType"]})
    if changed & {"userData", "userDataBase64"}:
        # moto takes the base64 text where AWS takes the bytes (instance-user-data).
        text = base64.b64encode(_user_data(new) or b"")
        client.modify_instance_attribute(InstanceId=identity, UserData={"Value": text})
    if running:
        client.start_instances(InstanceIds=[identity])


def _terminate(op: Operation, identity: str, state: Props) -> None:
    client = op.client()
    held = _find(op, identity)
    if not held:
        return
    flag = client.describe_instance_attribute(InstanceId=identity, Attribute="disableApiTermination")
    if flag["DisableApiTermination"]["Value"]:
        if not state.get("forceDestroy"):
            raise RefusedError(
                f"instance {identity} has disableApiTermination: AWS does not end it (OperationNotPermitted). Set "
                f"disable_api_termination=False, or force_destroy=True, run `pulumi up`, then destroy again"
            )
        client.modify_instance_attribute(InstanceId=identity, DisableApiTermination={"Value": False})
    _detach_what_stays(op, identity, held)
    client.terminate_instances(InstanceIds=[identity])


def _detach_what_stays(op: Operation, identity: str, held: dict[str, Any]) -> None:
    """moto deletes no volume that is detached before; EC2 keeps each that is not marked (instance-volumes)."""
    for mapping in held.get("BlockDeviceMappings", []):
        if not mapping.get("Ebs", {}).get("DeleteOnTermination"):
            op.client().detach_volume(VolumeId=mapping["Ebs"]["VolumeId"], InstanceId=identity)


INSTANCE = Resource(
    kind="aws:ec2/instance:Instance",
    service="ec2",
    create=_create,
    read=_read,
    update=_update,
    delete=_terminate,
    tag=tag_ec2,
    implements=inputs(
        "ami availabilityZone disableApiStop disableApiTermination forceDestroy iamInstanceProfile "
        "instanceInitiatedShutdownBehavior instanceType maintenanceOptions metadataOptions monitoring "
        "networkInterfaces primaryNetworkInterface privateIp rootBlockDevice subnetId userData userDataBase64 "
        "userDataReplaceOnChange vpcSecurityGroupIds"
    ),
)

RESOURCES = (INSTANCE,)
