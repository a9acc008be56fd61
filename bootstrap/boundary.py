"""The most that a role of any environment may ever do, whoever wrote its policies."""

from __future__ import annotations

from typing import Any

from bootstrap.reading import ARTIFACTS, PAGES
from bootstrap.scope import PROJECT, Scope, allow, document

METRICS = "Trawler"
"""CloudWatch namespace of the workers' and machines' metrics."""


def boundary(scope: Scope) -> dict[str, Any]:
    """What masters, agents and Spot Fleet need between them; nothing of IAM but handing over the stacks' own roles.

    Args:
        scope: every stack of the account.
    """
    group = scope.arn("logs", f"log-group:/{PROJECT}/{scope.stack}/*")
    return document(
        allow(
            "Queues",
            "sqs",
            [
                "ChangeMessageVisibility",
                "DeleteMessage",
                "GetQueueAttributes",
                "GetQueueUrl",
                "ReceiveMessage",
                "SendMessage",
            ],
            scope.named("sqs"),
        ),
        allow(
            "Tables",
            "dynamodb",
            [
                "BatchGetItem",
                "BatchWriteItem",
                "ConditionCheckItem",
                "DeleteItem",
                "DescribeTable",
                "GetItem",
                "PutItem",
                "Query",
                "UpdateItem",
            ],
            scope.named("dynamodb", "table/"),
        ),
        allow(
            "Objects",
            "s3",
            ["GetObject", "PutObject"],
            [f"arn:aws:s3:::{PAGES}/*"],
        ),
        allow("Releases", "s3", ["GetObject"], f"arn:aws:s3:::{ARTIFACTS}/releases/*.tar.gz"),
        allow(
            "Secrets",
            "secretsmanager",
            ["GetSecretValue"],
            scope.arn("secretsmanager", f"secret:{PROJECT}/{scope.stack}/*"),
        ),
        allow(
            "Logs",
            "logs",
            ["CreateLogStream", "DescribeLogStreams", "PutLogEvents"],
            [group, f"{group}:log-stream:*"],
        ),
        # The workers' image, where it is in the account's ECR. A token has no resource to name.
        allow("ImageToken", "ecr", ["GetAuthorizationToken"], "*"),
        allow("Image", "ecr", ["BatchGetImage", "GetDownloadUrlForLayer"], scope.arn("ecr", "repository/*")),
        # PutMetricData has no resource to name; the condition holds it to one namespace.
        allow(
            "Metrics",
            "cloudwatch",
            ["PutMetricData"],
            "*",
            {"StringEquals": {"cloudwatch:namespace": METRICS}},
        ),
        allow(
            "Fleet",
            "ec2",
            ["ModifySpotFleetRequest"],
            scope.ec2("spot-fleet-request"),
            scope.own,
        ),
        # Session Manager's agent: what AmazonSSMManagedInstanceCore allows, on the resources which that policy
        # names: the channels and messages of a machine have none.
        allow(
            "Channels",
            "ssmmessages",
            ["CreateControlChannel", "CreateDataChannel", "OpenControlChannel", "OpenDataChannel"],
            "*",
        ),
        allow(
            "Messages",
            "ec2messages",
            ["AcknowledgeMessage", "DeleteMessage", "FailMessage", "GetEndpoint", "GetMessages", "SendReply"],
            "*",
        ),
        allow("Inventory", "ssm", ["ListAssociations", "PutInventory"], "*"),
        allow(
            "Managed",
            "ssm",
            [
                "ListInstanceAssociations",
                "PutComplianceItems",
                "UpdateInstanceAssociationStatus",
                "UpdateInstanceInformation",
            ],
            scope.ec2("instance"),
        ),
        # Spot Fleet launches, tags and ends what the launch templates of the stacks say.
        # AWS has no resource to name for descriptions.
        allow("Look", "ec2", ["DescribeImages", "DescribeInstanceStatus", "DescribeSubnets"], "*"),
        allow(
            "Launch",
            "ec2",
            ["RequestSpotInstances", "RunInstances"],
            scope.ec2(
                "image",
                "instance",
                "launch-template",
                "network-interface",
                "security-group",
                "spot-instances-request",
                "subnet",
                "volume",
            ),
        ),
        allow(
            "Tag",
            "ec2",
            ["CreateTags"],
            scope.ec2("instance", "network-interface", "spot-instances-request", "volume"),
            {"StringEquals": {"ec2:CreateAction": ["RequestSpotInstances", "RunInstances"]}},
        ),
        allow("End", "ec2", ["TerminateInstances"], scope.ec2("instance"), scope.own),
        allow(
            "Pass",
            "iam",
            ["PassRole"],
            scope.iam("role"),
            {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}},
        ),
    )
