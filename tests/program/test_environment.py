"""What the program registers, as properties that an operator would look at."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi
import pytest

from tests.program.engine import Program, Registered, run

QUEUE = "aws:sqs/queue:Queue"
TABLE = "aws:dynamodb/table:Table"
BUCKET = "aws:s3/bucket:Bucket"
APP = "pulumi-python:marathon:App"
STAGES = ("plan", "fetch", "parse", "store")


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """The local stack's program, run once for the tests that only read."""
    return run(tmp_path_factory.mktemp("local"))


def statements(document: str) -> Iterator[dict[str, Any]]:
    yield from json.loads(document)["Statement"]


def queue(program: Program, stage: str, *, dead: bool = False) -> Registered:
    return program.named(f"queues-{stage}{'-dead' if dead else ''}")


def app(program: Program, stage: str) -> dict[str, Any]:
    return program.named(f"apps-{stage}").inputs["manifest"]


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_queue_moves_what_fails_to_a_dead_letter_queue_of_its_own(
    local: Program, stage: str
) -> None:
    redrive = json.loads(local.named(f"queues-{stage}-redrive").inputs["redrivePolicy"])
    dead = queue(local, stage, dead=True).inputs
    assert redrive["deadLetterTargetArn"].endswith(f":{dead['name']}")
    allow = json.loads(local.named(f"queues-{stage}-dead-allow").inputs["redriveAllowPolicy"])
    assert allow["redrivePermission"] == "byQueue"
    assert [arn.rsplit(":", 1)[-1] for arn in allow["sourceQueueArns"]] == [
        queue(local, stage).inputs["name"]
    ]


@pytest.mark.parametrize("stage", STAGES)
def test_a_dead_letter_queue_keeps_its_messages_longer_than_the_queue_does(
    local: Program, stage: str
) -> None:
    kept = queue(local, stage).inputs["messageRetentionSeconds"]
    assert queue(local, stage, dead=True).inputs["messageRetentionSeconds"] > kept


def test_only_fetch_is_fifo_and_orders_by_host(local: Program) -> None:
    fifo = {r.name for r in local.of(QUEUE) if r.inputs.get("fifoQueue")}
    assert fifo == {"queues-fetch", "queues-fetch-dead"}
    assert queue(local, "fetch").inputs["deduplicationScope"] == "messageGroup"
    assert queue(local, "fetch").inputs["fifoThroughputLimit"] == "perMessageGroupId"


def test_queues_are_encrypted_and_refuse_plain_http(local: Program) -> None:
    assert all(r.inputs["sqsManagedSseEnabled"] for r in local.of(QUEUE))
    policies = local.of("aws:sqs/queuePolicy:QueuePolicy")
    assert len(policies) == len(local.of(QUEUE))
    for policy in policies:
        (deny,) = statements(policy.inputs["policy"])
        assert (deny["Effect"], deny["Condition"]) == (
            "Deny",
            {"Bool": {"aws:SecureTransport": "false"}},
        )


def test_buckets_are_private_encrypted_and_refuse_plain_http(local: Program) -> None:
    buckets = {r.name for r in local.of(BUCKET)}
    blocks = local.of("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock")
    assert {b.inputs["bucket"] for b in blocks} == buckets
    for block in blocks:
        assert all(
            block.inputs[k]
            for k in ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
        )
    encrypted = local.of(
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    )
    assert {e.inputs["bucket"] for e in encrypted} == buckets
    for policy in local.of("aws:s3/bucketPolicy:BucketPolicy"):
        denies = [s for s in statements(policy.inputs["policy"]) if s["Effect"] == "Deny"]
        assert denies[0]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_releases_are_versioned_and_never_expire_while_pages_do(local: Program) -> None:
    (versioning,) = local.of("aws:s3/bucketVersioning:BucketVersioning")
    assert versioning.inputs["bucket"] == "storage-artifacts"
    assert not any(
        "expiration" in rule for rule in local.named("storage-artifacts-lifecycle").inputs["rules"]
    )
    assert local.named("storage-pages-lifecycle").inputs["rules"][0]["expiration"]["days"] == 3


def test_agents_may_read_releases_only_through_the_s3_endpoint_of_their_vpc(local: Program) -> None:
    policy = local.named("storage-artifacts-policy").inputs["policy"]
    (allow,) = [s for s in statements(policy) if s["Effect"] == "Allow"]
    assert allow["Action"] == "s3:GetObject"
    assert allow["Resource"].endswith("/releases/*.tar.gz")
    assert allow["Condition"] == {"StringEquals": {"aws:SourceVpce": "vpce-network-s3"}}


def test_tables_have_the_documented_keys_and_can_be_restored(local: Program) -> None:
    keys = {t.name: (t.inputs["hashKey"], t.inputs["rangeKey"]) for t in local.of(TABLE)}
    assert keys == {"tables-frontier": ("crawl", "row"), "tables-items": ("shop", "item")}
    assert all(t.inputs["pointInTimeRecovery"]["enabled"] for t in local.of(TABLE))
    assert all(t.inputs["billingMode"] == "PAY_PER_REQUEST" for t in local.of(TABLE))


def test_instances_serve_their_credentials_by_imdsv2_with_one_hop(local: Program) -> None:
    options = local.named("fleet-agent").inputs["metadataOptions"]
    assert options["httpTokens"] == "required"
    assert options["httpPutResponseHopLimit"] == 1


def test_a_fleet_that_is_destroyed_takes_its_instances_with_it(local: Program) -> None:
    assert local.named("fleet-request").inputs["terminateInstancesOnDelete"] == "true"


def test_the_fleet_is_spread_over_every_type_in_every_zone_of_a_pinned_template_version(
    local: Program,
) -> None:
    (config,) = local.named("fleet-request").inputs["launchTemplateConfigs"]
    assert config["launchTemplateSpecification"]["version"] == "7"
    pools = {(o["instanceType"], o["subnetId"]) for o in config["overrides"]}
    assert len(pools) == 6


def test_no_update_resets_the_capacity_that_auto_scaling_owns(local: Program) -> None:
    assert list(local.named("fleet-request").options.ignoreChanges) == ["targetCapacity"]


def test_one_target_tracking_policy_holds_demand_over_capacity_at_one(local: Program) -> None:
    (policy,) = local.of("aws:appautoscaling/policy:Policy")
    configuration = policy.inputs["targetTrackingScalingPolicyConfiguration"]
    assert configuration["targetValue"] == 1
    assert configuration["customizedMetricSpecification"]["statistic"] == "Maximum"
    (target,) = local.of("aws:appautoscaling/target:Target")
    assert target.inputs["resourceId"] == "spot-fleet-request/sfr-0123"
    assert target.inputs["minCapacity"] <= target.inputs["maxCapacity"]


def test_workers_may_touch_only_the_resources_of_this_stack(local: Program) -> None:
    document = local.named("identity-agent-workers").inputs["policy"]
    for statement in statements(document):
        resources = statement["Resource"]
        for resource in [resources] if isinstance(resources, str) else resources:
            assert resource.startswith("arn:aws:")
            assert resource != "*"
        assert not any(action.endswith("*") for action in statement["Action"])


@pytest.mark.parametrize("stage", STAGES)
def test_an_app_runs_the_release_in_the_image_under_the_mounted_folder(local: Program, stage: str) -> None:
    manifest = app(local, stage)
    digest = local.named("release").inputs["digest"]
    (fetch,) = manifest["fetch"]
    assert fetch["uri"] == f"http://127.0.0.1:5599/storage-artifacts/releases/{digest}.tar.gz"
    (volume,) = manifest["container"]["volumes"]
    assert (volume["hostPath"], volume["containerPath"]) == ("app", "/var/app")
    assert {"key": "workdir", "value": "/var/app"} in manifest["container"]["docker"]["parameters"]
    assert manifest["cmd"].startswith("exec ")


@pytest.mark.parametrize("stage", STAGES)
def test_an_app_gets_its_own_queue_and_dead_letter_queue(local: Program, stage: str) -> None:
    env = app(local, stage)["env"]
    main, dead = queue(local, stage).inputs["name"], queue(local, stage, dead=True).inputs["name"]
    assert env[f"TRAWLER_{stage.upper()}_QUEUE_URL"].endswith(f"/{main}")
    assert env["TRAWLER_DEAD_LETTER_QUEUE_URL"].endswith(f"/{dead}")


def test_instances_are_a_number_and_environment_variables_are_texts(local: Program) -> None:
    for stage in STAGES:
        manifest = app(local, stage)
        assert isinstance(manifest["instances"], int)
        assert all(isinstance(value, str) for value in manifest["env"].values())


def test_what_holds_data_is_protected_unless_the_stack_says_otherwise(tmp_path: Path) -> None:
    program = run(tmp_path, "prod")
    kept = {r.name for r in program.resources if r.options.protect}
    assert kept >= {
        "storage-artifacts",
        "tables-frontier",
        "tables-items",
        "queues-fetch",
        "queues-fetch-dead",
    }
    assert all(t.inputs["deletionProtectionEnabled"] for t in program.of(TABLE))
    assert program.named("storage-artifacts").inputs["forceDestroy"] is False


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"flet": {}}, "trawler:flet: unknown key; did you mean 'fleet'?"),
        ({"queues": {"visibilty": 3}}, "trawler:queues.visibilty: unknown key; did you mean 'visibilityS'?"),
        ({"cluster": None}, "trawler:cluster: missing"),
        ({"namePrefix": "a" * 70}, "SQS allows 80"),
        ({"instances": {"parse": 9}}, "trawler:instances: the apps' tasks need 5.35 CPUs"),
        ({"shops": "no/such/folder"}, "no/such/folder: the folder of shop definitions is missing"),
    ],
)
def test_a_mistake_in_the_stack_file_stops_the_program_before_any_resource(
    tmp_path: Path, changed: dict[str, Any], said: str
) -> None:
    with pytest.raises(pulumi.RunError) as refused:
        run(tmp_path, **changed)
    assert said in str(refused.value)
