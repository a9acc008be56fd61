"""Least privilege, read off the documents the program registers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.program.engine import ACCOUNT, Program, run

ROLE = "aws:iam/role:Role"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"


@pytest.fixture(scope="module")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """The production program, run once for the tests that only read."""
    return run(tmp_path_factory.mktemp("prod"), "prod")


def statements(program: Program, name: str) -> dict[str, dict[str, Any]]:
    return {s["Sid"]: s for s in json.loads(program.named(name).inputs["policy"])["Statement"]}


def every_statement(program: Program) -> Iterator[tuple[str, dict[str, Any]]]:
    for policy in program.of(ROLE_POLICY):
        for statement in json.loads(policy.inputs["policy"])["Statement"]:
            yield policy.name, statement


def test_there_is_one_role_for_each_kind_of_machine_under_a_path_of_the_stack(prod: Program) -> None:
    assert {r.name for r in prod.of(ROLE)} == {"identity-fleet", "identity-agent", "identity-master"}
    assert {r.inputs["path"] for r in prod.of(ROLE)} == {"/trawler/prod/"}


def test_no_action_is_a_wildcard_and_only_putting_metrics_has_no_resource(prod: Program) -> None:
    for name, statement in every_statement(prod):
        assert not any("*" in action for action in statement["Action"]), (name, statement)
        resources = statement["Resource"]
        if "*" in ([resources] if isinstance(resources, str) else resources):
            assert statement["Action"] == ["cloudwatch:PutMetricData"]
            assert statement["Condition"] == {"StringEquals": {"cloudwatch:namespace": "Trawler"}}


def test_an_agent_reads_its_own_credential_and_a_master_all_three(prod: Program) -> None:
    secret = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:trawler/prod"
    agent = statements(prod, "identity-agent-node")["Credentials"]
    master = statements(prod, "identity-master-node")["Credentials"]
    assert agent["Resource"] == [f"{secret}/mesos-agent-??????"]
    assert master["Resource"] == [
        f"{secret}/{s}-??????" for s in ("marathon", "mesos-agent", "mesos-framework")
    ]
    assert agent["Action"] == master["Action"] == ["secretsmanager:GetSecretValue"]


def test_an_agent_pulls_its_own_image_from_ecr_and_no_other(tmp_path: Path) -> None:
    host = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
    image = {"repository": f"{host}/team/worker", "pullSecret": "trawler/prod/registry"}
    program = run(tmp_path, "prod", image=image)
    pulling = statements(program, "identity-agent-image")
    assert pulling["Image"]["Resource"] == "arn:aws:ecr:eu-west-1:123456789012:repository/team/worker"
    assert pulling["Image"]["Action"] == ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    assert pulling["ImageToken"]["Action"] == ["ecr:GetAuthorizationToken"]
    assert any(
        arn.endswith("trawler/prod/registry-??????")
        for arn in statements(program, "identity-agent-node")["Credentials"]["Resource"]
    )


def test_an_image_of_a_public_registry_takes_no_right(prod: Program) -> None:
    assert "identity-agent-image" not in {p.name for p in prod.of(ROLE_POLICY)}


def test_a_machine_writes_the_logs_of_its_own_kind(prod: Program) -> None:
    group = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/trawler/prod"
    assert statements(prod, "identity-agent-node")["Logs"]["Resource"] == [
        f"{group}/agents:*",
        f"{group}/tasks:*",
    ]
    assert statements(prod, "identity-master-node")["Logs"]["Resource"] == [f"{group}/masters:*"]


def test_a_worker_takes_nothing_out_of_a_dead_letter_queue_and_deletes_no_release(prod: Program) -> None:
    workers = statements(prod, "identity-agent-workers")
    assert workers["DeadLetters"]["Action"] == ["sqs:SendMessage"]
    assert workers["Releases"]["Action"] == ["s3:GetObject"]
    assert not any(
        "Delete" in action for s in ("Pages", "Releases", "Tables") for action in workers[s]["Action"]
    )


def test_every_role_is_held_by_the_boundary_where_there_is_one(tmp_path: Path) -> None:
    boundary = f"arn:aws:iam::{ACCOUNT}:policy/trawler-boundary"
    program = run(tmp_path, "prod", permissionsBoundaryArn=boundary)
    assert {r.inputs["permissionsBoundary"] for r in program.of(ROLE)} == {boundary}


def test_access_is_by_session_manager_and_there_is_no_key_and_no_port_22(prod: Program) -> None:
    attached = {
        (a.inputs["role"], a.inputs["policyArn"].rsplit("/", 1)[-1])
        for a in prod.of("aws:iam/rolePolicyAttachment:RolePolicyAttachment")
    }
    assert {
        ("identity-agent", "AmazonSSMManagedInstanceCore"),
        ("identity-master", "AmazonSSMManagedInstanceCore"),
    } < attached
    assert [r.name for r in prod.resources if "keyName" in r.inputs] == []
    assert [r.name for r in prod.resources if r.inputs.get("fromPort") == 22] == []
