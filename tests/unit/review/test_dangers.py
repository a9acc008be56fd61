"""What in a change is dangerous, and what is not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from review import dangers
from review.preview import read
from tests.unit.review.support import UNKNOWN, a_fresh_preview, a_preview, a_step, fixture, kinds_of

QUEUE = "aws:sqs/queue:Queue"
FLEET = "aws:ec2/spotFleetRequest:SpotFleetRequest"
TARGET = "aws:appautoscaling/target:Target"
INSTANCE = "aws:ec2/instance:Instance"
VOLUME = "aws:ebs/volume:Volume"
INTERFACE = "aws:ec2/networkInterface:NetworkInterface"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
QUEUE_POLICY = "aws:sqs/queuePolicy:QueuePolicy"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
BLOCK = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"


def policy(*actions: str) -> str:
    return json.dumps({"Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": "arn:q"}]})


def master(op: str, number: int, kind: str = INSTANCE, suffix: str = "") -> dict[str, Any]:
    return a_step(
        op,
        kind,
        f"cluster-master-{number}{suffix}",
        {"ami": "a"},
        {"ami": "b"},
        component="Cluster",
        forces=["ami"],
    )


def test_a_renamed_queue_loses_what_it_holds() -> None:
    found = dangers.find(read(*fixture("rename")))
    queue = next(d for d in found if d.subject == "queues-plan")
    assert (queue.kind, queue.details) == (
        "stateful-replacement",
        ("name: trawler-local-plan → trawler-local-planx",),
    )


def test_a_replacement_that_the_engine_refuses_is_told_as_refused() -> None:
    found = {d.subject: d for d in dangers.find(read(*fixture("protected")))}
    assert found["queues-plan-dead"].refused
    assert found["queues-plan-dead"].details == ("name: trawler-local-plan-dead → trawler-local-planx-dead",)
    assert not found["queues-plan"].refused


@pytest.mark.parametrize(
    ("kind", "expected"),
    [(QUEUE, "stateful-deletion"), (VOLUME, "stateful-deletion"), (FLEET, "fleet-replacement")],
)
def test_a_deletion_of_what_holds_data_or_work_is_dangerous(kind: str, expected: str) -> None:
    assert kinds_of(a_preview(a_step("delete", kind, "x", {}))) == [(expected, "x")]


def test_a_retained_resource_that_leaves_is_told_to_live_on() -> None:
    step = a_step("delete", QUEUE, "q", {}, old={"retainOnDelete": True})
    assert dangers.find(a_preview(step))[0].details == (
        "the old one is retained: it leaves the state and lives on in AWS",
    )


def test_a_fleet_with_another_mix_is_replaced_and_starts_at_the_programs_capacity() -> None:
    fleet = next(d for d in dangers.find(read(*fixture("mixed"))) if d.kind == "fleet-replacement")
    assert "r5.large" in fleet.details[0]
    assert fleet.details[-1] == "the new request starts with a target capacity of 3"


@pytest.mark.parametrize(
    ("before", "after", "dangerous"),
    [
        ({"minCapacity": 2, "maxCapacity": 4}, {"minCapacity": 3, "maxCapacity": 4}, True),
        ({"minCapacity": 2, "maxCapacity": 4}, {"minCapacity": 2, "maxCapacity": 3}, True),
        ({"minCapacity": 2, "maxCapacity": 4}, {"minCapacity": 1, "maxCapacity": 8}, False),
        ({"minCapacity": 2, "maxCapacity": 4}, {"minCapacity": UNKNOWN, "maxCapacity": 4}, True),
    ],
)
def test_only_narrower_bounds_move_capacity(before: Any, after: Any, dangerous: bool) -> None:
    found = kinds_of(a_preview(a_step("update", TARGET, "t", before, after)))
    assert found == ([("capacity-reset", "t")] if dangerous else [])


def test_a_target_replaced_alone_is_a_reset_and_one_replaced_with_its_fleet_is_not() -> None:
    target = a_step("replace", TARGET, "t", {"resourceId": "a"}, {"resourceId": "b"}, forces=["resourceId"])
    fleet = a_step(
        "replace", FLEET, "f", {"iamFleetRole": "a"}, {"iamFleetRole": "b"}, forces=["iamFleetRole"]
    )
    assert kinds_of(a_preview(target)) == [("capacity-reset", "t")]
    assert kinds_of(a_preview(target, fleet)) == [("fleet-replacement", "f")]


def test_one_master_may_be_replaced_and_two_may_not() -> None:
    assert kinds_of(a_preview(master("replace", 1))) == []
    assert kinds_of(a_preview(master("replace", 1), master("replace", 2))) == [
        ("masters", "cluster-master-1"),
        ("masters", "cluster-master-2"),
    ]


@pytest.mark.parametrize("kind", [VOLUME, INTERFACE])
def test_a_masters_volume_and_its_interface_are_its_identity(kind: str) -> None:
    assert ("masters", "cluster-master-1-x") in kinds_of(a_preview(master("delete", 1, kind, "-x")))


def test_another_machine_is_no_master() -> None:
    steps = [a_step("replace", INSTANCE, f"bastion-{i}", {"ami": "a"}, {"ami": "b"}) for i in range(2)]
    assert kinds_of(a_preview(*steps)) == []


def test_a_wider_role_is_told_by_action_and_resource() -> None:
    found = next(d for d in dangers.find(read(*fixture("mixed"))) if d.kind == "iam-widening")
    assert found.subject == "identity-agent-workers"
    assert found.details[0].startswith("policy allows sqs:PurgeQueue on arn:aws:sqs:")


def test_a_document_known_only_after_up_is_dangerous_because_it_cannot_be_judged() -> None:
    step = a_step("update", ROLE_POLICY, "p", {"policy": policy("sqs:A")}, {"policy": UNKNOWN})
    assert kinds_of(a_preview(step)) == [("iam-widening", "p")]


def test_a_new_policy_widens_what_exists_and_is_nothing_special_in_a_new_environment() -> None:
    step = a_step("create", ROLE_POLICY, "p", None, {"policy": policy("sqs:A")})
    assert kinds_of(a_preview(step)) == [("iam-widening", "p")]
    assert kinds_of(a_fresh_preview(step)) == []


def test_an_attached_managed_policy_and_a_lost_boundary_widen() -> None:
    attached = a_step(
        "create", "aws:iam/rolePolicyAttachment:RolePolicyAttachment", "a", None, {"policyArn": "arn:x"}
    )
    role = a_step("update", "aws:iam/role:Role", "r", {"permissionsBoundary": "arn:b"}, {})
    assert kinds_of(a_preview(attached, role)) == [("iam-widening", "a"), ("iam-widening", "r")]


def test_a_tls_only_policy_may_go_with_its_queue_but_not_without_it() -> None:
    tls = json.dumps(
        {"Statement": [{"Effect": "Deny", "Action": "sqs:*", "Resource": "q", "Principal": "*"}]}
    )
    removed = a_step("delete", QUEUE_POLICY, "p", {"policy": tls, "queueUrl": "id-of-q"})
    queue = a_step("delete", QUEUE, "q", {})
    assert kinds_of(a_preview(removed)) == [("iam-widening", "p")]
    assert kinds_of(a_preview(removed, queue)) == [("stateful-deletion", "q")]


def test_protection_that_is_lifted_is_seen_also_where_nothing_else_changes() -> None:
    assert kinds_of(read(*fixture("unprotected"))) == [
        ("protection-removed", "queues-plan-dead"),
        ("protection-removed", "storage-artifacts"),
    ]


@pytest.mark.parametrize("cidr", ["0.0.0.0/0", "::/0"])
def test_a_rule_open_to_the_world_is_dangerous_in_a_new_environment_too(cidr: str) -> None:
    key = "cidrIpv6" if ":" in cidr else "cidrIpv4"
    step = a_step("create", INGRESS, "r", None, {key: cidr, "fromPort": 22.0, "toPort": 22.0})
    assert kinds_of(a_fresh_preview(step)) == [("data-exposure", "r")]


def test_a_rule_for_a_network_is_not_open_to_the_world() -> None:
    assert kinds_of(a_preview(a_step("create", INGRESS, "r", None, {"cidrIpv4": "10.0.0.0/8"}))) == []


def test_a_bucket_whose_public_access_is_no_longer_blocked_is_exposed() -> None:
    step = a_step("update", BLOCK, "b", {"blockPublicAcls": True}, {"blockPublicAcls": False})
    assert kinds_of(a_preview(step)) == [("data-exposure", "b")]


def test_a_policy_for_everyone_is_exposure() -> None:
    public = json.dumps(
        {"Statement": [{"Effect": "Allow", "Action": "s3:Get*", "Resource": "b", "Principal": "*"}]}
    )
    step = a_step("create", "aws:s3/bucketPolicy:BucketPolicy", "p", None, {"policy": public})
    assert kinds_of(a_fresh_preview(step)) == [("data-exposure", "p")]


def test_a_queue_with_another_timeout_is_not_dangerous() -> None:
    step = a_step("update", QUEUE, "q", {"visibilityTimeoutSeconds": 30}, {"visibilityTimeoutSeconds": 60})
    assert kinds_of(a_preview(step)) == []


def test_a_code_only_change_is_not_dangerous() -> None:
    assert kinds_of(read(*fixture("code"))) == []


def test_every_kind_says_why_it_matters_and_what_to_do() -> None:
    assert set(dangers.ADVICE) == set(dangers.Kind)
