"""One role for each kind of thing, each with just what it needs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi import ComponentResource, Output, ResourceOptions
from pulumi_aws import dynamodb, iam, s3

from infra.queues import StageQueue
from infra.storage import RELEASES

FLEET_POLICY = "arn:aws:iam::aws:policy/service-role/AmazonEC2SpotFleetTaggingRole"
SESSION_MANAGER_POLICY = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"


class Identity(ComponentResource):
    """The Spot Fleet's role, and the agents' role with its instance profile.

    All tasks of an agent share its profile, so it holds what the workers need and nothing more: their queues,
    their two tables, the pages bucket, and reading releases. Idle cost: none.
    """

    def __init__(
        self,
        name: str,
        queues: Mapping[str, StageQueue],
        tables: list[dynamodb.Table],
        artifacts: s3.Bucket,
        pages: s3.Bucket,
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("trawler:infra:Identity", name, {}, opts)
        parent = ResourceOptions(parent=self)
        self.fleet_role = iam.Role(
            f"{name}-fleet", assume_role_policy=_trust("spotfleet.amazonaws.com"), opts=parent
        )
        # AWS's own policy: what a Spot Fleet may do is AWS's to know, and tagging needs this one.
        self.fleet_policy = iam.RolePolicyAttachment(
            f"{name}-fleet-tagging", role=self.fleet_role.name, policy_arn=FLEET_POLICY, opts=parent
        )
        self.agent_role = iam.Role(
            f"{name}-agent", assume_role_policy=_trust("ec2.amazonaws.com"), opts=parent
        )
        iam.RolePolicyAttachment(
            f"{name}-agent-session-manager",
            role=self.agent_role.name,
            policy_arn=SESSION_MANAGER_POLICY,
            opts=parent,
        )
        iam.RolePolicy(
            f"{name}-agent-workers",
            role=self.agent_role.id,
            policy=Output.all(
                queues=[q.main.arn for q in queues.values()],
                dead=[q.dead.arn for q in queues.values()],
                tables=[t.arn for t in tables],
                artifacts=artifacts.arn,
                pages=pages.arn,
            ).apply(lambda arns: json.dumps(worker_policy(arns))),
            opts=parent,
        )
        self.agent_profile = iam.InstanceProfile(
            f"{name}-agent-profile", role=self.agent_role.name, opts=parent
        )
        self.register_outputs({"agentProfile": self.agent_profile.arn})


def worker_policy(arns: Mapping[str, Any]) -> dict[str, Any]:
    """What the workers may do, by resource.

    Args:
        arns: `queues`, `dead` and `tables` as lists of ARNs, `artifacts` and `pages` as bucket ARNs.
    """
    tables: list[str] = arns["tables"]
    return {
        "Version": "2012-10-17",
        "Statement": [
            _allow(
                "Queues",
                ["ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility", "SendMessage"],
                "sqs",
                arns["queues"],
            ),
            # Poison is sent with its reason; only an operator takes it out again.
            _allow("DeadLetters", ["SendMessage"], "sqs", arns["dead"]),
            _allow(
                "Tables",
                ["BatchGetItem", "ConditionCheckItem", "GetItem", "PutItem", "Query", "UpdateItem"],
                "dynamodb",
                [*tables, *(f"{table}/index/*" for table in tables)],
            ),
            _allow("Pages", ["GetObject", "PutObject"], "s3", f"{arns['pages']}/*"),
            _allow("Releases", ["GetObject"], "s3", f"{arns['artifacts']}/{RELEASES}/*"),
        ],
    }


def _allow(sid: str, actions: list[str], service: str, resource: str | list[str]) -> dict[str, Any]:
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Action": [f"{service}:{action}" for action in actions],
        "Resource": resource,
    }


def _trust(service: str) -> pulumi.Input[str]:
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}],
        }
    )
