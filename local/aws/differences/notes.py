"""Warnings for what is stored and has no effect here, shown beside the resource when it is made."""

from __future__ import annotations

import json
from typing import Any, Final

from local.aws.differences.policies import enforceable_policy
from local.aws.provider.wire import Props

_STORED: Final = {
    "aws:sqs/queuePolicy:QueuePolicy": "the local SQS stores queue policies and does not enforce them",
    "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy": (
        "the local SQS stores redrive allow policies and does not enforce them"
    ),
    "aws:cloudwatch/metricAlarm:MetricAlarm": "the local CloudWatch stores alarms and does not evaluate them",
    "aws:appautoscaling/policy:Policy": "the local Application Auto Scaling stores policies and does not act on them",
    "aws:appautoscaling/scheduledAction:ScheduledAction": (
        "the local Application Auto Scaling stores scheduled actions and does not act on them"
    ),
    "aws:lb/listener:Listener": "the local load balancer passes nothing on, and calls every target healthy",
    "aws:route53/zone:Zone": "the local Route 53 stores records and answers no DNS query",
    "aws:cloudwatch/eventTarget:EventTarget": "the local EventBridge passes events of EC2 to nobody",
    "aws:sns/topicSubscription:TopicSubscription": (
        "the local SNS sends no mail, and takes a subscription for confirmed at once"
    ),
    "aws:budgets/budget:Budget": "the local Budgets counts no cost and tells nobody",
    "aws:kms/key:Key": "the local KMS stores keys, and nothing here is encrypted with them",
}


def notes(token: str, inputs: Props) -> list[str]:
    """What to tell the person about a new resource: it works here otherwise than on AWS."""
    if token == "aws:s3/bucketPolicy:BucketPolicy":  # noqa: S105 - a resource type
        return _conditional_statements(inputs.get("policy"))
    return [_STORED[token]] if token in _STORED else []


def _conditional_statements(policy: Any) -> list[str]:
    statements: Any = json.loads(policy).get("Statement", [])
    given: list[dict[str, Any]] = statements if isinstance(statements, list) else [statements]
    conditional = [statement for statement in given if statement.get("Condition")]
    if not conditional:
        return []
    kept = enforceable_policy(policy)
    left_out = len(given) - (len(kept["Statement"]) if kept else 0)
    opened = len(conditional) - left_out
    notes = []
    if left_out:
        notes.append(
            f"the local S3 cannot evaluate conditions: {left_out} statement(s) with Condition are kept in state only"
        )
    if opened:
        notes.append(
            f"{opened} statement(s) for a VPC endpoint apply to everybody: this machine stands for the VPC"
        )
    return notes
