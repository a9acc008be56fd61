"""The tracked environments on the real engine: what stands after `up`, what a change may do, and what it may not."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from typing import Any

import pytest
import requests

from local.stack.layout import ROOT
from tests.stack.environments import Environment, environment

APPS = ["/crawler/fetch", "/crawler/parse", "/crawler/plan", "/crawler/store"]
OTHER_AMI = "ami-00000000000000001"


@pytest.fixture(scope="module")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Generator[Environment]:
    """Production, up."""
    with environment("prod", tmp_path_factory.mktemp("prod")) as found:
        found.up(ROOT / "policies")
        yield found


@pytest.fixture
def dev(tmp_path_factory: pytest.TempPathFactory) -> Generator[Environment]:
    """The smallest environment, up."""
    with environment("dev", tmp_path_factory.mktemp("dev")) as found:
        found.up(ROOT / "policies")
        yield found


def instances(found: Environment, role: str) -> list[dict[str, Any]]:
    """Running instances of a role, by their tags."""
    filters = [
        {"Name": "tag:Role", "Values": [role]},
        {"Name": "instance-state-name", "Values": ["running"]},
    ]
    answer = found.client("ec2").describe_instances(Filters=filters)
    return [instance for each in answer["Reservations"] for instance in each["Instances"]]


def requests_of(found: Environment) -> dict[str, dict[str, Any]]:
    """Active spot fleet requests: id → configuration."""
    answer = found.client("ec2").describe_spot_fleet_requests()["SpotFleetRequestConfigs"]
    active = [each for each in answer if each["SpotFleetRequestState"] == "active"]
    return {each["SpotFleetRequestId"]: each["SpotFleetRequestConfig"] for each in active}


def buckets(found: Environment) -> Iterator[tuple[Any, str]]:
    """A client and the name of each bucket."""
    client = found.client("s3")
    for each in client.list_buckets()["Buckets"]:
        yield client, each["Name"]


def test_prod_queues_are_encrypted_speak_tls_only_and_end_in_a_dead_letter_queue(prod: Environment) -> None:
    outputs, sqs = prod.outputs(), prod.client("sqs")
    assert sorted(outputs["queueUrls"]) == sorted(outputs["deadLetterQueueUrls"])
    for stage, url in outputs["queueUrls"].items():
        main = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        dead_url = outputs["deadLetterQueueUrls"][stage]
        dead = sqs.get_queue_attributes(QueueUrl=dead_url, AttributeNames=["All"])["Attributes"]
        assert json.loads(main["RedrivePolicy"])["deadLetterTargetArn"] == dead["QueueArn"]
        assert json.loads(dead["RedriveAllowPolicy"])["sourceQueueArns"] == [main["QueueArn"]]
        assert int(dead["MessageRetentionPeriod"]) > int(main["MessageRetentionPeriod"])
        for queue in (main, dead):
            assert queue["SqsManagedSseEnabled"] == "true"
            (statement,) = json.loads(queue["Policy"])["Statement"]
            assert (statement["Effect"], statement["Condition"]) == (
                "Deny",
                {"Bool": {"aws:SecureTransport": "false"}},
            )


def test_prod_tables_and_buckets_are_private_encrypted_and_kept(prod: Environment) -> None:
    outputs, dynamodb = prod.outputs(), prod.client("dynamodb")
    for key in ("frontierTable", "itemsTable"):
        table = dynamodb.describe_table(TableName=outputs[key])["Table"]
        assert table["SSEDescription"]["Status"] == "ENABLED"
        assert table["DeletionProtectionEnabled"]
        backups = dynamodb.describe_continuous_backups(TableName=outputs[key])["ContinuousBackupsDescription"]
        assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    names = {name for _, name in buckets(prod)}
    assert names == {outputs["artifactBucket"], outputs["pagesBucket"]}
    for s3, name in buckets(prod):
        assert all(s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"].values())
        assert s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
    s3 = prod.client("s3")
    assert s3.get_bucket_versioning(Bucket=outputs["artifactBucket"])["Status"] == "Enabled"
    rules = s3.get_bucket_lifecycle_configuration(Bucket=outputs["artifactBucket"])["Rules"]
    assert not any("Expiration" in rule for rule in rules)
    key = f"releases/{outputs['release']}.tar.gz"
    assert s3.head_object(Bucket=outputs["artifactBucket"], Key=key)["ContentLength"] > 0


def test_prod_lets_nobody_in_from_the_world(prod: Environment) -> None:
    ec2 = prod.client("ec2")
    (vpc,) = ec2.describe_vpcs(Filters=[{"Name": "tag:Stack", "Values": ["prod"]}])["Vpcs"]
    groups = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc["VpcId"]]}])
    for group in groups["SecurityGroups"]:
        for rule in group["IpPermissions"]:
            assert "0.0.0.0/0" not in [each["CidrIp"] for each in rule["IpRanges"]], group["GroupName"]
            assert rule["Ipv6Ranges"] == []
        if group["GroupName"] == "default":
            assert group["IpPermissions"] == group["IpPermissionsEgress"] == []


def test_prod_has_three_masters_of_a_fixed_identity_one_a_zone(prod: Environment) -> None:
    masters = instances(prod, "master")
    assert len(masters) == 3
    ec2, mine = prod.client("ec2"), [{"Name": "tag:Role", "Values": ["master"]}]
    interfaces = ec2.describe_network_interfaces(Filters=mine)["NetworkInterfaces"]
    assert len({each["AvailabilityZone"] for each in interfaces}) == 3
    ids = {each["InstanceId"] for each in masters}
    assert {each["Attachment"]["InstanceId"] for each in interfaces} == ids
    assert sorted(each["PrivateIpAddress"].rsplit(".", 1)[1] for each in masters) == ["11", "12", "13"]
    volumes = ec2.describe_volumes(Filters=mine)["Volumes"]
    assert {each["Attachments"][0]["InstanceId"] for each in volumes} == ids
    assert all(each["Encrypted"] for each in volumes)
    balancers = prod.client("elbv2").describe_load_balancers()["LoadBalancers"]
    assert [each["Scheme"] for each in balancers] == ["internal"]


def test_prod_agents_come_from_many_pools_and_answer_only_to_tokens(prod: Environment) -> None:
    ((request, config),) = requests_of(prod).items()
    assert request == prod.outputs()["fleetRequest"]
    assert config["TargetCapacity"] == 2
    ec2 = prod.client("ec2")
    (template,) = ec2.describe_launch_templates()["LaunchTemplates"]
    version = ec2.describe_launch_template_versions(
        LaunchTemplateId=template["LaunchTemplateId"], Versions=["$Latest"]
    )
    data = version["LaunchTemplateVersions"][0]["LaunchTemplateData"]
    assert data["MetadataOptions"]["HttpTokens"] == "required"
    assert data["MetadataOptions"]["HttpPutResponseHopLimit"] == 1
    assert all(each["Ebs"]["Encrypted"] for each in data["BlockDeviceMappings"])
    scaling = prod.client("application-autoscaling")
    (target,) = scaling.describe_scalable_targets(ServiceNamespace="ec2")["ScalableTargets"]
    assert target["ResourceId"] == f"spot-fleet-request/{request}"
    assert (target["MinCapacity"], target["MaxCapacity"]) == (2, 40)


def test_prod_apps_run_behind_a_marathon_that_asks_for_credentials(prod: Environment) -> None:
    apps = {app["id"]: app for app in prod.marathon().apps()}
    assert sorted(apps) == APPS
    assert all(app["tasksRunning"] == app["instances"] for app in apps.values())
    wanted = prod.tracked["config"]["trawler:instances"]
    assert {key: app["instances"] for key, app in apps.items()} == {
        f"/crawler/{stage}": count for stage, count in wanted.items()
    }
    session = requests.Session()
    session.trust_env = False
    url = prod.rehearsal.layout.url["marathon"]
    assert session.get(f"{url}/v2/apps", timeout=5).status_code == 401
    password = json.loads(prod.rehearsal.layout.marathon_credentials.read_text())["password"]
    state = prod.rehearsal.layout.state / ".pulumi" / "stacks" / "trawler" / "prod.json"
    assert password not in state.read_text()


def test_an_update_of_prod_replaces_the_released_master_alone_and_keeps_the_capacity_auto_scaling_chose(
    prod: Environment,
) -> None:
    ((request, _),) = requests_of(prod).items()
    prod.client("ec2").modify_spot_fleet_request(SpotFleetRequestId=request, TargetCapacity=5)
    before = {each["PrivateIpAddress"]: each["InstanceId"] for each in instances(prod, "master")}
    masters = prod.tracked["config"]["trawler:cluster"]["masters"]
    released = {**masters, "ami": OTHER_AMI, "generations": [1, 2, 1], "replaceable": 2}
    prod.configure(queues={"visibilityS": 90}, cluster={"masters": released})
    prod.up()

    after = {each["PrivateIpAddress"]: each for each in instances(prod, "master")}
    changed = [address for address, each in after.items() if before[address] != each["InstanceId"]]
    assert [address.rsplit(".", 1)[1] for address in changed] == ["12"]
    assert [each["ImageId"] == OTHER_AMI for each in after.values()].count(True) == 1
    assert {key: config["TargetCapacity"] for key, config in requests_of(prod).items()} == {request: 5}
    url = prod.outputs()["queueUrls"]["parse"]
    attributes = prod.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])
    assert attributes["Attributes"]["VisibilityTimeout"] == "90"


def test_a_preview_of_prod_stops_at_a_new_fleet_and_at_a_master_that_was_not_released(
    prod: Environment,
) -> None:
    cluster = prod.tracked["config"]["trawler:cluster"]
    unreleased = {**cluster["masters"], "generations": [1, 1, 2], "replaceable": 2}
    prod.configure(fleet={"ami": OTHER_AMI}, cluster={"masters": unreleased})
    _, said = prod.preview(expect=255)
    refused = {
        line.rsplit("::", 1)[1].rstrip('"') for line in said.splitlines() if "unable to replace" in line
    }
    assert refused == {"fleet-request", "cluster-master-3"}
    assert "marked for protection" in said


def test_prod_refuses_to_be_destroyed_in_the_engines_words(prod: Environment) -> None:
    prod.configure()
    said = prod.run("destroy", "--yes", expect=255)
    refused = {
        line.rsplit("::", 1)[1].split('"')[0] for line in said.splitlines() if "cannot be deleted" in line
    }
    assert "because it is protected" in said
    # Whichever protected resource the engine comes to first.
    assert refused
    assert all(name.startswith(("cluster-", "fleet-", "queues-", "storage-", "tables-")) for name in refused)
    assert len(prod.client("sqs").list_queues()["QueueUrls"]) == 8
    assert len(instances(prod, "master")) == 3
    assert len(prod.marathon().apps()) == 4


def test_dev_is_changed_replaced_and_destroyed_without_a_rest(dev: Environment) -> None:
    (before,) = requests_of(dev)
    masters = dev.tracked["config"]["trawler:cluster"]["masters"]
    (master,) = instances(dev, "master")
    dev.configure(
        fleet={"ami": OTHER_AMI}, cluster={"masters": {**masters, "generations": [2]}}, pagesExpireDays=7
    )
    dev.up()
    (after,) = requests_of(dev)
    assert after != before
    (other,) = instances(dev, "master")
    assert other["InstanceId"] != master["InstanceId"]
    assert other["PrivateIpAddress"] == master["PrivateIpAddress"]
    rules = dev.client("s3").get_bucket_lifecycle_configuration(Bucket=dev.outputs()["pagesBucket"])["Rules"]
    assert rules[0]["Expiration"]["Days"] == 7

    dev.run("destroy", "--yes", "--skip-preview")
    assert dev.marathon().apps() == []
    assert "QueueUrls" not in dev.client("sqs").list_queues()
    assert dev.client("dynamodb").list_tables()["TableNames"] == []
    assert dev.client("s3").list_buckets()["Buckets"] == []
    assert instances(dev, "master") == instances(dev, "agent") == []
    volumes = dev.client("ec2").describe_volumes(Filters=[{"Name": "tag:Role", "Values": ["master"]}])[
        "Volumes"
    ]
    assert volumes == []
