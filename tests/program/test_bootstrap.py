"""The account's preparation: what is registered, who may become whom, and what each may do."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import runpy
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml
from pulumi.runtime import mocks, rpc
from pulumi.runtime.config import set_all_config

from bootstrap.errors import SettingsError
from bootstrap.roles import POLICY_LIMIT
from bootstrap.run import next_steps
from bootstrap.settings import NAMESPACE, parse
from tests.program.engine import ACCOUNT, ROOT, Program, Registered, plain, run

FOLDER = ROOT / "bootstrap"
POLICY, ROLE = "aws:iam/policy:Policy", "aws:iam/role:Role"
ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
REPOSITORY = "repo:example-org/trawler"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/trawler-bootstrap/trawler-boundary"
ACTIONS: dict[str, list[str]] = json.loads((Path(__file__).parent / "iam_actions.json").read_text())[
    "actions"
]
"""Action → kinds of resource a policy can name for it, from AWS's Service Authorization Reference."""


class _Account(mocks.Mocks):
    """Answers as AWS would, for one account."""

    def __init__(self, account: str) -> None:
        self.account = account

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        outputs, name = dict(args.inputs), args.inputs.get("name") or args.name
        path = args.inputs.get("path", "/")
        arns = {
            ROLE: f"arn:aws:iam::{ACCOUNT}:role{path}{name}",
            POLICY: f"arn:aws:iam::{ACCOUNT}:policy{path}{name}",
            "aws:s3/bucket:Bucket": f"arn:aws:s3:::{args.inputs.get('bucket')}",
            "aws:kms/key:Key": f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234",
        }
        outputs["arn"] = arns.get(args.typ, f"arn:aws:iam::{ACCOUNT}:{args.name}")
        outputs.setdefault("name", name)
        outputs.setdefault("keyId", "1234")
        return name, outputs

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        assert args.token == "aws:index/getCallerIdentity:getCallerIdentity"
        return {"accountId": self.account}, []


class _Monitor(mocks.MockMonitor):
    def __init__(self, answers: mocks.Mocks, program: Program) -> None:
        super().__init__(answers)
        self._program = program

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802  the engine's method
        inputs = plain(rpc.deserialize_properties(request.object))
        self._program.resources.append(Registered(request.type, request.name, inputs, request))
        return super().RegisterResource(request)


def config(**changed: Any) -> dict[str, str]:
    """The tracked configuration as the engine hands it over, with changes; None takes a key out."""
    tracked: dict[str, Any] = yaml.safe_load((FOLDER / "Pulumi.main.yaml").read_text())["config"]
    tracked |= {f"{NAMESPACE}:{key}": value for key, value in changed.items()}
    return {k: v if isinstance(v, str) else json.dumps(v) for k, v in tracked.items() if v is not None}


def bootstrapped(account: str = ACCOUNT, **changed: Any) -> Program:
    """Everything that one run of the program registered."""
    # A thread, an event loop and a context of this run's own: the SDK keeps its settings in them.
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(_registered, account, config(**changed)).result()


def _registered(account: str, given: dict[str, str]) -> Program:
    program, answers = Program(), _Account(account)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    mocks.set_mocks(answers, project=NAMESPACE, stack="main", monitor=_Monitor(answers, program))
    set_all_config(given)

    def start() -> None:
        runpy.run_path(str(FOLDER / "__main__.py"), run_name="__main__")

    with contextlib.chdir(FOLDER), contextlib.closing(loop):
        mocks.test(start)()
    return program


@pytest.fixture(scope="module")
def account() -> Program:
    """The program with its tracked configuration, run once for the tests that only read."""
    return bootstrapped()


def policy(program: Program, name: str) -> dict[str, dict[str, Any]]:
    """Statement by its Sid, of the managed policy with that physical name."""
    found = [p for p in program.of(POLICY) if p.inputs["name"] == name]
    assert len(found) == 1, f"{len(found)} policies are named {name}"
    return {s["Sid"]: s for s in json.loads(found[0].inputs["policy"])["Statement"]}


def of_role(program: Program, role: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every statement that a role holds, with its policy's name."""
    for attachment in program.of(ATTACHMENT):
        if attachment.inputs["role"] == role:
            name = attachment.inputs["policyArn"].rsplit("/", 1)[-1]
            for statement in policy(program, name).values():
                yield name, statement


def actions(program: Program, role: str) -> set[str]:
    return {action for _, statement in of_role(program, role) for action in statement["Action"]}


def trust(program: Program, name: str) -> dict[str, Any]:
    role = next(r for r in program.of(ROLE) if r.inputs["name"] == name)
    [statement] = json.loads(role.inputs["assumeRolePolicy"])["Statement"]
    return statement


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def test_the_state_is_versioned_private_and_under_a_key_that_rotates(account: Program) -> None:
    assert account.named("state-bucket").inputs["bucket"] == f"trawler-state-{ACCOUNT}-us-east-1"
    assert account.named("state-versioning").inputs["versioningConfiguration"] == {"status": "Enabled"}
    block = account.named("state-public-access").inputs
    assert [block[k] for k in block if k != "bucket"] == [True] * 4
    [rule] = account.named("state-encryption").inputs["rules"]
    key = account.named("state-key").inputs
    assert rule["applyServerSideEncryptionByDefault"]["sseAlgorithm"] == "aws:kms"
    assert rule["applyServerSideEncryptionByDefault"]["kmsMasterKeyId"].endswith(":key/1234")
    assert key["enableKeyRotation"] is True


def test_the_state_cannot_be_read_or_written_without_tls_or_under_another_key(account: Program) -> None:
    statements = {
        s["Sid"]: s for s in json.loads(account.named("state-policy").inputs["policy"])["Statement"]
    }
    assert {s["Effect"] for s in statements.values()} == {"Deny"}
    assert statements["TlsOnly"]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert set(statements) == {"TlsOnly", "NoOtherKey", "NoOtherEncryption"}


def test_no_run_of_the_program_deletes_the_state_or_its_key(account: Program) -> None:
    for name in ("state-bucket", "state-key"):
        options = account.named(name).options
        assert options.protect, name
        assert options.retainOnDelete, name


def test_a_preview_trusts_pull_requests_and_the_main_branch_and_nothing_like_them(account: Program) -> None:
    statement = trust(account, "trawler-preview")
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert statement["Condition"] == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": [
                f"{REPOSITORY}:pull_request",
                f"{REPOSITORY}:ref:refs/heads/main",
            ],
        }
    }


def test_a_deploy_role_trusts_the_environment_of_its_own_stack_alone(account: Program) -> None:
    for stack in ("dev", "prod"):
        [condition] = trust(account, f"trawler-deploy-{stack}")["Condition"].values()
        assert condition["token.actions.githubusercontent.com:sub"] == [f"{REPOSITORY}:environment:{stack}"]


def test_subjects_carry_the_numbers_of_owner_and_repository_where_they_are_given() -> None:
    program = bootstrapped(repositoryIds={"owner": 12, "repository": 34})
    [condition] = trust(program, "trawler-deploy-prod")["Condition"].values()
    assert condition["token.actions.githubusercontent.com:sub"] == [
        "repo:example-org@12/trawler@34:environment:prod"
    ]


def test_the_administrator_is_a_person_with_a_second_factor(account: Program) -> None:
    statement = trust(account, "trawler-admin")
    assert statement["Principal"] == {"AWS": [f"arn:aws:iam::{ACCOUNT}:user/administrator"]}
    assert statement["Condition"]["Bool"] == {"aws:MultiFactorAuthPresent": "true"}
    assert "aws:MultiFactorAuthAge" in statement["Condition"]["NumericLessThan"]


def test_an_identity_provider_that_is_there_already_is_used() -> None:
    program = bootstrapped(oidcProvider="existing")
    assert program.of("aws:iam/openIdConnectProvider:OpenIdConnectProvider") == []
    assert trust(program, "trawler-preview")["Principal"] == {
        "Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"
    }


def test_every_action_is_one_that_aws_knows_and_none_is_a_wildcard(account: Program) -> None:
    used = {
        a for p in account.of(POLICY) for s in policy(account, p.inputs["name"]).values() for a in s["Action"]
    }
    assert used <= set(ACTIONS), sorted(used - set(ACTIONS))


def test_no_resource_is_a_wildcard_where_aws_lets_a_policy_name_one(account: Program) -> None:
    for made in account.of(POLICY):
        for sid, statement in policy(account, made.inputs["name"]).items():
            if "*" in listed(statement["Resource"]):
                could = [a for a in statement["Action"] if ACTIONS[a]]
                assert could == [], (made.inputs["name"], sid, could)


def test_every_action_is_allowed_on_a_resource_of_a_kind_it_has(account: Program) -> None:
    """`ec2:CreateVpc` on a subnet would allow nothing, in silence."""
    for made in account.of(POLICY):
        for sid, statement in policy(account, made.inputs["name"]).items():
            resources = listed(statement["Resource"])
            for action in statement["Action"]:
                kinds = ACTIONS[action]
                fits = resources == ["*"] if not kinds else any(_fits(r, kinds) for r in resources)
                assert fits, (made.inputs["name"], sid, action, kinds, resources)


def _fits(arn: str, kinds: list[str]) -> bool:
    """Whether an ARN pattern of a policy can be a resource of one of these ARN shapes."""
    arn = arn.replace("::document/AWS-", f":{ACCOUNT}:document/AWS-")  # AWS's own documents are of no account
    return any(fnmatchcase(kind, arn) or fnmatchcase(arn.replace("?", "x"), kind) for kind in kinds)


def test_policies_fit_into_what_iam_allows(account: Program) -> None:
    for made in account.of(POLICY):
        size = len("".join(made.inputs["policy"].split()))
        assert size <= POLICY_LIMIT, (made.inputs["name"], size)
    for role in account.of(ROLE):
        attached = [a for a in account.of(ATTACHMENT) if a.inputs["role"] == role.inputs["name"]]
        assert len(attached) <= 10, role.inputs["name"]


def test_a_preview_changes_nothing_and_reads_no_secret_message_item_or_page(account: Program) -> None:
    allowed = actions(account, "trawler-preview")
    assert {a.split(":")[1][:3] for a in allowed} <= {"Des", "Get", "Lis", "Vie", "Dec"}
    assert not allowed & {"secretsmanager:GetSecretValue", "sqs:ReceiveMessage", "dynamodb:GetItem"}
    objects = {
        r
        for _, s in of_role(account, "trawler-preview")
        if "s3:GetObject" in s["Action"]
        for r in listed(s["Resource"])
    }
    assert objects == {
        "arn:aws:s3:::storage-artifacts-*/releases/*",
        "arn:aws:s3:::storage-artifacts-*/deploys/*",
        f"arn:aws:s3:::trawler-state-{ACCOUNT}-us-east-1/.pulumi/meta.yaml",
        f"arn:aws:s3:::trawler-state-{ACCOUNT}-us-east-1/.pulumi/stacks/trawler/*.json*",
    }


def test_a_deployment_deletes_nothing_that_holds_data(account: Program) -> None:
    allowed = actions(account, "trawler-deploy-prod")
    held = {"DeleteBucket", "DeleteHostedZone", "DeleteLogGroup", "DeleteObjectVersion", "DeleteQueue"}
    held |= {"DeleteTable", "DeleteVolume", "PurgeQueue"}
    assert {a for a in allowed if a.split(":")[1] in held} == set()
    # The one thing it deletes is its own lock and state files, of which the bucket keeps every version.
    deletes = [s for _, s in of_role(account, "trawler-deploy-prod") if "s3:DeleteObject" in s["Action"]]
    assert [s["Sid"] for s in deletes] == ["Write"]


def test_a_deployment_of_one_stack_reaches_neither_another_nor_the_roles_made_here(account: Program) -> None:
    for name, statement in of_role(account, "trawler-deploy-dev"):
        if name == "trawler-describe":
            continue
        text = json.dumps(statement)
        assert "prod" not in text.replace("product", ""), (name, statement)
        assert "trawler-bootstrap/" not in json.dumps(statement["Resource"]), (name, statement)
    state = policy(account, "trawler-deploy-dev-state")["Write"]["Resource"]
    assert all("/trawler/dev" in r for r in state)


def test_a_deployment_makes_roles_below_its_path_and_within_the_boundary_only(account: Program) -> None:
    roles = policy(account, "trawler-deploy-prod-roles")
    path = f"arn:aws:iam::{ACCOUNT}:role/trawler/prod/*"
    assert roles["Make"]["Resource"] == path
    assert {"iam:CreateRole", "iam:PutRolePolicy"} <= set(roles["Make"]["Action"])
    assert roles["Make"]["Condition"] == {"StringEquals": {"iam:PermissionsBoundary": BOUNDARY}}
    assert roles["Attach"]["Condition"]["StringEquals"] == {"iam:PermissionsBoundary": BOUNDARY}
    assert not any("DeleteRolePermissionsBoundary" in a for a in actions(account, "trawler-deploy-prod"))
    makers = [n for n, s in of_role(account, "trawler-deploy-prod") if "iam:CreateRole" in s["Action"]]
    assert makers == ["trawler-deploy-prod-roles"]


def test_a_role_is_handed_to_machines_and_the_fleet_only(account: Program) -> None:
    passing = [s for _, s in of_role(account, "trawler-deploy-prod") if "iam:PassRole" in s["Action"]]
    assert [s["Resource"] for s in passing] == [f"arn:aws:iam::{ACCOUNT}:role/trawler/prod/*"]
    assert passing[0]["Condition"] == {
        "StringEquals": {"iam:PassedToService": ["ec2.amazonaws.com", "spotfleet.amazonaws.com"]}
    }


def test_without_a_boundary_roles_are_still_held_to_their_path() -> None:
    program = bootstrapped(boundary=False)
    make = policy(program, "trawler-deploy-prod-roles")["Make"]
    assert make["Resource"] == f"arn:aws:iam::{ACCOUNT}:role/trawler/prod/*"
    assert "Condition" not in make
    assert [p for p in program.of(POLICY) if p.inputs["name"] == "trawler-boundary"] == []


def test_what_the_stack_makes_of_ec2_is_tagged_and_what_it_changes_carries_its_tag(account: Program) -> None:
    making = policy(account, "trawler-deploy-prod-making")
    changing = policy(account, "trawler-deploy-prod-changing")
    own = {"aws:ResourceTag/Project": "trawler", "aws:ResourceTag/Stack": "prod"}
    made = {"aws:RequestTag/Project": "trawler", "aws:RequestTag/Stack": "prod"}
    assert making["New"]["Condition"] == {"StringLike": made}
    assert making["Into"]["Condition"] == {"StringLike": own}
    assert {sid for sid, s in making.items() if "Condition" not in s} == {"Image", "RootVolume"}
    assert changing["Change"]["Condition"] == changing["Tag"]["Condition"] == {"StringLike": own}
    assert all("Condition" in s for s in changing.values())


def test_dns_names_are_those_of_the_stack(account: Program) -> None:
    records = policy(account, "trawler-deploy-prod-balancing")["Records"]
    [names] = records["Condition"]["ForAllValues:StringLike"].values()
    assert names == ["prod.trawler.internal", "*.prod.trawler.internal"]


def test_the_boundary_covers_what_the_roles_of_the_environments_hold(
    account: Program, tmp_path: Path
) -> None:
    """Else a machine would be refused what its own policy allows."""
    within = policy(account, "trawler-boundary")
    allowed = {a for s in within.values() for a in s["Action"]}
    program = run(tmp_path, "prod")
    held = {
        action
        for made in program.of("aws:iam/rolePolicy:RolePolicy")
        for statement in json.loads(made.inputs["policy"])["Statement"]
        for action in statement["Action"]
    }
    assert held <= allowed, sorted(held - allowed)
    assert not {a for a in allowed if a.startswith("iam:")} - {"iam:PassRole"}


def test_every_type_that_the_environments_make_can_be_made_by_the_deploy_role(
    tmp_path: Path, account: Program
) -> None:
    allowed = actions(account, "trawler-deploy-prod")
    program = run(tmp_path, "prod")
    for type_ in {r.type for r in program.resources if r.type.startswith("aws:")}:
        assert type_ in CREATED_BY, f"{type_}: which actions make it?"
        assert set(CREATED_BY[type_]) <= allowed, (type_, set(CREATED_BY[type_]) - allowed)


CREATED_BY: dict[str, list[str]] = {
    "aws:appautoscaling/policy:Policy": ["application-autoscaling:PutScalingPolicy"],
    "aws:appautoscaling/scheduledAction:ScheduledAction": ["application-autoscaling:PutScheduledAction"],
    "aws:appautoscaling/target:Target": ["application-autoscaling:RegisterScalableTarget"],
    "aws:budgets/budget:Budget": ["budgets:ModifyBudget"],
    "aws:cloudwatch/compositeAlarm:CompositeAlarm": ["cloudwatch:PutCompositeAlarm"],
    "aws:cloudwatch/dashboard:Dashboard": ["cloudwatch:PutDashboard"],
    "aws:cloudwatch/eventRule:EventRule": ["events:PutRule"],
    "aws:cloudwatch/eventTarget:EventTarget": ["events:PutTargets"],
    "aws:cloudwatch/logGroup:LogGroup": ["logs:CreateLogGroup", "logs:PutRetentionPolicy"],
    "aws:cloudwatch/metricAlarm:MetricAlarm": ["cloudwatch:PutMetricAlarm"],
    "aws:dynamodb/table:Table": [
        "dynamodb:CreateTable",
        "dynamodb:UpdateContinuousBackups",
        "dynamodb:UpdateTimeToLive",
    ],
    "aws:ebs/volume:Volume": ["ec2:CreateVolume"],
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": [
        "ec2:RevokeSecurityGroupIngress",
        "ec2:RevokeSecurityGroupEgress",
    ],
    "aws:ec2/eip:Eip": ["ec2:AllocateAddress", "ec2:AssociateAddress"],
    "aws:ec2/instance:Instance": ["ec2:RunInstances"],
    "aws:ec2/internetGateway:InternetGateway": ["ec2:CreateInternetGateway", "ec2:AttachInternetGateway"],
    "aws:ec2/launchTemplate:LaunchTemplate": ["ec2:CreateLaunchTemplate", "ec2:CreateLaunchTemplateVersion"],
    "aws:ec2/natGateway:NatGateway": ["ec2:CreateNatGateway"],
    "aws:ec2/networkInterface:NetworkInterface": ["ec2:CreateNetworkInterface"],
    "aws:ec2/route:Route": ["ec2:CreateRoute"],
    "aws:ec2/routeTable:RouteTable": ["ec2:CreateRouteTable"],
    "aws:ec2/routeTableAssociation:RouteTableAssociation": ["ec2:AssociateRouteTable"],
    "aws:ec2/securityGroup:SecurityGroup": ["ec2:CreateSecurityGroup"],
    "aws:ec2/spotFleetRequest:SpotFleetRequest": ["ec2:RequestSpotFleet", "ec2:ModifySpotFleetRequest"],
    "aws:ec2/subnet:Subnet": ["ec2:CreateSubnet", "ec2:ModifySubnetAttribute"],
    "aws:ec2/volumeAttachment:VolumeAttachment": ["ec2:AttachVolume"],
    "aws:ec2/vpc:Vpc": ["ec2:CreateVpc", "ec2:ModifyVpcAttribute"],
    "aws:ec2/vpcEndpoint:VpcEndpoint": ["ec2:CreateVpcEndpoint"],
    "aws:iam/instanceProfile:InstanceProfile": ["iam:CreateInstanceProfile", "iam:AddRoleToInstanceProfile"],
    "aws:iam/role:Role": ["iam:CreateRole"],
    "aws:iam/rolePolicy:RolePolicy": ["iam:PutRolePolicy"],
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": ["iam:AttachRolePolicy"],
    "aws:lb/listener:Listener": ["elasticloadbalancing:CreateListener"],
    "aws:lb/loadBalancer:LoadBalancer": ["elasticloadbalancing:CreateLoadBalancer"],
    "aws:lb/targetGroup:TargetGroup": ["elasticloadbalancing:CreateTargetGroup"],
    "aws:lb/targetGroupAttachment:TargetGroupAttachment": ["elasticloadbalancing:RegisterTargets"],
    "aws:route53/record:Record": ["route53:ChangeResourceRecordSets"],
    "aws:route53/zone:Zone": ["route53:CreateHostedZone"],
    "aws:s3/bucket:Bucket": ["s3:CreateBucket"],
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": ["s3:PutLifecycleConfiguration"],
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": ["s3:PutBucketOwnershipControls"],
    "aws:s3/bucketPolicy:BucketPolicy": ["s3:PutBucketPolicy"],
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": ["s3:PutBucketPublicAccessBlock"],
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": [
        "s3:PutEncryptionConfiguration"
    ],
    "aws:s3/bucketVersioning:BucketVersioning": ["s3:PutBucketVersioning"],
    "aws:sns/topic:Topic": ["sns:CreateTopic"],
    "aws:sns/topicPolicy:TopicPolicy": ["sns:SetTopicAttributes"],
    "aws:sns/topicSubscription:TopicSubscription": ["sns:Subscribe"],
    "aws:sqs/queue:Queue": ["sqs:CreateQueue"],
    "aws:sqs/queuePolicy:QueuePolicy": ["sqs:SetQueueAttributes"],
    "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy": ["sqs:SetQueueAttributes"],
    "aws:sqs/redrivePolicy:RedrivePolicy": ["sqs:SetQueueAttributes"],
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": ["ec2:AuthorizeSecurityGroupEgress"],
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": ["ec2:AuthorizeSecurityGroupIngress"],
}
"""Resource type → actions without which the official provider cannot make it."""


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"repository": "trawler"}, "repository: 'trawler' is not OWNER/REPOSITORY"),
        ({"repository": "example-org/*"}, "is not OWNER/REPOSITORY"),
        ({"repository": "example--/trawler"}, "is not OWNER/REPOSITORY"),
        ({"repository": None}, "repository: missing"),
        ({"account": "12345"}, "account: '12345' is not twelve digits"),
        ({"account": "210987654321"}, "administrator is not of account 210987654321"),
        ({"stacks": []}, "stacks: List should have at least 1 item"),
        ({"stacks": ["Prod"]}, "stacks.0: 'Prod' is not names of Pulumi stacks"),
        ({"stacks": ["prod", "prod"]}, "stacks names a stack twice"),
        ({"stacks": ["dev", "dev-2"]}, "the role of 'dev' would reach 'dev-2'"),
        ({"stacks": ["*"]}, "stacks.0: '*' is not names"),
        ({"admins": ["arn:aws:iam::123456789012:root"]}, "never a wildcard"),
        ({"admins": ["*"]}, "never a wildcard"),
        ({"oidcProvider": "no"}, "oidcProvider"),
        ({"repo": "a/b"}, "repo: unknown key; did you mean 'repository'?"),
        ({"repositoryIds": {"owner": 0, "repository": 1}}, "repositoryIds.owner"),
        ({"stateBucket": "State"}, "stateBucket: 'State' is not a bucket name"),
    ],
)
def test_a_wrong_setting_is_refused_with_what_it_should_be(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse(config(**changed))
    assert told in str(refused.value)
    assert "bootstrap/Pulumi.main.yaml is not valid" in str(refused.value)


def test_a_missing_region_is_refused() -> None:
    given = config()
    del given["aws:region"]
    with pytest.raises(SettingsError, match="aws:region: missing"):
        parse(given)


def test_credentials_of_another_account_are_refused_before_anything_is_made() -> None:
    with pytest.raises(pulumi.RunError, match=r"these credentials are of account 999999999999"):
        bootstrapped(account="999999999999")


OUTPUTS: dict[str, Any] = {
    "region": "us-east-1",
    "repository": "example-org/trawler",
    "backendUrl": "s3://trawler-state",
    "secretsProvider": "awskms://alias/trawler-state?region=us-east-1",
    "previewRole": "arn:aws:iam::123456789012:role/trawler-bootstrap/trawler-preview",
    "adminRole": "arn:aws:iam::123456789012:role/trawler-bootstrap/trawler-admin",
    "deployRoles": {"dev": "arn:dev", "prod": "arn:prod"},
    "permissionsBoundary": BOUNDARY,
}


def test_the_next_commands_name_every_output_and_are_valid_shell() -> None:
    text = next_steps(OUTPUTS, "file:///home/someone/state")
    for value in ("s3://trawler-state", "trawler-preview", "arn:dev", "arn:prod", BOUNDARY, "stack import"):
        assert value in text
    checked = subprocess.run(
        ["bash", "-n"], input=text, text=True, capture_output=True, timeout=20, check=False
    )
    assert checked.returncode == 0, checked.stderr


def test_a_state_that_is_in_the_bucket_is_not_moved_again() -> None:
    assert "stack import" not in next_steps(OUTPUTS, "s3://trawler-state")


def test_where_nobody_can_be_asked_a_yes_is_needed_first(tmp_path: Path) -> None:
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "bootstrap.run"]
    asked = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (asked.returncode, "--yes" in asked.stderr) == (3, True)
