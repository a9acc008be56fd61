"""Actions that AWS defines without a resource type: only `*` can stand as their resource.

Source: Service Authorization Reference, the "Actions" table of each service, read for the actions listed here.
An action that is missing is refused with `*`: look it up there before adding it.
"""

from __future__ import annotations

UNSCOPED: dict[str, tuple[str, ...]] = {
    # Amazon CloudWatch. Hold PutMetricData to a namespace by the condition key cloudwatch:namespace.
    "cloudwatch": ("PutMetricData", "GetMetricData", "GetMetricStatistics", "ListMetrics"),
    # Amazon EC2
    "ec2": (
        "DescribeAvailabilityZones",
        "DescribeImages",
        "DescribeInstances",
        "DescribeInstanceStatus",
        "DescribeInstanceTypes",
        "DescribeLaunchTemplates",
        "DescribeLaunchTemplateVersions",
        "DescribeNetworkInterfaces",
        "DescribeRegions",
        "DescribeSecurityGroups",
        "DescribeSpotPriceHistory",
        "DescribeSubnets",
        "DescribeTags",
        "DescribeVolumes",
        "DescribeVpcs",
    ),
    # Amazon Message Delivery Service, which Session Manager's agent falls back to
    "ec2messages": (
        "AcknowledgeMessage",
        "DeleteMessage",
        "FailMessage",
        "GetEndpoint",
        "GetMessages",
        "SendReply",
    ),
    # Amazon Elastic Container Registry
    "ecr": ("GetAuthorizationToken",),
    # AWS Price List
    "pricing": ("DescribeServices", "GetAttributeValues", "GetProducts"),
    # Amazon S3
    "s3": ("ListAllMyBuckets",),
    # Amazon SQS
    "sqs": ("ListQueues",),
    # Amazon Session Manager Message Gateway Service
    "ssmmessages": ("CreateControlChannel", "CreateDataChannel", "OpenControlChannel", "OpenDataChannel"),
    # AWS Security Token Service
    "sts": ("GetCallerIdentity",),
}


def is_unscoped(action: str) -> bool:
    """Whether `*` is the only resource an action can have. Names of actions do not mind case."""
    service, _, name = action.partition(":")
    return name.lower() in (a.lower() for a in UNSCOPED.get(service.lower(), ()))
