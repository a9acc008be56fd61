"""The two buckets: releases that never expire, and page bodies that do."""

from __future__ import annotations

import json
from typing import Any

import pulumi
from pulumi import ComponentResource, Output, ResourceOptions
from pulumi_aws import s3

from infra.protection import stateful
from infra.storage_names import RELEASES, TARBALL


class Storage(ComponentResource):
    """The artifact bucket and the pages bucket: private, encrypted, TLS only.

    The artifact bucket is versioned and keeps everything. Agents read `releases/` by plain HTTPS through the
    VPC's S3 gateway endpoint, which is why the policy names that endpoint. Objects of the pages bucket, bodies
    too large for a message, expire after `pages_expire_days`.
    """

    def __init__(
        self,
        name: str,
        pages_expire_days: int,
        s3_endpoint_id: pulumi.Input[str] | None,
        protect: bool,
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("trawler:infra:Storage", name, {}, opts)
        self.artifacts = self._private_bucket(f"{name}-artifacts", s3_endpoint_id, protect=protect)
        s3.BucketVersioning(
            f"{name}-artifacts-versioning",
            bucket=self.artifacts.id,
            versioning_configuration={"status": "Enabled"},
            opts=ResourceOptions(parent=self),
        )
        s3.BucketLifecycleConfiguration(
            f"{name}-artifacts-lifecycle",
            bucket=self.artifacts.id,
            # Nothing expires here, old versions included; only uploads that nobody finished.
            rules=[
                {
                    "id": "unfinished",
                    "status": "Enabled",
                    "filter": {"prefix": ""},
                    "abort_incomplete_multipart_upload": {"days_after_initiation": 1},
                }
            ],
            opts=ResourceOptions(parent=self),
        )
        self.pages = self._private_bucket(f"{name}-pages", s3_endpoint_id=None, protect=False)
        s3.BucketLifecycleConfiguration(
            f"{name}-pages-lifecycle",
            bucket=self.pages.id,
            rules=[
                {
                    "id": "expire",
                    "status": "Enabled",
                    "filter": {"prefix": ""},
                    "expiration": {"days": pages_expire_days},
                    "abort_incomplete_multipart_upload": {"days_after_initiation": 1},
                }
            ],
            opts=ResourceOptions(parent=self),
        )
        self.register_outputs({"artifacts": self.artifacts.bucket, "pages": self.pages.bucket})

    def _private_bucket(
        self, name: str, s3_endpoint_id: pulumi.Input[str] | None, protect: bool
    ) -> s3.Bucket:
        parent = ResourceOptions(parent=self)
        bucket = s3.Bucket(
            name,
            # Only a stack that is not protected may throw data away on destroy.
            force_destroy=not protect,
            opts=stateful(self, protect),
        )
        block = s3.BucketPublicAccessBlock(
            f"{name}-public-access",
            bucket=bucket.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=parent,
        )
        s3.BucketOwnershipControls(
            f"{name}-ownership",
            bucket=bucket.id,
            rule={"object_ownership": "BucketOwnerEnforced"},
            opts=parent,
        )
        s3.BucketServerSideEncryptionConfiguration(
            f"{name}-encryption",
            bucket=bucket.id,
            rules=[{"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}],
            opts=parent,
        )
        s3.BucketPolicy(
            f"{name}-policy",
            bucket=bucket.id,
            policy=Output.all(bucket.arn, s3_endpoint_id).apply(lambda known: _policy(*known)),
            # S3 refuses a policy while the access block is being written.
            opts=ResourceOptions(parent=self, depends_on=[block]),
        )
        return bucket


def release_uri(bucket: s3.Bucket, key: str, endpoint: str | None) -> pulumi.Output[str]:
    """Where an agent fetches a release: no query string, nothing that expires.

    Args:
        bucket: the artifact bucket.
        key: object key, `releases/<sha256>.tar.gz`.
        endpoint: base URL of S3 where the stack configures one of its own, else None for AWS.
    """
    if endpoint:
        return Output.concat(endpoint.rstrip("/"), "/", bucket.bucket, "/", key)
    return Output.concat("https://", bucket.bucket_regional_domain_name, "/", key)


def _policy(arn: str, s3_endpoint_id: str | None) -> str:
    statements: list[dict[str, Any]] = [
        {
            "Sid": "TlsOnly",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [arn, f"{arn}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    ]
    if s3_endpoint_id:
        statements.append(
            {
                # Not "public" for Block Public Access, because it is bound to one fixed endpoint.
                "Sid": "ReleasesInsideTheVpc",
                "Effect": "Allow",
                "Principal": "*",
                "Action": "s3:GetObject",
                "Resource": f"{arn}/{RELEASES}/*{TARBALL}",
                "Condition": {"StringEquals": {"aws:SourceVpce": s3_endpoint_id}},
            }
        )
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
