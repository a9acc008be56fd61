"""S3: buckets, and the settings of a bucket that are resources of their own.

Source: the S3 API reference; defaults of new buckets: the S3 user guide on Object Ownership, Block Public Access and
default encryption (all on since 2023).
"""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Callable
from typing import Any

import botocore.exceptions

from local.aws import differences
from local.aws.provider.declaration import Resource, inputs, tag_list, tag_map
from local.aws.provider.differ import same_json
from local.aws.provider.errors import ProviderError, error_code, is_gone
from local.aws.provider.facts import all_facts
from local.aws.provider.session import Operation
from local.aws.provider.shapes import covers, parameters, properties
from local.aws.provider.wire import Props

_PUBLIC_ACCESS = {
    "blockPublicAcls": "BlockPublicAcls",
    "blockPublicPolicy": "BlockPublicPolicy",
    "ignorePublicAcls": "IgnorePublicAcls",
    "restrictPublicBuckets": "RestrictPublicBuckets",
}
_US_EAST_1_ZONE = "Z3AQBSTGFJSTF"


def _create_bucket(op: Operation, props: Props) -> str:
    client = op.client()
    name = str(props.get("bucket") or f"{props['bucketPrefix']}{uuid.uuid4().hex[:26]}"[:63])
    request: dict[str, Any] = {"Bucket": name}
    if op.region != "us-east-1":
        request["CreateBucketConfiguration"] = {"LocationConstraint": op.region}
    if props.get("objectLockEnabled"):
        request["ObjectLockEnabledForBucket"] = True
    client.create_bucket(**request)
    op.made = name
    # What AWS gives every new bucket, and moto does not (differences: s3-new-bucket-defaults).
    client.put_public_access_block(
        Bucket=name, PublicAccessBlockConfiguration=dict.fromkeys(_PUBLIC_ACCESS.values(), True)
    )
    client.put_bucket_ownership_controls(
        Bucket=name, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    )
    client.put_bucket_encryption(
        Bucket=name,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        },
    )
    if props["tagsAll"]:
        client.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tag_list(props["tagsAll"])})
    return name


def _read_bucket(op: Operation, name: str, state: Props) -> Props:
    client = op.client()
    client.head_bucket(Bucket=name)
    region = client.get_bucket_location(Bucket=name).get("LocationConstraint") or "us-east-1"
    found: Props = {
        "bucket": name,
        "arn": f"arn:aws:s3:::{name}",
        "bucketDomainName": f"{name}.s3.amazonaws.com",
        "bucketRegion": region,
        "bucketRegionalDomainName": f"{name}.s3.{region}.amazonaws.com",
        "hostedZoneId": _US_EAST_1_ZONE if region == "us-east-1" else None,
        "tagsAll": _bucket_tags(client, name),
    }
    if not state:
        found["region"] = region
    return found


def _bucket_tags(client: Any, name: str) -> dict[str, str]:
    try:
        return tag_map(client.get_bucket_tagging(Bucket=name)["TagSet"])
    except botocore.exceptions.ClientError as error:
        if error_code(error) == "NoSuchTagSet":
            return {}
        raise


def _tag_bucket(op: Operation, name: str, tags: dict[str, str], removed: list[str]) -> None:
    client = op.client()
    kept = {key: value for key, value in _bucket_tags(client, name).items() if key not in removed}
    if kept | tags:
        client.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tag_list(kept | tags)})
    else:
        client.delete_bucket_tagging(Bucket=name)


def _delete_bucket(op: Operation, name: str, state: Props) -> None:
    client = op.client()
    if state.get("forceDestroy"):
        _empty_bucket(op, client, name)
    try:
        client.delete_bucket(Bucket=name)
    except botocore.exceptions.ClientError as error:
        if error_code(error) == "BucketNotEmpty":
            raise ProviderError(
                f"bucket {name} still holds objects or old versions of them: empty it, or set force_destroy=True and "
                f"run `pulumi up` before the destroy"
            ) from error
        raise


def _empty_bucket(op: Operation, client: Any, name: str) -> None:
    for page in client.get_paginator("list_object_versions").paginate(Bucket=name):
        if op.cancelled.is_set():
            raise ProviderError(f"emptying bucket {name} was interrupted")
        # A versioned bucket is empty only without its old versions and its delete markers.
        entries = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        if entries:
            objects = [{"Key": entry["Key"], "VersionId": entry["VersionId"]} for entry in entries]
            failed = client.delete_objects(Bucket=name, Delete={"Objects": objects, "Quiet": True}).get(
                "Errors", []
            )
            if failed:
                raise ProviderError(
                    f"bucket {name}: {failed[0].get('Key')} cannot be deleted: {failed[0].get('Message')}"
                )
    for upload in client.list_multipart_uploads(Bucket=name).get("Uploads", []):
        client.abort_multipart_upload(Bucket=name, Key=upload["Key"], UploadId=upload["UploadId"])


BUCKET = Resource(
    kind="aws:s3/bucket:Bucket",
    service="s3",
    create=_create_bucket,
    read=_read_bucket,
    delete=_delete_bucket,
    tag=_tag_bucket,
    implements=inputs("bucket bucketPrefix forceDestroy objectLockEnabled"),
)


def _setting(
    kind: str,
    implemented: str,
    put: Callable[[Any, str, Props], Any],
    get: Callable[[Any, str, Props], Props | None],
    remove: Callable[[Any, str], Any],
) -> Resource:
    """A resource that is one setting of a bucket; its id is the bucket's name."""

    def create(op: Operation, props: Props) -> str:
        put(op.client(), props["bucket"], props)
        return str(props["bucket"])

    def read(op: Operation, name: str, state: Props) -> Props | None:
        found = get(op.client(), name, state)
        return None if found is None else {"bucket": name, **found}

    return Resource(
        kind=kind,
        service="s3",
        create=create,
        read=read,
        update=lambda op, name, _old, new: put(op.client(), name, new),
        delete=lambda op, name, _: remove(op.client(), name),
        implements=inputs(f"bucket {implemented}"),
    )


def _get_versioning(client: Any, bucket: str, state: Props) -> Props | None:
    found = client.get_bucket_versioning(Bucket=bucket)
    wanted = state.get("versioningConfiguration", {})
    if not found.get("Status"):
        return {} if wanted.get("status") == "Disabled" else None
    return {"versioningConfiguration": {**wanted, "status": found["Status"]}}


def _put_versioning(client: Any, bucket: str, props: Props) -> None:
    status = props["versioningConfiguration"]["status"]
    if status != "Disabled":
        client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})


VERSIONING = _setting(
    "aws:s3/bucketVersioning:BucketVersioning",
    "versioningConfiguration",
    _put_versioning,
    _get_versioning,
    # Versioning can be suspended, never taken away.
    lambda client, name: client.put_bucket_versioning(
        Bucket=name, VersioningConfiguration={"Status": "Suspended"}
    ),
)

PUBLIC_ACCESS_BLOCK = _setting(
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
    " ".join([*_PUBLIC_ACCESS, "skipDestroy"]),
    lambda client, name, props: client.put_public_access_block(
        Bucket=name,
        PublicAccessBlockConfiguration={api: bool(props.get(key)) for key, api in _PUBLIC_ACCESS.items()},
    ),
    lambda client, name, _: {
        key: client.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"].get(api, False)
        for key, api in _PUBLIC_ACCESS.items()
    },
    lambda client, name: client.delete_public_access_block(Bucket=name),
)

OWNERSHIP_CONTROLS = _setting(
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
    "rule",
    lambda client, name, props: client.put_bucket_ownership_controls(
        Bucket=name, OwnershipControls={"Rules": [{"ObjectOwnership": props["rule"]["objectOwnership"]}]}
    ),
    lambda client, name, _: {
        "rule": {
            "objectOwnership": client.get_bucket_ownership_controls(Bucket=name)["OwnershipControls"][
                "Rules"
            ][0]["ObjectOwnership"]
        }
    },
    lambda client, name: client.delete_bucket_ownership_controls(Bucket=name),
)

_ENCRYPTION = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
_ENCRYPTION_NAMES = {
    "applyServerSideEncryptionByDefault.sseAlgorithm": "SSEAlgorithm",
    "applyServerSideEncryptionByDefault.kmsMasterKeyId": "KMSMasterKeyID",
}


def _encryption_rules(client: Any, props: Props) -> list[dict[str, Any]]:
    path = "ServerSideEncryptionConfiguration.Rules"
    return parameters(client, "PutBucketEncryption", path, props.get("rules", []), _ENCRYPTION_NAMES)


def _get_encryption(client: Any, name: str, state: Props) -> Props:
    found = client.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
    if state and covers(found, _encryption_rules(client, state)):
        return {"rules": state["rules"]}
    facts = all_facts()[_ENCRYPTION]
    object_name = "BucketServerSideEncryptionConfigurationRule"
    return {"rules": [properties(rule, facts, object_name, _ENCRYPTION_NAMES) for rule in found]}


ENCRYPTION = _setting(
    _ENCRYPTION,
    "rules",
    lambda client, name, props: client.put_bucket_encryption(
        Bucket=name, ServerSideEncryptionConfiguration={"Rules": _encryption_rules(client, props)}
    ),
    _get_encryption,
    # Not deleted but put back: on AWS a bucket is never without default encryption.
    lambda client, name: client.put_bucket_encryption(
        Bucket=name,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        },
    ),
)

_LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
_LIFECYCLE_NAMES = {"id": "ID"}


def _lifecycle_rules(client: Any, props: Props) -> list[dict[str, Any]]:
    rules = parameters(
        client,
        "PutBucketLifecycleConfiguration",
        "LifecycleConfiguration.Rules",
        props.get("rules", []),
        _LIFECYCLE_NAMES,
    )
    # A rule without a filter means the whole bucket, which the API wants spelled out.
    return [
        rule if "Filter" in rule or "Prefix" in rule else {**rule, "Filter": {"Prefix": ""}} for rule in rules
    ]


def _get_lifecycle(client: Any, name: str, state: Props) -> Props:
    found = client.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
    if state and covers(found, _lifecycle_rules(client, state)):
        return {"rules": state.get("rules", [])}
    facts = all_facts()[_LIFECYCLE]
    return {
        "rules": [
            properties(rule, facts, "BucketLifecycleConfigurationRule", _LIFECYCLE_NAMES) for rule in found
        ]
    }


LIFECYCLE = _setting(
    _LIFECYCLE,
    "rules timeouts",
    lambda client, name, props: client.put_bucket_lifecycle_configuration(
        Bucket=name, LifecycleConfiguration={"Rules": _lifecycle_rules(client, props)}
    ),
    _get_lifecycle,
    lambda client, name: client.delete_bucket_lifecycle(Bucket=name),
)


def _put_policy(client: Any, name: str, props: Props) -> None:
    enforceable = differences.enforceable_policy(props["policy"])
    if enforceable is not None:
        client.put_bucket_policy(Bucket=name, Policy=json.dumps(enforceable))
        return
    client.head_bucket(Bucket=name)
    with contextlib.suppress(botocore.exceptions.ClientError):
        client.delete_bucket_policy(Bucket=name)


def _get_policy(client: Any, name: str, state: Props) -> Props | None:
    try:
        found = client.get_bucket_policy(Bucket=name)["Policy"]
    except botocore.exceptions.ClientError as error:
        if error_code(error) != "NoSuchBucketPolicy":
            if is_gone(error):
                return None
            raise
        found = None
    if not state.get("policy"):
        return {"policy": found} if found else None
    enforceable = differences.enforceable_policy(state["policy"])
    sent = json.dumps(enforceable) if enforceable is not None else None
    unchanged = found == sent if found is None or sent is None else same_json(found, sent)
    if unchanged:
        return {"policy": state["policy"]}
    return {"policy": found} if found else None


POLICY = _setting(
    "aws:s3/bucketPolicy:BucketPolicy",
    "policy",
    _put_policy,
    _get_policy,
    lambda client, name: client.delete_bucket_policy(Bucket=name),
)

RESOURCES = (BUCKET, VERSIONING, PUBLIC_ACCESS_BLOCK, OWNERSHIP_CONTROLS, ENCRYPTION, LIFECYCLE, POLICY)
