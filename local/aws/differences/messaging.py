"""Refusals for SQS, S3, DynamoDB and IAM, from the inputs alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from local.aws.differences.rules import Rule, inside, items, known, known_json, one_of, within
from local.aws.provider.check import Problem
from local.aws.provider.wire import Props

_MAX_REDRIVE_SOURCES: Final = 10


def _queue_ranges(inputs: Props) -> Iterator[Problem]:
    yield from within(inputs, "visibilityTimeoutSeconds", 0, 43_200, "seconds")
    yield from within(inputs, "messageRetentionSeconds", 60, 1_209_600, "seconds")
    yield from within(inputs, "receiveWaitTimeSeconds", 0, 20, "seconds")
    yield from within(inputs, "delaySeconds", 0, 900, "seconds")
    yield from within(inputs, "maxMessageSize", 1024, 1_048_576, "bytes")
    yield from within(inputs, "kmsDataKeyReusePeriodSeconds", 60, 86_400, "seconds")


def _queue_name(inputs: Props) -> Iterator[Problem]:
    name, fifo = known(inputs, "name"), known(inputs, "fifoQueue")
    if not isinstance(name, str):
        return
    if len(name) > 80:
        yield Problem(
            "name", f"{name!r} has {len(name)} characters: a queue's name has at most 80. Shorten it"
        )
    elif not re.fullmatch(r"[A-Za-z0-9_-]+(\.fifo)?", name):
        yield Problem("name", f"{name!r}: a queue's name has letters, digits, - and _ only")
    elif fifo is True and not name.endswith(".fifo"):
        yield Problem("name", f"{name!r}: the name of a FIFO queue ends in .fifo")
    elif fifo is False and name.endswith(".fifo"):
        yield Problem("name", f"{name!r} ends in .fifo, and fifoQueue is not true")


def _fifo_only(inputs: Props) -> Iterator[Problem]:
    if known(inputs, "fifoQueue") is False:
        for key in ("contentBasedDeduplication", "deduplicationScope", "fifoThroughputLimit"):
            if known(inputs, key):
                yield Problem(key, f"{key} is for FIFO queues: set fifoQueue, or leave it out")


def _fifo_throughput(inputs: Props) -> Iterator[Problem]:
    yield from one_of(inputs, "deduplicationScope", "messageGroup", "queue")
    yield from one_of(inputs, "fifoThroughputLimit", "perQueue", "perMessageGroupId")
    if known(inputs, "fifoThroughputLimit") == "perMessageGroupId":
        scope = inputs.get("deduplicationScope", "queue")
        if scope == "queue":
            yield Problem("fifoThroughputLimit", "perMessageGroupId needs deduplicationScope messageGroup")


def _two_encryptions(inputs: Props) -> Iterator[Problem]:
    if known(inputs, "sqsManagedSseEnabled") and known(inputs, "kmsMasterKeyId"):
        yield Problem("kmsMasterKeyId", "a queue is encrypted by SQS or by a KMS key, not by both")


def _max_receive_count(inputs: Props) -> Iterator[Problem]:
    policy = known_json(inputs, "redrivePolicy")
    if policy is None:
        return
    if not isinstance(policy, dict) or "deadLetterTargetArn" not in policy:
        yield Problem("redrivePolicy", "must be an object with deadLetterTargetArn and maxReceiveCount")
        return
    try:
        count = int(policy.get("maxReceiveCount", 10))
    except (TypeError, ValueError):
        count = 0
    if not 1 <= count <= 1000:
        given = policy.get("maxReceiveCount")
        yield Problem("redrivePolicy", f"maxReceiveCount is {given!r}: AWS takes 1 to 1000")


def _redrive_target(inputs: Props) -> Iterator[Problem]:
    policy = known_json(inputs, "redrivePolicy")
    source = known(inputs, "queueUrl") or known(inputs, "name")
    if (
        isinstance(policy, dict)
        and isinstance(source, str)
        and isinstance(policy.get("deadLetterTargetArn"), str)
    ):
        target = policy["deadLetterTargetArn"]
        if source.endswith(".fifo") != target.endswith(".fifo"):
            yield Problem("redrivePolicy", f"{target} is not of the same kind (FIFO or standard) as {source}")


def _redrive_allow(inputs: Props) -> Iterator[Problem]:
    policy = known_json(inputs, "redriveAllowPolicy")
    if policy is None:
        return
    permission = policy.get("redrivePermission") if isinstance(policy, dict) else None
    if permission not in ("allowAll", "denyAll", "byQueue"):
        yield Problem(
            "redriveAllowPolicy", f"redrivePermission is {permission!r}: allowAll, denyAll or byQueue"
        )
        return
    sources = policy.get("sourceQueueArns") or []
    if permission == "byQueue" and not 1 <= len(sources) <= _MAX_REDRIVE_SOURCES:
        yield Problem(
            "redriveAllowPolicy",
            f"byQueue names 1 to {_MAX_REDRIVE_SOURCES} sourceQueueArns, not {len(sources)}",
        )
    if permission != "byQueue" and sources:
        yield Problem("redriveAllowPolicy", "sourceQueueArns go with byQueue only")


def _bucket_name(inputs: Props) -> Iterator[Problem]:
    name = known(inputs, "bucket")
    if isinstance(name, str) and not (
        re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", name)
        and ".." not in name
        and not re.fullmatch(r"\d+(\.\d+){3}", name)
    ):
        yield Problem("bucket", f"{name!r}: a bucket's name has 3 to 63 lower-case letters, digits, - and .")


def _statements(document: Any) -> list[dict[str, Any]]:
    statements = document.get("Statement", []) if isinstance(document, dict) else []
    return [s for s in (statements if isinstance(statements, list) else [statements]) if isinstance(s, dict)]


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _policy_other_bucket(inputs: Props) -> Iterator[Problem]:
    bucket, document = known(inputs, "bucket"), known_json(inputs, "policy")
    if not isinstance(bucket, str) or document is None:
        return
    own = f"arn:aws:s3:::{bucket}"
    for statement in _statements(document):
        for resource in _as_list(statement.get("Resource")):
            if (
                isinstance(resource, str)
                and resource != own
                and not resource.startswith((f"{own}/", f"{own}*"))
            ):
                yield Problem(
                    "policy", f"{resource} is not of bucket {bucket}: its policy speaks of {own} and {own}/*"
                )


def _s3_values(inputs: Props) -> Iterator[Problem]:
    yield from one_of(inputs, "versioningConfiguration.status", "Enabled", "Suspended", "Disabled")
    yield from one_of(
        inputs, "rule.objectOwnership", "BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"
    )
    for path, rule in items(inputs, "rules"):
        yield from inside(path, one_of(rule, "status", "Enabled", "Disabled"))
        algorithm = "applyServerSideEncryptionByDefault.sseAlgorithm"
        yield from inside(path, one_of(rule, algorithm, "AES256", "aws:kms", "aws:kms:dsse"))
        yield from inside(path, within(rule, "expiration.days", 1, 2**31 - 1, "days"))
        days = "abortIncompleteMultipartUpload.daysAfterInitiation"
        yield from inside(path, within(rule, days, 1, 2**31 - 1, "days"))


def _table_attributes(inputs: Props) -> Iterator[Problem]:
    yield from one_of(inputs, "billingMode", "PAY_PER_REQUEST", "PROVISIONED")
    yield from one_of(inputs, "tableClass", "STANDARD", "STANDARD_INFREQUENT_ACCESS")
    name = known(inputs, "name")
    if isinstance(name, str) and not re.fullmatch(r"[A-Za-z0-9_.-]{3,255}", name):
        yield Problem("name", f"{name!r}: a table's name has 3 to 255 letters, digits, - _ and .")
    attributes = known(inputs, "attributes")
    indexes = [known(inputs, key) or [] for key in ("globalSecondaryIndexes", "localSecondaryIndexes")]
    if not isinstance(attributes, list) or not all(
        known(inputs, k) is not None for k in inputs if k != "tags"
    ):
        return
    declared = {attribute["name"] for attribute in attributes}
    used = {inputs.get("hashKey"), inputs.get("rangeKey")}
    for index in [*indexes[0], *indexes[1]]:
        used |= {index.get("hashKey"), index.get("rangeKey")}
        used |= {key["attributeName"] for key in index.get("keySchemas", [])}
    used.discard(None)
    for index, attribute in enumerate(attributes):
        yield from inside(f"attributes[{index}]", one_of(attribute, "type", "S", "N", "B"))
    if missing := used - declared:
        yield Problem(
            "attributes", f"{', '.join(sorted(map(str, missing)))}: a key without an entry in attributes"
        )
    if spare := declared - used:
        yield Problem(
            "attributes", f"{', '.join(sorted(spare))}: no key of the table or of an index; leave it out"
        )
    if known(inputs, "ttl.enabled") and not known(inputs, "ttl.attributeName"):
        yield Problem("ttl.attributeName", "ttl is enabled and names no attribute")


def _trust_policy(inputs: Props) -> Iterator[Problem]:
    yield from within(inputs, "maxSessionDuration", 3600, 43_200, "seconds")
    name = known(inputs, "name")
    if isinstance(name, str) and not re.fullmatch(r"[\w+=,.@-]{1,64}", name):
        yield Problem("name", f"{name!r}: a role's name has at most 64 letters, digits and + = , . @ - _")
    document = known_json(inputs, "assumeRolePolicy")
    if document is None:
        return
    statements = _statements(document)
    if not statements:
        yield Problem("assumeRolePolicy", "a trust policy is an object with at least one Statement")
    for statement in statements:
        if "Principal" not in statement or not ({"Action", "NotAction"} & statement.keys()):
            yield Problem(
                "assumeRolePolicy", "each statement of a trust policy has a Principal and an Action"
            )
        if "Resource" in statement:
            yield Problem("assumeRolePolicy", "a statement of a trust policy has no Resource")


RULES: Final[dict[str, tuple[Rule, ...]]] = {
    "aws:sqs/queue:Queue": (
        Rule("sqs-attribute-ranges", _queue_ranges),
        Rule("sqs-queue-name", _queue_name),
        Rule("sqs-fifo-only", _fifo_only),
        Rule("sqs-fifo-throughput", _fifo_throughput),
        Rule("sqs-two-encryptions", _two_encryptions),
        Rule("sqs-max-receive-count", _max_receive_count),
        Rule("sqs-redrive-target", _redrive_target),
        Rule("sqs-redrive-allow-policy", _redrive_allow),
    ),
    "aws:sqs/redrivePolicy:RedrivePolicy": (
        Rule("sqs-max-receive-count", _max_receive_count),
        Rule("sqs-redrive-target", _redrive_target),
    ),
    "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy": (Rule("sqs-redrive-allow-policy", _redrive_allow),),
    "aws:s3/bucket:Bucket": (Rule("s3-bucket-name", _bucket_name),),
    "aws:s3/bucketPolicy:BucketPolicy": (Rule("s3-policy-other-bucket", _policy_other_bucket),),
    "aws:s3/bucketVersioning:BucketVersioning": (Rule("s3-values", _s3_values),),
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": (Rule("s3-values", _s3_values),),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": (Rule("s3-values", _s3_values),),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": (
        Rule("s3-values", _s3_values),
    ),
    "aws:dynamodb/table:Table": (Rule("dynamodb-attributes", _table_attributes),),
    "aws:iam/role:Role": (Rule("iam-trust-policy", _trust_policy),),
}
