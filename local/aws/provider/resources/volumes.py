"""EBS volumes, and which instance they are attached to.

Source: the EC2 API reference.
"""

from __future__ import annotations

import zlib
from typing import Any

from local.aws import differences
from local.aws.provider.declaration import Resource, inputs
from local.aws.provider.resources.ec2 import arn, ec2_tags, filters, given, only, tag_ec2, tagged
from local.aws.provider.session import Operation
from local.aws.provider.wire import Props

_CHANGING = {"iops": "Iops", "size": "Size", "throughput": "Throughput", "type": "VolumeType"}


def find_volume(op: Operation, identity: str) -> dict[str, Any] | None:
    """A volume as it is described, or None."""
    return only(op.client("ec2").describe_volumes(Filters=filters(volume_id=identity))["Volumes"])


def _create(op: Operation, props: Props) -> str:
    answer = op.client().create_volume(
        AvailabilityZone=props["availabilityZone"],
        TagSpecifications=tagged(props, "volume"),
        **given(
            props,
            Encrypted="encrypted",
            Iops="iops",
            KmsKeyId="kmsKeyId",
            Size="size",
            SnapshotId="snapshotId",
            Throughput="throughput",
            VolumeType="type",
        ),
    )
    return str(answer["VolumeId"])


def _read(op: Operation, identity: str, state: Props) -> Props | None:
    volume = find_volume(op, identity)
    if volume is None:
        return None
    owner = differences.account(op)
    return {
        "arn": arn(op, owner, f"volume/{identity}"),
        "availabilityZone": volume["AvailabilityZone"],
        "encrypted": volume["Encrypted"],
        "iops": volume.get("Iops"),
        # moto answers with a key of its own where AWS does with the one given.
        "kmsKeyId": state.get("kmsKeyId") or volume.get("KmsKeyId"),
        "size": volume["Size"],
        "snapshotId": volume.get("SnapshotId") or None,
        "throughput": volume.get("Throughput"),
        "type": volume["VolumeType"],
        "createTime": volume["CreateTime"].isoformat(),
        "tagsAll": ec2_tags(op, identity),
    }


def modify_volume(op: Operation, identity: str, old: Props, new: Props) -> None:
    """Brings size, type and speed of a volume to new values; keys are those of ebs.Volume.

    Raises:
        RefusedError: it would become smaller.
    """
    changed = {
        key: api for key, api in _CHANGING.items() if new.get(key) is not None and old.get(key) != new[key]
    }
    if changed:
        differences.require_no_smaller_volume(identity, old.get("size"), new.get("size"))
        request = {api: new[key] for key, api in changed.items()}
        op.client("ec2").modify_volume(VolumeId=identity, **request)


VOLUME = Resource(
    kind="aws:ebs/volume:Volume",
    service="ec2",
    create=_create,
    read=_read,
    update=modify_volume,
    delete=lambda op, identity, _: op.client().delete_volume(VolumeId=identity),
    tag=tag_ec2,
    implements=inputs("availabilityZone encrypted iops kmsKeyId size snapshotId throughput type"),
)


def _attach(op: Operation, props: Props) -> str:
    differences.require_attachable(op, props["volumeId"], props["instanceId"], props["deviceName"])
    op.client().attach_volume(
        Device=props["deviceName"], InstanceId=props["instanceId"], VolumeId=props["volumeId"]
    )
    text = f"{props['deviceName']}-{props['instanceId']}-{props['volumeId']}-"
    return f"vai-{zlib.crc32(text.encode())}"


def _read_attachment(op: Operation, _identity: str, state: Props) -> Props | None:
    volume = find_volume(op, state["volumeId"]) if state.get("volumeId") else None
    attachments: list[dict[str, Any]] = (volume or {}).get("Attachments", [])
    found = next((entry for entry in attachments if entry["InstanceId"] == state["instanceId"]), None)
    if found is None:
        return None
    return {
        "deviceName": found["Device"],
        "instanceId": found["InstanceId"],
        "volumeId": state["volumeId"],
    }


def _detach(op: Operation, identity: str, state: Props) -> None:
    if state.get("skipDestroy") or _read_attachment(op, identity, state) is None:
        return
    if state.get("stopInstanceBeforeDetaching"):
        op.client().stop_instances(InstanceIds=[state["instanceId"]])
    op.client().detach_volume(
        VolumeId=state["volumeId"], InstanceId=state["instanceId"], Device=state["deviceName"]
    )


def _keep(_op: Operation, _identity: str, _old: Props, _new: Props) -> None:
    """Nothing to call: what changes in place says how to detach."""


VOLUME_ATTACHMENT = Resource(
    kind="aws:ec2/volumeAttachment:VolumeAttachment",
    service="ec2",
    create=_attach,
    read=_read_attachment,
    update=_keep,
    delete=_detach,
    implements=inputs("deviceName forceDetach instanceId skipDestroy stopInstanceBeforeDetaching volumeId"),
)

RESOURCES = (VOLUME, VOLUME_ATTACHMENT)
