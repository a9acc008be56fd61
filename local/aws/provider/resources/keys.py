"""KMS keys and their aliases.

Source: the AWS KMS API reference.
"""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from local.aws.provider.declaration import Resource, inputs
from local.aws.provider.errors import is_gone
from local.aws.provider.resources.ec2 import given
from local.aws.provider.session import Operation
from local.aws.provider.wire import Props

_DAYS_BEFORE_DELETION = 30
"""AWS's default for a key that says nothing."""


def _create_key(op: Operation, props: Props) -> str:
    client = op.client()
    answer = client.create_key(
        KeySpec=props["customerMasterKeySpec"],
        KeyUsage=props["keyUsage"],
        MultiRegion=bool(props.get("multiRegion")),
        Tags=[{"TagKey": key, "TagValue": value} for key, value in props["tagsAll"].items()],
        **given(props, Description="description", Policy="policy"),
    )
    identity = op.made = str(answer["KeyMetadata"]["KeyId"])
    _set_rotation(op, identity, props)
    if not props["isEnabled"]:
        client.disable_key(KeyId=identity)
    return identity


def _set_rotation(op: Operation, identity: str, props: Props) -> None:
    if props["enableKeyRotation"]:
        op.client().enable_key_rotation(
            KeyId=identity, **given(props, RotationPeriodInDays="rotationPeriodInDays")
        )
    else:
        op.client().disable_key_rotation(KeyId=identity)


def _read_key(op: Operation, identity: str, state: Props) -> Props | None:
    client = op.client()
    key = client.describe_key(KeyId=identity)["KeyMetadata"]
    if key["KeyState"] == "PendingDeletion":
        return None
    tags = client.list_resource_tags(KeyId=identity).get("Tags", [])
    symmetric = key.get("KeySpec", "SYMMETRIC_DEFAULT") == "SYMMETRIC_DEFAULT"
    rotates = symmetric and client.get_key_rotation_status(KeyId=identity)["KeyRotationEnabled"]
    return {
        "arn": key["Arn"],
        "keyId": key["KeyId"],
        "description": key.get("Description") or None,
        "customerMasterKeySpec": key.get("KeySpec"),
        "keyUsage": key.get("KeyUsage", "ENCRYPT_DECRYPT"),
        "enableKeyRotation": rotates,
        "isEnabled": key["Enabled"],
        "multiRegion": key.get("MultiRegion", False),
        "policy": client.get_key_policy(KeyId=identity, PolicyName="default")["Policy"],
        # moto forgets it.
        "rotationPeriodInDays": state.get("rotationPeriodInDays"),
        "tagsAll": {tag["TagKey"]: tag["TagValue"] for tag in tags},
    }


def _update_key(op: Operation, identity: str, old: Props, new: Props) -> None:
    client = op.client()
    if old.get("description") != new.get("description"):
        client.update_key_description(KeyId=identity, Description=new.get("description") or "")
    if new.get("policy") and old.get("policy") != new["policy"]:
        client.put_key_policy(KeyId=identity, PolicyName="default", Policy=new["policy"])
    if old["isEnabled"] != new["isEnabled"]:
        (client.enable_key if new["isEnabled"] else client.disable_key)(KeyId=identity)
    rotation = ("enableKeyRotation", "rotationPeriodInDays")
    if any(old.get(key) != new.get(key) for key in rotation):
        _set_rotation(op, identity, new)


def _delete_key(op: Operation, identity: str, state: Props) -> None:
    key = op.client().describe_key(KeyId=identity)["KeyMetadata"]
    if key["KeyState"] != "PendingDeletion":
        days = int(state.get("deletionWindowInDays") or _DAYS_BEFORE_DELETION)
        op.client().schedule_key_deletion(KeyId=identity, PendingWindowInDays=days)


def _tag_key(op: Operation, identity: str, tags: dict[str, str], removed: list[str]) -> None:
    if removed:
        op.client().untag_resource(KeyId=identity, TagKeys=removed)
    if tags:
        new = [{"TagKey": key, "TagValue": value} for key, value in tags.items()]
        op.client().tag_resource(KeyId=identity, Tags=new)


KEY = Resource(
    kind="aws:kms/key:Key",
    service="kms",
    create=_create_key,
    read=_read_key,
    update=_update_key,
    delete=_delete_key,
    tag=_tag_key,
    implements=inputs(
        "bypassPolicyLockoutSafetyCheck customerMasterKeySpec deletionWindowInDays description enableKeyRotation "
        "isEnabled keyUsage multiRegion policy rotationPeriodInDays"
    ),
)


def _create_alias(op: Operation, props: Props) -> str:
    op.client().create_alias(AliasName=_alias(props), TargetKeyId=props["targetKeyId"])
    return _alias(props)


def _alias(props: Props) -> str:
    name = str(props["name"])
    return name if name.startswith("alias/") else f"alias/{name}"


def _read_alias(op: Operation, name: str, state: Props) -> Props | None:
    entry = _find_alias(op, name)
    if entry is None:
        return None
    key = entry.get("TargetKeyId", "")
    arn = str(entry["AliasArn"])
    own = str(state.get("targetKeyId") or "")
    return {
        "arn": arn,
        "name": state.get("name") or name,
        "targetKeyArn": f"{arn.split(':alias/', maxsplit=1)[0]}:key/{key}",
        # A key is named by id or by ARN.
        "targetKeyId": own if own.rsplit("/", 1)[-1] == key else key,
    }


def _find_alias(op: Operation, name: str) -> dict[str, Any] | None:
    pages = op.client().get_paginator("list_aliases").paginate()
    return next((each for page in pages for each in page["Aliases"] if each["AliasName"] == name), None)


def _delete_alias(op: Operation, name: str, _state: Props) -> None:
    try:
        op.client().delete_alias(AliasName=name)
    except ClientError as error:
        if not is_gone(error):
            raise


ALIAS = Resource(
    kind="aws:kms/alias:Alias",
    service="kms",
    create=_create_alias,
    read=_read_alias,
    update=lambda op, name, _old, new: op.client().update_alias(
        AliasName=name, TargetKeyId=new["targetKeyId"]
    ),
    delete=_delete_alias,
    implements=inputs("name targetKeyId"),
)

RESOURCES = (KEY, ALIAS)
