"""What the break-glass administrator may do beyond a deploy role: delete what holds data, repair state."""

from __future__ import annotations

from typing import Any

from bootstrap.reading import buckets
from bootstrap.scope import PROJECT, Scope, allow, document


def deletions(scope: Scope, bucket_arn: str, key_arn: str) -> dict[str, Any]:
    """Deletion of what holds data or work, older versions of the state, and the machines' credentials.

    Neither the state bucket nor its key can be deleted with this: that needs the account's own administrators.

    Args:
        scope: every stack of the account.
        bucket_arn: the state bucket.
        key_arn: its key.
    """
    return document(
        allow("Queues", "sqs", ["DeleteQueue", "PurgeQueue"], scope.named("sqs")),
        allow("Tables", "dynamodb", ["CreateBackup", "DeleteTable"], scope.named("dynamodb", "table/")),
        allow("Buckets", "s3", ["DeleteBucket", "DeleteBucketPolicy", "ListBucketVersions"], buckets()),
        allow("Objects", "s3", ["DeleteObject", "DeleteObjectVersion", "GetObjectVersion"], buckets("/*")),
        allow("Volumes", "ec2", ["DeleteVolume"], scope.ec2("volume"), scope.own),
        allow("Logs", "logs", ["DeleteLogGroup"], scope.arn("logs", f"log-group:/{PROJECT}/{scope.stack}/*")),
        allow("Zones", "route53", ["DeleteHostedZone"], "arn:aws:route53:::hostedzone/*"),
        allow(
            "Credentials",
            "secretsmanager",
            ["CreateSecret", "DescribeSecret", "PutSecretValue", "UpdateSecret"],
            scope.arn("secretsmanager", f"secret:{PROJECT}/{scope.stack}/*"),
        ),
        allow("StateVersions", "s3", ["ListBucketVersions"], bucket_arn),
        allow(
            "State",
            "s3",
            ["DeleteObject", "GetObject", "GetObjectVersion", "PutObject"],
            f"{bucket_arn}/.pulumi/*",
        ),
        allow("StateKey", "kms", ["Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey"], key_arn),
    )
