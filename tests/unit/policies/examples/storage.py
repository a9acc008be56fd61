"""Buckets and tables."""

from __future__ import annotations

from typing import Any

from policies.rules.storage import ACCESS_BLOCK, BLOCKS, BUCKET, BUCKET_ACL, BUCKET_POLICY, ENCRYPTION, TABLE
from tests.unit.policies.examples.example import Breaks, Examples, Keeps, allow, document, tls_only
from tests.unit.policies.judge import UNKNOWN, Declared

BARE = Declared(BUCKET, "data", {"bucket": "data-1", "arn": "arn:aws:s3:::data-1"})
NEW = Declared(BUCKET, "data", {"bucket": UNKNOWN, "arn": UNKNOWN})
"""As a preview shows a bucket that is not there yet."""

TO_NEW = {"bucket": "data"}


def beside(type_: str, **props: Any) -> Declared:
    return Declared(type_, "beside", {"bucket": UNKNOWN, **props}, of=TO_NEW)


def algorithm(name: str) -> dict[str, Any]:
    return {"rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": name}}]}


def policy(*statements: dict[str, Any]) -> list[Declared]:
    return [Declared(BUCKET_POLICY, props={"bucket": "data-1", "policy": document(*statements)})]


def bound(operator: str, key: str, value: str | list[str]) -> list[Declared]:
    return policy(
        allow(Principal="*", Action="s3:GetObject", Resource="arn", Condition={operator: {key: value}})
    )


EXAMPLES: Examples = {
    "bucket-public-access-blocked": (
        [
            Breaks("none", [BARE], "data: no public access block"),
            Breaks(
                "one of another bucket",
                [BARE, Declared(ACCESS_BLOCK, "o", {"bucket": "data-10", **dict.fromkeys(BLOCKS, True)})],
                "no public access block",
            ),
            Breaks(
                "a partial one",
                [NEW, beside(ACCESS_BLOCK, **dict.fromkeys(BLOCKS[:3], True))],
                "set restrictPublicBuckets to true",
            ),
        ],
        [
            Keeps("before the bucket is there", [NEW, beside(ACCESS_BLOCK, **dict.fromkeys(BLOCKS, True))]),
            Keeps(
                "by the bucket's name",
                [BARE, Declared(ACCESS_BLOCK, "o", {"bucket": "data-1", **dict.fromkeys(BLOCKS, True)})],
            ),
        ],
    ),
    "bucket-acl-private": (
        [
            Breaks("a public ACL", [Declared(BUCKET_ACL, props={"acl": "public-read"})], "'public-read'"),
            Breaks(
                "a grant to everyone",
                [
                    Declared(
                        BUCKET_ACL,
                        props={
                            "accessControlPolicy": {
                                "grants": [
                                    {"grantee": {"uri": "http://acs.amazonaws.com/groups/global/AllUsers"}}
                                ]
                            }
                        },
                    )
                ],
                "grants to AllUsers",
            ),
        ],
        [Keeps("no ACL", [BARE]), Keeps("private", [Declared(BUCKET_ACL, props={"acl": "private"})])],
    ),
    "bucket-policy-closed": (
        [
            Breaks("everyone", policy(allow(Principal="*", Action="s3:GetObject")), "is public"),
            Breaks("every account", policy(allow(Principal={"AWS": ["*"]}, Action="s3:GetObject")), "public"),
            Breaks("a VPC of any name", bound("StringLike", "aws:SourceVpc", "vpc-*"), "public"),
            Breaks(
                "holds without the key", bound("StringEqualsIfExists", "aws:SourceVpc", "vpc-1"), "public"
            ),
            Breaks("an address", bound("IpAddress", "aws:SourceIp", "10.0.0.0/8"), "public"),
            Breaks("everyone else", policy(allow(NotPrincipal={"AWS": "1"}, Action="s3:*")), "NotPrincipal"),
            Breaks("no JSON", [Declared(BUCKET_POLICY, props={"policy": "Allow all"})], "not a JSON object"),
        ],
        [
            Keeps("one endpoint", bound("StringEquals", "aws:SourceVpce", "vpce-1")),
            Keeps("one role", policy(allow(Principal={"AWS": "arn:role"}, Action="s3:GetObject"))),
            Keeps("a Deny for everyone", policy(tls_only("s3"))),
        ],
    ),
    "bucket-encrypted": (
        [
            Breaks("nothing said", [BARE], "no encryption named"),
            Breaks("no algorithm", [NEW, beside(ENCRYPTION, **algorithm(""))], "sse_algorithm is ''"),
        ],
        [
            Keeps("S3's own key", [NEW, beside(ENCRYPTION, **algorithm("AES256"))]),
            Keeps("a KMS key", [NEW, beside(ENCRYPTION, **algorithm("aws:kms"))]),
        ],
    ),
    "bucket-tls-only": (
        [
            Breaks("no policy", [NEW], "plain HTTP is let in"),
            Breaks(
                "a Deny of TLS instead",
                [
                    NEW,
                    beside(
                        BUCKET_POLICY,
                        policy=document(
                            {**tls_only("s3"), "Condition": {"Bool": {"aws:SecureTransport": "true"}}}
                        ),
                    ),
                ],
                "plain HTTP is let in",
            ),
        ],
        [Keeps("denied", [NEW, beside(BUCKET_POLICY, policy=document(tls_only("s3")))])],
    ),
    "table-encrypted": (
        [
            Breaks("nothing said", [Declared(TABLE)], "encryption with a KMS key is off"),
            Breaks(
                "turned off", [Declared(TABLE, props={"serverSideEncryption": {"enabled": False}})], "is off"
            ),
        ],
        [Keeps("turned on", [Declared(TABLE, props={"serverSideEncryption": {"enabled": True}})])],
    ),
}
