"""What a preview and a drift check read: descriptions of what the environments' program makes, and its state."""

from __future__ import annotations

from typing import Any

from bootstrap.scope import PROJECT, Scope, allow, document

ARTIFACTS = "storage-artifacts-*"
PAGES = "storage-pages-*"
"""Buckets have names by Pulumi: the logical name and a random suffix."""

_EC2 = [
    "DescribeAddresses",
    "DescribeAddressesAttribute",
    "DescribeAvailabilityZones",
    "DescribeImages",
    "DescribeInstanceCreditSpecifications",
    "DescribeInstances",
    "DescribeInstanceStatus",
    "DescribeInstanceTypes",
    "DescribeInternetGateways",
    "DescribeLaunchTemplates",
    "DescribeLaunchTemplateVersions",
    "DescribeNatGateways",
    "DescribeNetworkAcls",
    "DescribeNetworkInterfaces",
    "DescribePrefixLists",
    "DescribeRouteTables",
    "DescribeSecurityGroupRules",
    "DescribeSecurityGroups",
    "DescribeSpotFleetRequests",
    "DescribeSubnets",
    "DescribeTags",
    "DescribeVolumes",
    "DescribeVpcEndpoints",
    "DescribeVpcs",
]

_BUCKET = [
    "GetAccelerateConfiguration",
    "GetBucketAcl",
    "GetBucketCORS",
    "GetBucketLocation",
    "GetBucketLogging",
    "GetBucketObjectLockConfiguration",
    "GetBucketOwnershipControls",
    "GetBucketPolicy",
    "GetBucketPublicAccessBlock",
    "GetBucketRequestPayment",
    "GetBucketTagging",
    "GetBucketVersioning",
    "GetBucketWebsite",
    "GetEncryptionConfiguration",
    "GetLifecycleConfiguration",
    "GetReplicationConfiguration",
    "ListBucket",
    "ListTagsForResource",
]

_ROLE = [
    "GetRole",
    "GetRolePolicy",
    "ListAttachedRolePolicies",
    "ListInstanceProfilesForRole",
    "ListRolePolicies",
]


def buckets(suffix: str = "") -> list[str]:
    """The environments' buckets, or what is in them."""
    return [f"arn:aws:s3:::{name}{suffix}" for name in (ARTIFACTS, PAGES)]


def descriptions(scope: Scope) -> dict[str, Any]:
    """Reads that show how things are set, no message, item, page or secret among them."""
    return document(
        # AWS has no resource to name for these (Service Authorization Reference, of each service).
        allow("Ec2", "ec2", _EC2, "*"),
        allow(
            "Balancers",
            "elasticloadbalancing",
            [
                "DescribeCapacityReservation",
                "DescribeListenerAttributes",
                "DescribeListeners",
                "DescribeLoadBalancerAttributes",
                "DescribeLoadBalancers",
                "DescribeTags",
                "DescribeTargetGroupAttributes",
                "DescribeTargetGroups",
                "DescribeTargetHealth",
            ],
            "*",
        ),
        allow(
            "Scaling",
            "application-autoscaling",
            ["DescribeScalableTargets", "DescribeScalingPolicies", "DescribeScheduledActions"],
            "*",
        ),
        allow("Managed", "ssm", ["DescribeInstanceInformation"], "*"),
        allow("LogGroups", "logs", ["DescribeLogGroups"], "*"),
        allow("Subscriptions", "sns", ["GetSubscriptionAttributes"], "*"),
        allow("Zones", "route53", ["ListHostedZones", "ListHostedZonesByName", "ListHostedZonesByVPC"], "*"),
        # From here on each read names what it reads.
        allow(
            "Ec2Details",
            "ec2",
            ["DescribeInstanceAttribute", "DescribeSpotFleetInstances", "DescribeSpotFleetRequestHistory"],
            scope.ec2("instance", "spot-fleet-request"),
        ),
        allow(
            "ScalingTags",
            "application-autoscaling",
            ["ListTagsForResource"],
            scope.arn("application-autoscaling", "scalable-target/*"),
        ),
        allow(
            "Records",
            "route53",
            ["GetHostedZone", "ListResourceRecordSets", "ListTagsForResource"],
            "arn:aws:route53:::hostedzone/*",
        ),
        allow("RecordChanges", "route53", ["GetChange"], "arn:aws:route53:::change/*"),
        allow("Queues", "sqs", ["GetQueueAttributes", "GetQueueUrl", "ListQueueTags"], scope.named("sqs")),
        allow(
            "Tables",
            "dynamodb",
            ["DescribeContinuousBackups", "DescribeTable", "DescribeTimeToLive", "ListTagsOfResource"],
            scope.named("dynamodb", "table/"),
        ),
        allow("Buckets", "s3", _BUCKET, buckets()),
        # A release is public to the whole VPC; its stored checksum is compared, and what was deployed when is read.
        allow(
            "Releases",
            "s3",
            ["GetObject", "GetObjectAttributes"],
            [f"arn:aws:s3:::{ARTIFACTS}/releases/*", f"arn:aws:s3:::{ARTIFACTS}/deploys/*"],
        ),
        allow("Images", "ecr", ["DescribeImages"], scope.arn("ecr", "repository/*")),
        allow("Roles", "iam", _ROLE, scope.iam("role")),
        allow("Profiles", "iam", ["GetInstanceProfile"], scope.iam("instance-profile")),
        allow(
            "Logs",
            "logs",
            ["ListTagsForResource"],
            scope.arn("logs", f"log-group:/{PROJECT}/{scope.stack}/*"),
        ),
        allow(
            "Alarms",
            "cloudwatch",
            ["DescribeAlarms", "ListTagsForResource"],
            scope.arn("cloudwatch", "alarm:*"),
        ),
        allow(
            "Dashboards",
            "cloudwatch",
            ["GetDashboard"],
            scope.begun(f"arn:aws:cloudwatch::{scope.account}:dashboard/"),
        ),
        allow(
            "Rules",
            "events",
            ["DescribeRule", "ListTagsForResource", "ListTargetsByRule"],
            scope.begun(scope.arn("events", "rule/")),
        ),
        allow(
            "Topics",
            "sns",
            ["GetTopicAttributes", "ListSubscriptionsByTopic", "ListTagsForResource"],
            scope.begun(scope.arn("sns", "")),
        ),
        allow(
            "Budgets",
            "budgets",
            ["ListTagsForResource", "ViewBudget"],
            scope.begun(f"arn:aws:budgets::{scope.account}:budget/"),
        ),
    )


def state(scope: Scope, bucket_arn: str, key_arn: str) -> dict[str, Any]:
    """Reads of the stacks' state. A preview takes no lock and ignores those of others, so it writes nothing."""
    return document(
        # The backend lists the whole bucket when it is opened; names only.
        allow("Open", "s3", ["ListBucket"], bucket_arn),
        allow(
            "Read",
            "s3",
            ["GetObject"],
            [f"{bucket_arn}/.pulumi/meta.yaml", f"{bucket_arn}/.pulumi/stacks/{PROJECT}/{scope.stack}.json*"],
        ),
        allow("Decrypt", "kms", ["Decrypt", "DescribeKey"], key_arn),
    )
