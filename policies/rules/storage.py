"""Buckets and tables: closed to the public, encrypted, over TLS only.

CloudWatch log groups and SNS topics are not judged: CloudWatch Logs always encrypts at rest, and a topic holds
nothing (an alarm's text passes through it; with SNS's AWS managed key CloudWatch could not publish to it at all).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .documents import Condition, NotADocumentError, Statement, denies_plain_http, statements
from .rule import ResourceRule, Rule, StackRule, Subject, companions

BUCKET = "aws:s3/bucket:Bucket"
ACCESS_BLOCK = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
ENCRYPTION = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
BUCKET_POLICY = "aws:s3/bucketPolicy:BucketPolicy"
BUCKET_ACL = "aws:s3/bucketAcl:BucketAcl"
OBJECT_ACL_TYPES = (
    "aws:s3/bucketObject:BucketObject",
    "aws:s3/bucketObjectv2:BucketObjectv2",
    "aws:s3/objectCopy:ObjectCopy",
)
TABLE = "aws:dynamodb/table:Table"

BUCKET_NAMES = ("bucket", "id", "arn")
"""Properties of a bucket by which others may name it."""

BLOCKS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")

CLOSED_ACLS = ("", "private", "bucket-owner-full-control", "bucket-owner-read", "log-delivery-write")

ALGORITHMS = ("AES256", "aws:kms", "aws:kms:dsse")

FIXED_SOURCES = ("aws:sourcevpce", "aws:sourcevpc", "aws:sourcearn")
"""A condition on one of these, with a fixed value, makes a statement for everyone not public."""

FIXING_OPERATORS = ("StringEquals", "StringLike", "ArnEquals", "ArnLike")
"""Not their `IfExists` forms, which hold where the key is missing, nor `ForAllValues:`, which holds for none."""

_S3 = "https://docs.aws.amazon.com/AmazonS3/latest/userguide"


def _blocked(bucket: Subject, stack: Sequence[Subject]) -> Iterator[str]:
    blocks = companions(bucket, stack, ACCESS_BLOCK, "bucket", BUCKET_NAMES)
    if not blocks:
        yield "no public access block: add an aws.s3.BucketPublicAccessBlock with all four settings true"
    for block in blocks:
        if missing := [key for key in BLOCKS if not block.props.flag(key)]:
            yield f"the public access block {block.name} is partial: set {', '.join(missing)} to true"


def _acl(resource: Subject) -> Iterator[str]:
    acl = resource.props.text("acl")
    if acl not in CLOSED_ACLS:
        yield f"acl is {acl!r}: take it out and grant access in a bucket policy"
    grants = resource.props.many("grants") + resource.props.one("accessControlPolicy").many("grants")
    for grant in grants:
        uri = grant.text("uri") or grant.one("grantee").text("uri")
        if uri.endswith(("/AllUsers", "/AuthenticatedUsers")):
            yield f"an ACL grants to {uri.rsplit('/', 1)[-1]}: take the grant out"


def _closed_policy(resource: Subject) -> Iterator[str]:
    try:
        document = statements(resource.props.text("policy"))
    except NotADocumentError as e:
        yield f"{e}"
        return
    for statement in document:
        if statement.allows and statement.not_principals:
            yield f"{statement.sid}: Allow with NotPrincipal lets in everyone else; name who may"
        elif statement.allows and statement.anyone and not _fixed(statement):
            yield (
                f"{statement.sid}: Allow for Principal * is public; name the principals, or add a StringEquals"
                " condition on aws:SourceVpce, aws:SourceVpc or aws:SourceArn with fixed values"
            )


def _fixed(statement: Statement) -> bool:
    return any(_is_fixed(c) for c in statement.conditions)


def _is_fixed(condition: Condition) -> bool:
    return (
        condition.operator in FIXING_OPERATORS
        and condition.key in FIXED_SOURCES
        and bool(condition.values)
        and not any("*" in v or "?" in v or "${" in v for v in condition.values)
    )


def _bucket_encrypted(bucket: Subject, stack: Sequence[Subject]) -> Iterator[str]:
    found = companions(bucket, stack, ENCRYPTION, "bucket", BUCKET_NAMES)
    for configuration in found:
        for rule in configuration.props.many("rules"):
            algorithm = rule.one("applyServerSideEncryptionByDefault").text("sseAlgorithm")
            if algorithm not in ALGORITHMS:
                yield f"{configuration.name}: sse_algorithm is {algorithm!r}: one of {', '.join(ALGORITHMS)}"
    if not found:
        yield (
            "no encryption named: add an aws.s3.BucketServerSideEncryptionConfiguration with AES256 or aws:kms"
        )


def _bucket_tls_only(bucket: Subject, stack: Sequence[Subject]) -> Iterator[str]:
    policies = companions(bucket, stack, BUCKET_POLICY, "bucket", BUCKET_NAMES)
    try:
        if any(denies_plain_http(statements(p.props.text("policy"))) for p in policies):
            return
    except NotADocumentError as e:
        yield f"{e}"
        return
    yield (
        "plain HTTP is let in: its aws.s3.BucketPolicy needs a Deny of s3:* for Principal * on bucket and objects"
        ' with Condition {"Bool": {"aws:SecureTransport": "false"}}'
    )


def _table_encrypted(table: Subject) -> Iterator[str]:
    if not table.props.one("serverSideEncryption").flag("enabled"):
        yield "encryption with a KMS key is off: set server_side_encryption={'enabled': True}"


RULES: tuple[Rule, ...] = (
    StackRule(
        name="bucket-public-access-blocked",
        what="Each bucket has a public access block, all four settings true.",
        why="One ACL or policy written by mistake would otherwise publish what the crawl found.",
        reference=f"{_S3}/access-control-block-public-access.html",
        types=(BUCKET,),
        check=_blocked,
    ),
    ResourceRule(
        name="bucket-acl-private",
        what="No ACL gives a bucket or an object to the public.",
        why="ACLs are granted object by object and are seen by nobody afterwards.",
        reference=f"{_S3}/about-object-ownership.html",
        types=(BUCKET, BUCKET_ACL, *OBJECT_ACL_TYPES),
        check=_acl,
    ),
    ResourceRule(
        name="bucket-policy-closed",
        what="No bucket policy allows everyone, unless bound to a fixed VPC, endpoint or resource.",
        why="What is not bound to a fixed source is public.",
        reference=f"{_S3}/access-control-block-public-access.html#access-control-block-public-access-policy-status",
        types=(BUCKET_POLICY, BUCKET),
        check=_closed_policy,
    ),
    StackRule(
        name="bucket-encrypted",
        what="Each bucket says how it is encrypted.",
        why="The choice of key is then in the program, and a change of it in a preview.",
        reference=f"{_S3}/bucket-encryption.html",
        types=(BUCKET,),
        check=_bucket_encrypted,
    ),
    StackRule(
        name="bucket-tls-only",
        what="Buckets refuse plain HTTP.",
        why="S3 answers on HTTP too: a release read that way could be another's on the way.",
        reference=f"{_S3}/security-best-practices.html",
        types=(BUCKET,),
        check=_bucket_tls_only,
    ),
    ResourceRule(
        name="table-encrypted",
        what="Tables are encrypted with a KMS key of the account.",
        why="The key that AWS owns leaves no trace of its use.",
        reference="https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/EncryptionAtRest.html",
        types=(TABLE,),
        check=_table_encrypted,
    ),
)
