"""Where Pulumi's state is kept: a versioned bucket under a key of its own."""

from __future__ import annotations

import json
from typing import Any

from pulumi import ComponentResource, Output, ResourceOptions
from pulumi_aws import kms, s3

KEY_ALIAS = "alias/trawler-state"
"""Also the stacks' secrets provider: `awskms://alias/trawler-state`."""

OLD_VERSIONS_DAYS = 90
"""How long an earlier state can be had back, days."""


class StateStore(ComponentResource):
    """The state bucket and its key, both protected and retained: no run of this program deletes or replaces them.

    The bucket is versioned, private, over TLS only, and takes no object that is encrypted under another key. The
    key rotates every year. Idle cost: the key, about a dollar a month, and the states themselves, cents.
    """

    def __init__(
        self, name: str, account: str, bucket_name: str, opts: ResourceOptions | None = None
    ) -> None:
        super().__init__("trawler:bootstrap:StateStore", name, {}, opts)
        kept = ResourceOptions(parent=self, protect=True, retain_on_delete=True)
        self.key = kms.Key(
            f"{name}-key",
            description="State of Trawler's stacks, and the secrets in it",
            enable_key_rotation=True,
            deletion_window_in_days=30,
            policy=json.dumps(_key_policy(account)),
            opts=kept,
        )
        kms.Alias(
            f"{name}-key-alias",
            name=KEY_ALIAS,
            target_key_id=self.key.key_id,
            opts=ResourceOptions(parent=self),
        )
        self.bucket = s3.Bucket(f"{name}-bucket", bucket=bucket_name, opts=kept)
        self._configure(name)
        self.url = Output.concat("s3://", self.bucket.bucket)
        self.register_outputs({"url": self.url})

    def _configure(self, name: str) -> None:
        child = ResourceOptions(parent=self)
        bucket = self.bucket.id
        block = s3.BucketPublicAccessBlock(
            f"{name}-public-access",
            bucket=bucket,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=child,
        )
        s3.BucketOwnershipControls(
            f"{name}-ownership", bucket=bucket, rule={"object_ownership": "BucketOwnerEnforced"}, opts=child
        )
        versioning = s3.BucketVersioning(
            f"{name}-versioning", bucket=bucket, versioning_configuration={"status": "Enabled"}, opts=child
        )
        s3.BucketLifecycleConfiguration(
            f"{name}-lifecycle",
            bucket=bucket,
            rules=[
                {
                    "id": "earlier-states",
                    "status": "Enabled",
                    "filter": {"prefix": ""},
                    "noncurrent_version_expiration": {"noncurrent_days": OLD_VERSIONS_DAYS},
                    "abort_incomplete_multipart_upload": {"days_after_initiation": 1},
                }
            ],
            # Noncurrent versions are refused for a bucket without versions.
            opts=ResourceOptions(parent=self, depends_on=[versioning]),
        )
        s3.BucketServerSideEncryptionConfiguration(
            f"{name}-encryption",
            bucket=bucket,
            rules=[
                {
                    "apply_server_side_encryption_by_default": {
                        "sse_algorithm": "aws:kms",
                        "kms_master_key_id": self.key.arn,
                    },
                    "bucket_key_enabled": True,
                }
            ],
            opts=child,
        )
        s3.BucketPolicy(
            f"{name}-policy",
            bucket=bucket,
            policy=Output.json_dumps(
                Output.all(self.bucket.arn, self.key.arn).apply(lambda a: _bucket_policy(*a))
            ),
            # S3 refuses a policy while the access block is being written.
            opts=ResourceOptions(parent=self, depends_on=[block]),
        )


def _key_policy(account: str) -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                # The account's IAM policies decide; without this statement nobody could ever change the key again
                # (KMS Developer Guide, Default key policy). It is the key's own policy: "*" is this key.
                "Sid": "AccountDecidesByIam",
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
                "Action": "kms:*",
                "Resource": "*",
            }
        ],
    }


def _bucket_policy(bucket_arn: str, key_arn: str) -> dict[str, Any]:
    objects = f"{bucket_arn}/*"
    named = "s3:x-amz-server-side-encryption-aws-kms-key-id"
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "TlsOnly",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [bucket_arn, objects],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            },
            {
                # A request that names no key gets the bucket's own.
                "Sid": "NoOtherKey",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:PutObject",
                "Resource": objects,
                "Condition": {"Null": {named: "false"}, "StringNotEquals": {named: key_arn}},
            },
            {
                # A request that names another kind of encryption than KMS would escape the key.
                "Sid": "NoOtherEncryption",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:PutObject",
                "Resource": objects,
                "Condition": {
                    "Null": {"s3:x-amz-server-side-encryption": "false"},
                    "StringNotEquals": {"s3:x-amz-server-side-encryption": "aws:kms"},
                },
            },
        ],
    }
