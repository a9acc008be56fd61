"""Each type's life on the emulated AWS: made, read without drift, changed, adopted, deleted."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest

from local.aws.provider.resources import all_resources
from local.aws.provider.wire import Props, Secret

from .engine import Engine, Resource

SCALED = {"scalableDimension": "ec2:spot-fleet-request:TargetCapacity", "serviceNamespace": "ec2"}


def a_trust(service: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def a_policy(action: str, resource: str = "*") -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": resource}]})


TLS_ONLY = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:*",
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}


class World:
    """Resources by name, made on demand, deleted in reverse."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.made: dict[str, Resource] = {}

    def make(self, token: str, name: str, **news: Any) -> Resource:
        if name not in self.made:
            self.made[name] = self.engine.create(token, name, news)
        return self.made[name]

    def out(self, token: str, name: str, key: str, **news: Any) -> Any:
        return self.make(token, name, **news).outputs[key]

    def queue(self) -> Resource:
        return self.make("aws:sqs/queue:Queue", "source")

    def bucket(self) -> str:
        return self.make("aws:s3/bucket:Bucket", "bucket", forceDestroy=True).id

    def role(self) -> str:
        return self.make("aws:iam/role:Role", "role", assumeRolePolicy=a_trust("ec2.amazonaws.com")).id

    def vpc(self) -> str:
        return self.make("aws:ec2/vpc:Vpc", "net", cidrBlock="10.7.0.0/16").id

    def table(self) -> str:
        return self.make("aws:ec2/routeTable:RouteTable", "routes", vpcId=self.vpc()).id

    def group(self) -> str:
        return self.make("aws:ec2/securityGroup:SecurityGroup", "group", vpcId=self.vpc()).id

    def subnet(self) -> str:
        return self.make("aws:ec2/subnet:Subnet", "subnet", vpcId=self.vpc(), cidrBlock="10.7.1.0/24").id

    def fleet_inputs(self, **more: Any) -> Props:
        role = self.out("aws:iam/role:Role", "fleet-role", "arn", assumeRolePolicy=a_trust("spotfleet.amazonaws.com"))
        template = self.make(
            "aws:ec2/launchTemplate:LaunchTemplate", "agents", imageId="ami-12c6146b", instanceType="m5.large"
        )
        reference = {"id": template.id, "version": "1"}
        overrides = [{"instanceType": "m5.large"}, {"instanceType": "c5.large"}]
        return {
            "iamFleetRole": role,
            "targetCapacity": 2,
            "allocationStrategy": "diversified",
            "terminateInstancesOnDelete": "true",
            "launchTemplateConfigs": [{"launchTemplateSpecification": reference, "overrides": overrides}],
            **more,
        }

    def scaled(self) -> Props:
        fleet = self.make("aws:ec2/spotFleetRequest:SpotFleetRequest", "fleet", **self.fleet_inputs())
        return {**SCALED, "resourceId": f"spot-fleet-request/{fleet.id}"}

    def target(self) -> Props:
        self.make("aws:appautoscaling/target:Target", "scaled", minCapacity=1, maxCapacity=3, **self.scaled())
        return self.scaled()


@pytest.fixture
def world(live: Engine) -> Iterator[World]:
    world = World(live)
    yield world
    for resource in reversed(world.made.values()):
        live.delete(resource)


Case = tuple[str, Callable[[World], Props], Props]
"""Token, inputs to begin with, inputs to change."""

TAGS: Props = {"tags": {"team": "crawl"}}
CASES: list[Case] = [
    ("aws:sqs/queue:Queue", lambda _: {"fifoQueue": True, "delaySeconds": 3, **TAGS}, {"delaySeconds": 4, "tags": {"team": "x"}}),
    ("aws:sqs/queuePolicy:QueuePolicy", lambda w: {"queueUrl": w.queue().id, "policy": a_policy("sqs:SendMessage")}, {"policy": a_policy("sqs:*")}),
    ("aws:sqs/redrivePolicy:RedrivePolicy", lambda w: {"queueUrl": w.queue().id, "redrivePolicy": json.dumps({"deadLetterTargetArn": w.out("aws:sqs/queue:Queue", "dead", "arn"), "maxReceiveCount": 3})}, {}),
    ("aws:sqs/redriveAllowPolicy:RedriveAllowPolicy", lambda w: {"queueUrl": w.queue().id, "redriveAllowPolicy": '{"redrivePermission": "denyAll"}'}, {"redriveAllowPolicy": '{"redrivePermission": "allowAll"}'}),
    ("aws:s3/bucket:Bucket", lambda _: {"forceDestroy": True, **TAGS}, {"tags": {"team": "x"}}),
    ("aws:s3/bucketVersioning:BucketVersioning", lambda w: {"bucket": w.bucket(), "versioningConfiguration": {"status": "Enabled"}}, {"versioningConfiguration": {"status": "Suspended"}}),
    ("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", lambda w: {"bucket": w.bucket(), "blockPublicAcls": True}, {"blockPublicPolicy": True}),
    ("aws:s3/bucketOwnershipControls:BucketOwnershipControls", lambda w: {"bucket": w.bucket(), "rule": {"objectOwnership": "BucketOwnerEnforced"}}, {"rule": {"objectOwnership": "BucketOwnerPreferred"}}),
    ("aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration", lambda w: {"bucket": w.bucket(), "rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}]}, {"rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms"}, "bucketKeyEnabled": True}]}),
    ("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration", lambda w: {"bucket": w.bucket(), "rules": [{"id": "old", "status": "Enabled", "noncurrentVersionExpiration": {"noncurrentDays": 30}}, {"id": "pages", "status": "Enabled", "filter": {"prefix": "p/"}, "expiration": {"days": 3}}]}, {"rules": [{"id": "old", "status": "Disabled", "abortIncompleteMultipartUpload": {"daysAfterInitiation": 1}}]}),
    ("aws:s3/bucketPolicy:BucketPolicy", lambda w: {"bucket": w.bucket(), "policy": json.dumps({"Statement": [{**TLS_ONLY, "Resource": f"arn:aws:s3:::{w.bucket()}/*"}]})}, {}),
    ("aws:dynamodb/table:Table", lambda _: {"hashKey": "crawl", "rangeKey": "row", "billingMode": "PAY_PER_REQUEST", "attributes": [{"name": "crawl", "type": "S"}, {"name": "row", "type": "S"}, {"name": "pending", "type": "S"}], "globalSecondaryIndexes": [{"name": "pending", "hashKey": "pending", "projectionType": "ALL"}], "ttl": {"attributeName": "expires_at", "enabled": True}, "pointInTimeRecovery": {"enabled": True}, "serverSideEncryption": {"enabled": True}, **TAGS}, {"pointInTimeRecovery": {"enabled": False}, "tags": {"team": "x"}}),
    ("aws:iam/role:Role", lambda _: {"assumeRolePolicy": a_trust("ec2.amazonaws.com"), **TAGS}, {"assumeRolePolicy": a_trust("sqs.amazonaws.com"), "description": "d", "tags": {"team": "x"}}),
    ("aws:iam/rolePolicy:RolePolicy", lambda w: {"role": w.role(), "policy": a_policy("sqs:SendMessage")}, {"policy": a_policy("sqs:ReceiveMessage")}),
    ("aws:iam/rolePolicyAttachment:RolePolicyAttachment", lambda w: {"role": w.role(), "policyArn": "arn:aws:iam::aws:policy/service-role/AmazonEC2SpotFleetTaggingRole"}, {}),
    ("aws:iam/policy:Policy", lambda _: {"policy": a_policy("s3:GetObject", "arn:aws:s3:::b/*"), **TAGS}, {"policy": a_policy("s3:PutObject", "arn:aws:s3:::b/*"), "tags": {"team": "x"}}),
    ("aws:iam/instanceProfile:InstanceProfile", lambda w: {"role": w.role(), **TAGS}, {"tags": {"team": "x"}}),
    ("aws:iam/serviceLinkedRole:ServiceLinkedRole", lambda _: {"awsServiceName": "ec2.application-autoscaling.amazonaws.com"}, {"description": "d"}),
    ("aws:ec2/vpc:Vpc", lambda _: {"cidrBlock": "10.8.0.0/16", **TAGS}, {"enableDnsHostnames": True, "tags": {"team": "x"}}),
    ("aws:ec2/subnet:Subnet", lambda w: {"vpcId": w.vpc(), "cidrBlock": "10.7.2.0/24", **TAGS}, {"mapPublicIpOnLaunch": True}),
    ("aws:ec2/internetGateway:InternetGateway", lambda w: {"vpcId": w.vpc(), **TAGS}, {"tags": {"team": "x"}}),
    ("aws:ec2/routeTable:RouteTable", lambda w: {"vpcId": w.vpc(), **TAGS}, {"tags": {"team": "x"}}),
    ("aws:ec2/route:Route", lambda w: {"routeTableId": w.table(), "destinationCidrBlock": "0.0.0.0/0", "gatewayId": w.make("aws:ec2/internetGateway:InternetGateway", "gate", vpcId=w.vpc()).id}, {}),
    ("aws:ec2/routeTableAssociation:RouteTableAssociation", lambda w: {"routeTableId": w.table(), "subnetId": w.subnet()}, {}),
    ("aws:ec2/vpcEndpoint:VpcEndpoint", lambda w: {"vpcId": w.vpc(), "serviceName": "com.amazonaws.us-east-1.s3", "routeTableIds": [w.table()], **TAGS}, {"tags": {"team": "x"}}),
    ("aws:ec2/securityGroup:SecurityGroup", lambda w: {"vpcId": w.vpc(), "ingress": [{"protocol": "tcp", "fromPort": 80, "toPort": 80, "cidrBlocks": ["10.0.0.0/8"]}], **TAGS}, {"ingress": [{"protocol": "tcp", "fromPort": 81, "toPort": 81, "cidrBlocks": ["10.0.0.0/8"]}]}),
    ("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", lambda w: {"securityGroupId": w.group(), "ipProtocol": "tcp", "fromPort": 5051, "toPort": 5051, "cidrIpv4": "10.0.0.0/8", **TAGS}, {"fromPort": 5050, "tags": {"team": "x"}}),
    ("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule", lambda w: {"securityGroupId": w.group(), "ipProtocol": "-1", "cidrIpv4": "0.0.0.0/0"}, {"description": "all"}),
    ("aws:ec2/launchTemplate:LaunchTemplate", lambda _: {"imageId": "ami-12c6146b", "instanceType": "m5.large", "userData": base64.b64encode(b"#!/bin/sh").decode(), "metadataOptions": {"httpTokens": "required"}, "blockDeviceMappings": [{"deviceName": "/dev/xvda", "ebs": {"volumeSize": 30, "encrypted": "true"}}], "tagSpecifications": [{"resourceType": "instance", "tags": {"Name": "agent"}}], **TAGS}, {"userData": base64.b64encode(b"#!/bin/bash").decode(), "tags": {"team": "x"}}),
    ("aws:ec2/spotFleetRequest:SpotFleetRequest", lambda w: {**w.fleet_inputs(), **TAGS}, {"targetCapacity": 4, "tags": {"team": "x"}}),
    ("aws:appautoscaling/target:Target", lambda w: {**w.scaled(), "minCapacity": 1, "maxCapacity": 3}, {"maxCapacity": 5}),
    ("aws:appautoscaling/policy:Policy", lambda w: {**w.target(), "policyType": "TargetTrackingScaling", "targetTrackingScalingPolicyConfiguration": {"targetValue": 1, "customizedMetricSpecification": {"metricName": "Load", "namespace": "T", "statistic": "Average", "dimensions": [{"name": "Stack", "value": "t"}]}}}, {}),
    ("aws:appautoscaling/scheduledAction:ScheduledAction", lambda w: {**w.target(), "schedule": "cron(0 5 * * ? *)", "scalableTargetAction": {"minCapacity": 2, "maxCapacity": 3}}, {"schedule": "cron(0 6 * * ? *)"}),
    ("aws:cloudwatch/metricAlarm:MetricAlarm", lambda _: {"comparisonOperator": "GreaterThanThreshold", "evaluationPeriods": 1, "metricName": "Age", "namespace": "AWS/SQS", "period": 60, "statistic": "Maximum", "threshold": 300, "dimensions": {"QueueName": "q"}, **TAGS}, {"threshold": 400, "tags": {"team": "x"}}),
    ("aws:cloudwatch/logGroup:LogGroup", lambda _: {"retentionInDays": 7, **TAGS}, {"retentionInDays": 14, "tags": {"team": "x"}}),
]  # fmt: skip


def test_every_implemented_type_is_tried_here() -> None:
    assert {case[0] for case in CASES} == set(all_resources())


@pytest.mark.parametrize(("token", "begin", "changed"), CASES, ids=[case[0].rsplit(":", 1)[-1] for case in CASES])
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
        # A setting that always has a value, and a policy of which nothing was sent, are not seen to be gone.
        if not token.endswith(("BucketServerSideEncryptionConfiguration", "BucketVersioning", "BucketPolicy")):
            assert engine.drift(resource, news) is None
        engine.delete(resource)
    finally:
        if not deleted:
            engine.delete(resource)


ADOPTABLE = [
    case
    for case in CASES
    if case[0].rsplit(":", 1)[-1]
    in ("Queue", "Bucket", "Table", "Role", "InstanceProfile", "LaunchTemplate", "Vpc", "LogGroup", "Target", "Subnet")
    and "iam/policy" not in case[0]
]


@pytest.mark.parametrize(("token", "begin", "_changed"), ADOPTABLE, ids=[c[0].rsplit(":", 1)[-1] for c in ADOPTABLE])
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


def test_a_change_from_outside_shows_as_drift_and_is_put_back(world: World, client: Callable[[str], Any]) -> None:
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


def test_a_versioned_bucket_is_emptied_only_when_it_may_be(world: World, client: Callable[[str], Any]) -> None:
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


def test_a_fleets_machines_follow_its_capacity_and_spread_over_its_types(
    world: World, client: Callable[[str], Any]
) -> None:
    fleet = world.make("aws:ec2/spotFleetRequest:SpotFleetRequest", "fleet", **world.fleet_inputs())

    def types() -> list[str]:
        found = client("ec2").describe_spot_fleet_instances(SpotFleetRequestId=fleet.id)["ActiveInstances"]
        return sorted(instance["InstanceType"] for instance in found)

    assert types() == ["c5.large", "m5.large"]
    world.engine.change(fleet, world.fleet_inputs(targetCapacity=1))
    assert len(types()) == 1


def test_a_create_that_fails_half_way_leaves_nothing_behind(live: Engine, client: Callable[[str], Any]) -> None:
    with pytest.raises(grpc.RpcError):
        live.create("aws:iam/instanceProfile:InstanceProfile", "half", {"name": "half-made", "role": "nobody"})
    names = [entry["InstanceProfileName"] for entry in client("iam").list_instance_profiles()["InstanceProfiles"]]
    assert "half-made" not in names


def test_a_secret_name_does_not_show_in_what_is_made_of_it(live: Engine) -> None:
    role = live.create("aws:iam/role:Role", "r", {"name": Secret("hush"), "assumeRolePolicy": a_trust("ec2.amazonaws.com")})
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
        {"mostRecent": True, "owners": ["amazon"], "filters": [{"name": "name", "values": ["al2023-ami-2023*"]}]},
    )
    assert image["id"].startswith("ami-")
    parameter = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
    assert live.invoke("aws:ssm/getParameter:getParameter", {"name": parameter})["value"].startswith("ami-")
    assert live.invoke("aws:ec2/getVpc:getVpc", {"id": world.vpc()})["cidrBlock"] == "10.7.0.0/16"
