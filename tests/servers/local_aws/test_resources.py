"""Each type's life on the emulated AWS: made, read without drift, changed, adopted, deleted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest

from local.aws.provider.resources import all_resources
from local.aws.provider.wire import Props, Secret

from .cases import CASES as FIRST_CASES
from .engine import Engine
from .more_cases import MORE_CASES
from .world import TLS_ONLY, World, a_policy, a_trust

CASES = [*FIRST_CASES, *MORE_CASES]


@pytest.fixture
def world(live: Engine) -> Iterator[World]:
    world = World(live)
    yield world
    for resource in reversed(world.made.values()):
        live.delete(resource)


def test_every_implemented_type_is_tried_here() -> None:
    assert {case[0] for case in CASES} == set(all_resources())


@pytest.mark.parametrize(
    ("token", "begin", "changed"), CASES, ids=[case[0].rsplit(":", 1)[-1] for case in CASES]
)
def test_a_resource_is_made_changed_and_deleted_and_shows_no_drift_on_the_way(
    world: World, token: str, begin: Callable[[World], Props], changed: Props
) -> None:
    engine, news = world.engine, begin(world)
    resource = engine.create(token, "thing", news)
    deleted = False
    try:
        assert resource.id
        assert engine.drift(resource, news) == []
        if changed:
            paths = engine.change(resource, news | changed)
            assert {path.split(".")[0].split("[")[0] for path in paths} - {"tagsAll"} == set(changed)
            assert engine.drift(resource, news | changed) == []
        engine.delete(resource)
        deleted = True
        # What always has a value, what stays with its VPC, and a policy of which nothing was sent, is never seen gone.
        if not token.endswith(
            (
                "BucketServerSideEncryptionConfiguration",
                "BucketVersioning",
                "BucketPolicy",
                "DefaultSecurityGroup",
            )
        ):
            assert engine.drift(resource, news) is None
        engine.delete(resource)
    finally:
        if not deleted:
            engine.delete(resource)


ADOPTABLE = [
    case
    for case in CASES
    if case[0].rsplit(":", 1)[-1]
    in (
        "Queue",
        "Bucket",
        "Table",
        "Role",
        "InstanceProfile",
        "LaunchTemplate",
        "Vpc",
        "LogGroup",
        "Target",
        "Subnet",
    )
    and "iam/policy" not in case[0]
]


@pytest.mark.parametrize(
    ("token", "begin", "_changed"), ADOPTABLE, ids=[c[0].rsplit(":", 1)[-1] for c in ADOPTABLE]
)
def test_an_adopted_resource_needs_no_replacement(
    world: World, token: str, begin: Callable[[World], Props], _changed: Props
) -> None:
    """Any replacement in the difference after an import leaves it half done in state."""
    engine, news = world.engine, begin(world)
    made = engine.create(token, "thing", news)
    try:
        adopted = engine.adopt(token, "thing", made.id)
        assert adopted is not None
        name = {key: made.inputs[key] for key in ("name", "bucket") if key in made.inputs}
        inputs = engine.check(token, "thing", news | name, adopted.inputs)
        assert list(engine.diff(adopted, inputs).replaces) == []
    finally:
        engine.delete(made)


def test_nothing_is_adopted_where_nothing_is(live: Engine, endpoints: dict[str, str]) -> None:
    assert live.adopt("aws:sqs/queue:Queue", "q", f"{endpoints['sqs']}/123456789012/none") is None
    assert live.adopt("aws:s3/bucket:Bucket", "b", "no-such-bucket") is None
    assert live.adopt("aws:ec2/launchTemplate:LaunchTemplate", "t", "lt-0123456789abcdef0") is None


def test_a_change_from_outside_shows_as_drift_and_is_put_back(
    world: World, client: Callable[[str], Any]
) -> None:
    queue, news = world.queue(), Props()
    client("sqs").set_queue_attributes(QueueUrl=queue.id, Attributes={"VisibilityTimeout": "99"})
    client("sqs").tag_queue(QueueUrl=queue.id, Tags={"stray": "1"})
    assert world.engine.drift(queue, news) == ["tags", "tagsAll.stray", "visibilityTimeoutSeconds"]
    world.engine.change(queue, news)
    found = client("sqs").get_queue_attributes(QueueUrl=queue.id, AttributeNames=["VisibilityTimeout"])
    assert found["Attributes"]["VisibilityTimeout"] == "30"
    assert client("sqs").list_queue_tags(QueueUrl=queue.id)["Tags"] == {"Project": "trial"}


def test_a_queues_settings_and_its_policies_do_not_erase_each_other(world: World) -> None:
    engine, queue = world.engine, world.queue()
    policy = {"queueUrl": queue.id, "policy": a_policy("sqs:SendMessage")}
    made = world.make("aws:sqs/queuePolicy:QueuePolicy", "policy", **policy)
    allow = {"queueUrl": queue.id, "redriveAllowPolicy": '{"redrivePermission": "denyAll"}'}
    world.make("aws:sqs/redriveAllowPolicy:RedriveAllowPolicy", "allow", **allow)
    assert engine.drift(queue, {}) == []
    engine.change(queue, {"delaySeconds": 7})
    assert engine.drift(made, policy) == []
    assert engine.drift(world.made["allow"], allow) == []


def test_objects_can_be_written_under_a_tls_only_policy(world: World, client: Callable[[str], Any]) -> None:
    bucket = world.bucket()
    policy = json.dumps({"Statement": [{**TLS_ONLY, "Resource": f"arn:aws:s3:::{bucket}/*"}]})
    made = world.make("aws:s3/bucketPolicy:BucketPolicy", "tls", bucket=bucket, policy=policy)
    client("s3").put_object(Bucket=bucket, Key="k", Body=b"x")
    assert json.loads(made.outputs["policy"]) == json.loads(policy)


def test_a_new_bucket_is_closed_and_encrypted_as_on_aws(world: World, client: Callable[[str], Any]) -> None:
    bucket, s3 = world.bucket(), client("s3")
    assert all(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())
    rules = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"


def test_a_versioned_bucket_is_emptied_only_when_it_may_be(
    world: World, client: Callable[[str], Any]
) -> None:
    engine = world.engine
    bucket = engine.create("aws:s3/bucket:Bucket", "full", {})
    versioning = {"bucket": bucket.id, "versioningConfiguration": {"status": "Enabled"}}
    engine.create("aws:s3/bucketVersioning:BucketVersioning", "full", versioning)
    client("s3").put_object(Bucket=bucket.id, Key="k", Body=b"1")
    client("s3").delete_object(Bucket=bucket.id, Key="k")
    with pytest.raises(grpc.RpcError) as refused:
        engine.delete(bucket)
    assert "force_destroy=True" in str(refused.value.details())  # pyright: ignore
    engine.change(bucket, {"forceDestroy": True})
    engine.delete(bucket)
    assert engine.adopt("aws:s3/bucket:Bucket", "full", bucket.id) is None


def test_a_create_that_fails_half_way_leaves_nothing_behind(
    live: Engine, client: Callable[[str], Any]
) -> None:
    with pytest.raises(grpc.RpcError):
        live.create(
            "aws:iam/instanceProfile:InstanceProfile", "half", {"name": "half-made", "role": "nobody"}
        )
    names = [
        entry["InstanceProfileName"] for entry in client("iam").list_instance_profiles()["InstanceProfiles"]
    ]
    assert "half-made" not in names


def test_a_secret_name_does_not_show_in_what_is_made_of_it(live: Engine) -> None:
    role = live.create(
        "aws:iam/role:Role", "r", {"name": Secret("hush"), "assumeRolePolicy": a_trust("ec2.amazonaws.com")}
    )
    assert isinstance(role.outputs["arn"], Secret)
    assert isinstance(role.outputs["name"], Secret)
    live.drift(role, {"name": Secret("hush"), "assumeRolePolicy": a_trust("ec2.amazonaws.com")})
    assert isinstance(role.outputs["arn"], Secret)
    live.delete(role)


def test_functions_read_what_the_emulated_aws_holds(live: Engine, world: World) -> None:
    assert live.invoke("aws:index/getCallerIdentity:getCallerIdentity", {})["accountId"] == "123456789012"
    assert live.invoke("aws:index/getRegion:getRegion", {})["region"] == "us-east-1"
    assert live.invoke("aws:index/getPartition:getPartition", {})["dnsSuffix"] == "amazonaws.com"
    zones = live.invoke("aws:index/getAvailabilityZones:getAvailabilityZones", {"state": "available"})
    assert zones["names"][:2] == ["us-east-1a", "us-east-1b"]
    image = live.invoke(
        "aws:ec2/getAmi:getAmi",
        {
            "mostRecent": True,
            "owners": ["amazon"],
            "filters": [{"name": "name", "values": ["al2023-ami-2023*"]}],
        },
    )
    assert image["id"].startswith("ami-")
    parameter = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
    assert live.invoke("aws:ssm/getParameter:getParameter", {"name": parameter})["value"].startswith("ami-")
    assert live.invoke("aws:ec2/getVpc:getVpc", {"id": world.vpc()})["cidrBlock"] == "10.7.0.0/16"
