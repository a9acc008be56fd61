"""One role for each kind of thing, each with just what it needs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi import ComponentResource, Input, Output, ResourceOptions
from pulumi_aws import dynamodb, iam, s3

from infra.logs import log_group
from infra.queues import StageQueue
from infra.settings import ExistingCluster, ImageSettings, ManagedCluster
from infra.storage_names import RELEASES, TARBALL

FLEET_POLICY = "arn:aws:iam::aws:policy/service-role/AmazonEC2SpotFleetTaggingRole"
SESSION_MANAGER_POLICY = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"


@dataclass(frozen=True)
class Reach:
    """What the machines' policies name: ARNs are built from it where a resource is not of this stack."""

    region: str
    account: Input[str]
    stack: str
    metric_namespace: str


class Identity(ComponentResource):
    """One role for each kind of machine, and Spot Fleet's own; each role within the permissions boundary, if any.

    All tasks of an agent share its profile, so it holds what the workers need and nothing more: their queues,
    their two tables, the pages bucket, reading releases, publishing Trawler's metrics, and what the node itself
    needs: its log groups, the agents' Mesos credential, the workers' image (docs/threat-model.md). Roles have the
    path `/<project>/<stack>/`, by which whoever deploys is held to them. Idle cost: none.
    """

    master_profile: iam.InstanceProfile | None = None

    def __init__(
        self,
        name: str,
        cluster: ManagedCluster | ExistingCluster,
        reach: Reach,
        queues: Mapping[str, StageQueue],
        tables: list[dynamodb.Table],
        artifacts: s3.Bucket,
        pages: s3.Bucket,
        boundary_arn: str | None = None,
        *,
        image: ImageSettings = ImageSettings(),  # noqa: B008  immutable
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("trawler:infra:Identity", name, {}, opts)
        self._name, self._boundary = name, boundary_arn
        self._path = f"/{pulumi.get_project()}/{reach.stack}/"
        self.fleet_role = self._role("fleet", "spotfleet.amazonaws.com")
        # AWS's own policy: what a Spot Fleet may do is AWS's to know, and tagging needs this one.
        self._attach("fleet-tagging", self.fleet_role, FLEET_POLICY)

        self.agent_role = self._role("agent", "ec2.amazonaws.com")
        self._attach("agent-session-manager", self.agent_role, SESSION_MANAGER_POLICY)
        self._policy(
            "agent-workers",
            self.agent_role,
            Output.all(
                queues=[q.main.arn for q in queues.values()],
                dead=[q.dead.arn for q in queues.values()],
                tables=[t.arn for t in tables],
                artifacts=artifacts.arn,
                pages=pages.arn,
            ).apply(worker_policy),
        )
        secrets = _present(cluster.agent_secret, image.pull_secret)
        self._node("agent", self.agent_role, reach, ("agents", "tasks"), secrets)
        if image.ecr_registry:
            self._policy("agent-image", self.agent_role, Output.from_input(pull_policy(image)))
        self.agent_profile = self._profile("agent", self.agent_role)
        if isinstance(cluster, ManagedCluster):
            role = self._role("master", "ec2.amazonaws.com")
            self._attach("master-session-manager", role, SESSION_MANAGER_POLICY)
            secrets = [cluster.credentials_secret, cluster.agent_secret, cluster.framework_secret]
            self._node("master", role, reach, ("masters",), secrets)
            self.master_profile = self._profile("master", role)
        self.register_outputs({"agentProfile": self.agent_profile.arn})

    def _node(
        self, kind: str, role: iam.Role, reach: Reach, log_groups: Sequence[str], secrets: Sequence[str]
    ) -> None:
        self._policy(
            f"{kind}-node",
            role,
            Output.from_input(reach.account).apply(
                lambda account: node_policy(reach, account, log_groups, secrets)
            ),
        )

    def _role(self, kind: str, service: str) -> iam.Role:
        return iam.Role(
            f"{self._name}-{kind}",
            path=self._path,
            assume_role_policy=_trust(service),
            permissions_boundary=self._boundary,
            opts=ResourceOptions(parent=self),
        )

    def _attach(self, kind: str, role: iam.Role, policy_arn: str) -> iam.RolePolicyAttachment:
        return iam.RolePolicyAttachment(
            f"{self._name}-{kind}", role=role.name, policy_arn=policy_arn, opts=ResourceOptions(parent=self)
        )

    def _policy(self, kind: str, role: iam.Role, document: Output[dict[str, Any]]) -> None:
        iam.RolePolicy(
            f"{self._name}-{kind}",
            role=role.id,
            policy=Output.json_dumps(document),
            opts=ResourceOptions(parent=self),
        )

    def _profile(self, kind: str, role: iam.Role) -> iam.InstanceProfile:
        return iam.InstanceProfile(
            f"{self._name}-{kind}-profile", path=self._path, role=role.name, opts=ResourceOptions(parent=self)
        )


def _present(*names: str | None) -> list[str]:
    return [name for name in names if name]


def node_policy(
    reach: Reach, account: str, log_groups: Sequence[str], secrets: Sequence[str]
) -> dict[str, Any]:
    """What a machine needs for itself, beside Session Manager: metrics, logs, its credentials.

    Args:
        reach: region, stack and metric namespace.
        account: account id.
        log_groups: kinds of log groups the machine writes.
        secrets: names of the Secrets Manager entries it reads at boot.
    """
    prefix = f"arn:aws:logs:{reach.region}:{account}:log-group:"
    groups = [f"{prefix}{log_group(reach.stack, kind)}:*" for kind in log_groups]
    statements = [
        _allow("Logs", ["CreateLogStream", "DescribeLogStreams", "PutLogEvents"], "logs", groups),
        {
            # PutMetricData has no resource to name; the condition holds it to one namespace
            # (Service Authorization Reference, Amazon CloudWatch).
            **_allow("Metrics", ["PutMetricData"], "cloudwatch", "*"),
            "Condition": {"StringEquals": {"cloudwatch:namespace": reach.metric_namespace}},
        },
    ]
    if secrets:
        # An entry's ARN ends in six characters of AWS's own choice (Secrets Manager User Guide).
        arns = [
            f"arn:aws:secretsmanager:{reach.region}:{account}:secret:{name}-??????"
            for name in sorted(secrets)
        ]
        statements.append(_allow("Credentials", ["GetSecretValue"], "secretsmanager", arns))
    return {"Version": "2012-10-17", "Statement": statements}


def pull_policy(image: ImageSettings) -> dict[str, Any]:
    """Pulling the workers' image from Amazon ECR, and no other.

    Args:
        image: its repository is one of ECR's, `<account>.dkr.ecr.<region>.amazonaws.com/<name>`.
    """
    host, _, name = image.repository.partition("/")
    account, region = host.split(".")[0], host.split(".")[3]
    arn = f"arn:aws:ecr:{region}:{account}:repository/{name}"
    return {
        "Version": "2012-10-17",
        "Statement": [
            # A token for whatever else the role may do; it has no resource to name (Service Authorization Reference).
            _allow("ImageToken", ["GetAuthorizationToken"], "ecr", "*"),
            _allow("Image", ["BatchGetImage", "GetDownloadUrlForLayer"], "ecr", arn),
        ],
    }


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
            _allow("Releases", ["GetObject"], "s3", f"{arns['artifacts']}/{RELEASES}/*{TARBALL}"),
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
