"""What a deploy role may change: its own stack, by names, paths and tags. It deletes nothing that holds data."""

from __future__ import annotations

from typing import Any

from bootstrap.reading import ARTIFACTS, buckets
from bootstrap.scope import PROJECT, Scope, allow, document

ATTACHABLE = [
    "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore",
    "arn:aws:iam::aws:policy/service-role/AmazonEC2SpotFleetTaggingRole",
]
"""AWS's own policies that the environments' roles carry."""

TUNNEL = "AWS-StartPortForwardingSession"
"""Session Manager's document by which a runner reaches the private Marathon."""


def balancing(scope: Scope) -> dict[str, Any]:
    """Load balancer, scaling, names and the way into the VPC."""
    balancers = [
        scope.arn("elasticloadbalancing", f"{kind}/*")
        for kind in ("listener/app", "loadbalancer/app", "targetgroup")
    ]
    scalable = scope.arn("application-autoscaling", "scalable-target/*")
    zones = "arn:aws:route53:::hostedzone/*"
    return document(
        allow(
            "MakeBalancer",
            "elasticloadbalancing",
            ["AddTags", "CreateListener", "CreateLoadBalancer", "CreateTargetGroup"],
            balancers,
            scope.made,
        ),
        allow(
            "ChangeBalancer",
            "elasticloadbalancing",
            [
                "AddTags",
                "CreateListener",
                "DeleteListener",
                "DeleteLoadBalancer",
                "DeleteTargetGroup",
                "DeregisterTargets",
                "ModifyListener",
                "ModifyListenerAttributes",
                "ModifyLoadBalancerAttributes",
                "ModifyTargetGroup",
                "ModifyTargetGroupAttributes",
                "RegisterTargets",
                "RemoveTags",
                "SetSecurityGroups",
                "SetSubnets",
            ],
            balancers,
            scope.own,
        ),
        # A target's ARN ends in an id of AWS's own choice; only fleets are meant.
        allow(
            "Scale",
            "application-autoscaling",
            [
                "DeleteScalingPolicy",
                "DeleteScheduledAction",
                "DeregisterScalableTarget",
                "PutScalingPolicy",
                "PutScheduledAction",
                "RegisterScalableTarget",
                "TagResource",
                "UntagResource",
            ],
            scalable,
        ),
        # A zone has no ARN before it is made, and its id is AWS's choice. Records are held to the stack's names.
        allow("MakeZone", "route53", ["CreateHostedZone"], "*", _vpc_zone()),
        allow(
            "Records",
            "route53",
            ["ChangeResourceRecordSets"],
            zones,
            {
                "ForAllValues:StringLike": {
                    "route53:ChangeResourceRecordSetsNormalizedRecordNames": [
                        f"{scope.stack}.{scope.domain}",
                        f"*.{scope.stack}.{scope.domain}",
                    ]
                }
            },
        ),
        allow("Zones", "route53", ["ChangeTagsForResource", "UpdateHostedZoneComment"], zones),
        # Tags decide which machines a session may reach (Session Manager, additional sample policies).
        allow(
            "Tunnel",
            "ssm",
            ["StartSession"],
            scope.arn("ec2", "instance/*"),
            {"StringLike": {"ssm:resourceTag/Project": PROJECT, "ssm:resourceTag/Stack": scope.stack}},
        ),
        allow("TunnelDocument", "ssm", ["StartSession"], f"arn:aws:ssm:{scope.region}::document/{TUNNEL}"),
        allow(
            "EndTunnel",
            "ssm",
            ["ResumeSession", "TerminateSession"],
            scope.arn("ssm", "session/${aws:userid}-*"),
        ),
    )


def _vpc_zone() -> dict[str, Any]:
    # Only a private zone names a VPC when it is made.
    return {"Null": {"route53:VPCs": "false"}}


def data(scope: Scope) -> dict[str, Any]:
    """Queues, tables, buckets, logs, alarms: made and set, never deleted with what they hold."""
    own_logs = scope.arn("logs", f"log-group:/{PROJECT}/{scope.stack}/*")
    topics = scope.begun(scope.arn("sns", ""))
    return document(
        allow(
            "Queues",
            "sqs",
            ["CreateQueue", "SetQueueAttributes", "TagQueue", "UntagQueue"],
            scope.named("sqs"),
        ),
        allow(
            "Tables",
            "dynamodb",
            [
                "CreateTable",
                "TagResource",
                "UntagResource",
                "UpdateContinuousBackups",
                "UpdateTable",
                "UpdateTimeToLive",
            ],
            scope.named("dynamodb", "table/"),
        ),
        allow(
            "Buckets",
            "s3",
            [
                "CreateBucket",
                "PutBucketOwnershipControls",
                "PutBucketPolicy",
                "PutBucketPublicAccessBlock",
                "PutBucketTagging",
                "PutBucketVersioning",
                "PutEncryptionConfiguration",
                "PutLifecycleConfiguration",
            ],
            buckets(),
        ),
        allow(
            "Releases",
            "s3",
            ["PutObject"],
            [f"arn:aws:s3:::{ARTIFACTS}/releases/*", f"arn:aws:s3:::{ARTIFACTS}/deploys/{scope.stack}/*"],
        ),
        allow(
            "Logs",
            "logs",
            ["CreateLogGroup", "DeleteRetentionPolicy", "PutRetentionPolicy", "TagResource", "UntagResource"],
            own_logs,
        ),
        allow(
            "Alarms",
            "cloudwatch",
            ["DeleteAlarms", "PutCompositeAlarm", "PutMetricAlarm", "TagResource", "UntagResource"],
            scope.begun(scope.arn("cloudwatch", "alarm:")),
        ),
        allow(
            "Dashboards",
            "cloudwatch",
            ["DeleteDashboards", "PutDashboard"],
            scope.begun(f"arn:aws:cloudwatch::{scope.account}:dashboard/"),
        ),
        allow(
            "Rules",
            "events",
            ["DeleteRule", "PutRule", "PutTargets", "RemoveTargets", "TagResource", "UntagResource"],
            scope.begun(scope.arn("events", "rule/")),
        ),
        allow(
            "Topics",
            "sns",
            ["CreateTopic", "DeleteTopic", "SetTopicAttributes", "Subscribe", "TagResource", "UntagResource"],
            topics,
        ),
        # A subscription is not a resource of IAM's.
        allow("Subscriptions", "sns", ["SetSubscriptionAttributes", "Unsubscribe"], "*"),
        allow(
            "Budgets",
            "budgets",
            ["ModifyBudget", "TagResource", "UntagResource"],
            scope.begun(f"arn:aws:budgets::{scope.account}:budget/"),
        ),
        # Marathon's credentials alone; the Mesos ones are the machines'.
        allow(
            "Marathon",
            "secretsmanager",
            ["GetSecretValue"],
            scope.arn("secretsmanager", f"secret:{PROJECT}/{scope.stack}/marathon-??????"),
        ),
    )


def roles(scope: Scope, boundary_arn: str | None) -> dict[str, Any]:
    """Roles of the stack's machines: below its path, within the boundary, handed to EC2 and Spot Fleet alone."""
    role, profile = scope.iam("role"), scope.iam("instance-profile")
    within = {"StringEquals": {"iam:PermissionsBoundary": boundary_arn}} if boundary_arn else None
    attached: dict[str, Any] = {"ArnEquals": {"iam:PolicyARN": ATTACHABLE}}
    return document(
        allow("Make", "iam", ["CreateRole", "PutRolePermissionsBoundary", "PutRolePolicy"], role, within),
        allow("Attach", "iam", ["AttachRolePolicy"], role, {**attached, **(within or {})}),
        allow(
            "Change",
            "iam",
            [
                "DeleteRole",
                "DeleteRolePolicy",
                "DetachRolePolicy",
                "TagRole",
                "UntagRole",
                "UpdateAssumeRolePolicy",
                "UpdateRole",
            ],
            role,
        ),
        allow(
            "Profiles",
            "iam",
            [
                "AddRoleToInstanceProfile",
                "CreateInstanceProfile",
                "DeleteInstanceProfile",
                "RemoveRoleFromInstanceProfile",
                "TagInstanceProfile",
                "UntagInstanceProfile",
            ],
            profile,
        ),
        allow(
            "Pass",
            "iam",
            ["PassRole"],
            role,
            {"StringEquals": {"iam:PassedToService": ["ec2.amazonaws.com", "spotfleet.amazonaws.com"]}},
        ),
        *(
            allow(
                f"ServiceLinked{i}",
                "iam",
                ["CreateServiceLinkedRole"],
                f"arn:aws:iam::{scope.account}:role/aws-service-role/{service}/*",
                {"StringEquals": {"iam:AWSServiceName": service}},
            )
            for i, service in enumerate(
                (
                    "ec2.application-autoscaling.amazonaws.com",
                    "elasticloadbalancing.amazonaws.com",
                    # By it an alarm recovers an instance (CloudWatch User Guide, alarm actions on EC2 instances).
                    "events.amazonaws.com",
                    "spot.amazonaws.com",
                    "spotfleet.amazonaws.com",
                )
            )
        ),
    )


def state(scope: Scope, bucket_arn: str, key_arn: str) -> dict[str, Any]:
    """The stack's own state, its lock, history and backups."""
    pulumi = f"{bucket_arn}/.pulumi"
    own = [
        f"{pulumi}/stacks/{PROJECT}/{scope.stack}.json*",
        f"{pulumi}/history/{PROJECT}/{scope.stack}/*",
        f"{pulumi}/backups/{PROJECT}/{scope.stack}/*",
        f"{pulumi}/locks/organization/{PROJECT}/{scope.stack}/*",
    ]
    return document(
        # The backend lists the whole bucket when it is opened; names only.
        allow("Open", "s3", ["ListBucket"], bucket_arn),
        allow("Layout", "s3", ["GetObject"], f"{pulumi}/meta.yaml"),
        allow("Write", "s3", ["DeleteObject", "GetObject", "PutObject"], own),
        allow("Encrypt", "kms", ["Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey"], key_arn),
    )
