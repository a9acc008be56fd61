"""Inputs of each type, as a program would give them, with the resources they stand on made on demand."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from local.aws.provider.wire import Props

from .engine import Engine, Resource

SCALED = {"scalableDimension": "ec2:spot-fleet-request:TargetCapacity", "serviceNamespace": "ec2"}


def a_trust(service: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def a_policy(action: str, resource: str = "*") -> str:
    return json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": resource}]}
    )


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

    def make(self, token: str, name: str, /, **news: Any) -> Resource:
        if name not in self.made:
            self.made[name] = self.engine.create(token, name, news)
        return self.made[name]

    def out(self, token: str, name: str, key: str, /, **news: Any) -> Any:
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

    def balanced_subnets(self) -> list[str]:
        """Two subnets in different zones."""
        token, inputs = "aws:ec2/subnet:Subnet", {"vpcId": self.vpc(), "availabilityZone": "us-east-1b"}
        return [self.subnet(), self.make(token, "other-subnet", cidrBlock="10.7.9.0/24", **inputs).id]

    def interface(self) -> str:
        token = "aws:ec2/networkInterface:NetworkInterface"
        return self.make(token, "interface", subnetId=self.subnet(), privateIps=["10.7.1.77"]).id

    def instance_inputs(self) -> Props:
        profile = self.out(
            "aws:iam/instanceProfile:InstanceProfile", "profile", "name", role=self.role(), name="masters"
        )
        return {
            "ami": "ami-0123456789abcdef0",
            "instanceType": "m5.large",
            "iamInstanceProfile": profile,
            "primaryNetworkInterface": {"networkInterfaceId": self.interface()},
            "userDataBase64": base64.b64encode(b"#!/bin/sh\n\xff").decode(),
            "maintenanceOptions": {"autoRecovery": "default"},
            "metadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": 1},
            "rootBlockDevice": {"encrypted": True, "volumeType": "gp3", "deleteOnTermination": True},
            "instanceInitiatedShutdownBehavior": "stop",
        }

    def instance(self) -> Resource:
        return self.make("aws:ec2/instance:Instance", "master", **self.instance_inputs())

    def volume(self) -> str:
        zone = self.instance().outputs["availabilityZone"]
        return self.make("aws:ebs/volume:Volume", "data", availabilityZone=zone, size=20, type="gp3").id

    def address(self) -> str:
        return self.make("aws:ec2/eip:Eip", "address", domain="vpc").id

    def balancer(self) -> str:
        token = "aws:lb/loadBalancer:LoadBalancer"
        return self.make(token, "balancer", internal=True, subnets=self.balanced_subnets()).id

    def target_group(self) -> str:
        token = "aws:lb/targetGroup:TargetGroup"
        return self.make(token, "targets", port=8080, protocol="HTTP", vpcId=self.vpc()).id

    def zone(self) -> str:
        token = "aws:route53/zone:Zone"
        return self.make(token, "zone", name="prod.internal", vpcs=[{"vpcId": self.vpc()}]).id

    def topic(self) -> str:
        return self.make("aws:sns/topic:Topic", "topic").id

    def rule(self) -> str:
        token, pattern = "aws:cloudwatch/eventRule:EventRule", json.dumps({"source": ["aws.ec2"]})
        return self.make(token, "rule", eventPattern=pattern).outputs["name"]

    def log_group(self) -> str:
        return self.make("aws:cloudwatch/logGroup:LogGroup", "log").id

    def key(self) -> str:
        return self.make("aws:kms/key:Key", "key", deletionWindowInDays=7).id

    def fleet_inputs(self, **more: Any) -> Props:
        role = self.out(
            "aws:iam/role:Role", "fleet-role", "arn", assumeRolePolicy=a_trust("spotfleet.amazonaws.com")
        )
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


Case = tuple[str, Callable[[World], Props], Props]
"""Token, inputs to begin with, inputs to change."""

TAGS: Props = {"tags": {"team": "crawl"}}
CASES: list[Case] = [
    (
        "aws:sqs/queue:Queue",
        lambda _: {"fifoQueue": True, "delaySeconds": 3, **TAGS},
        {"delaySeconds": 4, "tags": {"team": "x"}},
    ),
    (
        "aws:sqs/queuePolicy:QueuePolicy",
        lambda w: {"queueUrl": w.queue().id, "policy": a_policy("sqs:SendMessage")},
        {"policy": a_policy("sqs:*")},
    ),
    (
        "aws:sqs/redrivePolicy:RedrivePolicy",
        lambda w: {
            "queueUrl": w.queue().id,
            "redrivePolicy": json.dumps(
                {"deadLetterTargetArn": w.out("aws:sqs/queue:Queue", "dead", "arn"), "maxReceiveCount": 3}
            ),
        },
        {},
    ),
    (
        "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy",
        lambda w: {"queueUrl": w.queue().id, "redriveAllowPolicy": '{"redrivePermission": "denyAll"}'},
        {"redriveAllowPolicy": '{"redrivePermission": "allowAll"}'},
    ),
    ("aws:s3/bucket:Bucket", lambda _: {"forceDestroy": True, **TAGS}, {"tags": {"team": "x"}}),
    (
        "aws:s3/bucketVersioning:BucketVersioning",
        lambda w: {"bucket": w.bucket(), "versioningConfiguration": {"status": "Enabled"}},
        {"versioningConfiguration": {"status": "Suspended"}},
    ),
    (
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        lambda w: {"bucket": w.bucket(), "blockPublicAcls": True},
        {"blockPublicPolicy": True},
    ),
    (
        "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
        lambda w: {"bucket": w.bucket(), "rule": {"objectOwnership": "BucketOwnerEnforced"}},
        {"rule": {"objectOwnership": "BucketOwnerPreferred"}},
    ),
    (
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        lambda w: {
            "bucket": w.bucket(),
            "rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}],
        },
        {
            "rules": [
                {"applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms"}, "bucketKeyEnabled": True}
            ]
        },
    ),
    (
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        lambda w: {
            "bucket": w.bucket(),
            "rules": [
                {"id": "old", "status": "Enabled", "noncurrentVersionExpiration": {"noncurrentDays": 30}},
                {"id": "pages", "status": "Enabled", "filter": {"prefix": "p/"}, "expiration": {"days": 3}},
            ],
        },
        {
            "rules": [
                {
                    "id": "old",
                    "status": "Disabled",
                    "abortIncompleteMultipartUpload": {"daysAfterInitiation": 1},
                }
            ]
        },
    ),
    (
        "aws:s3/bucketPolicy:BucketPolicy",
        lambda w: {
            "bucket": w.bucket(),
            "policy": json.dumps({"Statement": [{**TLS_ONLY, "Resource": f"arn:aws:s3:::{w.bucket()}/*"}]}),
        },
        {},
    ),
    (
        "aws:dynamodb/table:Table",
        lambda _: {
            "hashKey": "crawl",
            "rangeKey": "row",
            "billingMode": "PAY_PER_REQUEST",
            "attributes": [
                {"name": "crawl", "type": "S"},
                {"name": "row", "type": "S"},
                {"name": "pending", "type": "S"},
            ],
            "globalSecondaryIndexes": [{"name": "pending", "hashKey": "pending", "projectionType": "ALL"}],
            "ttl": {"attributeName": "expires_at", "enabled": True},
            "pointInTimeRecovery": {"enabled": True},
            "serverSideEncryption": {"enabled": True},
            **TAGS,
        },
        {"pointInTimeRecovery": {"enabled": False}, "tags": {"team": "x"}},
    ),
    (
        "aws:iam/role:Role",
        lambda _: {"assumeRolePolicy": a_trust("ec2.amazonaws.com"), **TAGS},
        {"assumeRolePolicy": a_trust("sqs.amazonaws.com"), "description": "d", "tags": {"team": "x"}},
    ),
    (
        "aws:iam/rolePolicy:RolePolicy",
        lambda w: {"role": w.role(), "policy": a_policy("sqs:SendMessage")},
        {"policy": a_policy("sqs:ReceiveMessage")},
    ),
    (
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        lambda w: {
            "role": w.role(),
            "policyArn": "arn:aws:iam::aws:policy/service-role/AmazonEC2SpotFleetTaggingRole",
        },
        {},
    ),
    (
        "aws:iam/policy:Policy",
        lambda _: {"policy": a_policy("s3:GetObject", "arn:aws:s3:::b/*"), **TAGS},
        {"policy": a_policy("s3:PutObject", "arn:aws:s3:::b/*"), "tags": {"team": "x"}},
    ),
    (
        "aws:iam/instanceProfile:InstanceProfile",
        lambda w: {"role": w.role(), **TAGS},
        {"tags": {"team": "x"}},
    ),
    (
        "aws:iam/serviceLinkedRole:ServiceLinkedRole",
        lambda _: {"awsServiceName": "ec2.application-autoscaling.amazonaws.com"},
        {"description": "d"},
    ),
    (
        "aws:ec2/vpc:Vpc",
        lambda _: {"cidrBlock": "10.8.0.0/16", **TAGS},
        {"enableDnsHostnames": True, "tags": {"team": "x"}},
    ),
    (
        "aws:ec2/subnet:Subnet",
        lambda w: {"vpcId": w.vpc(), "cidrBlock": "10.7.2.0/24", **TAGS},
        {"mapPublicIpOnLaunch": True},
    ),
    (
        "aws:ec2/internetGateway:InternetGateway",
        lambda w: {"vpcId": w.vpc(), **TAGS},
        {"tags": {"team": "x"}},
    ),
    ("aws:ec2/routeTable:RouteTable", lambda w: {"vpcId": w.vpc(), **TAGS}, {"tags": {"team": "x"}}),
    (
        "aws:ec2/route:Route",
        lambda w: {
            "routeTableId": w.table(),
            "destinationCidrBlock": "0.0.0.0/0",
            "gatewayId": w.make("aws:ec2/internetGateway:InternetGateway", "gate", vpcId=w.vpc()).id,
        },
        {},
    ),
    (
        "aws:ec2/routeTableAssociation:RouteTableAssociation",
        lambda w: {"routeTableId": w.table(), "subnetId": w.subnet()},
        {},
    ),
    (
        "aws:ec2/vpcEndpoint:VpcEndpoint",
        lambda w: {
            "vpcId": w.vpc(),
            "serviceName": "com.amazonaws.us-east-1.s3",
            "routeTableIds": [w.table()],
            **TAGS,
        },
        {"tags": {"team": "x"}},
    ),
    (
        "aws:ec2/securityGroup:SecurityGroup",
        lambda w: {
            "vpcId": w.vpc(),
            "ingress": [{"protocol": "tcp", "fromPort": 80, "toPort": 80, "cidrBlocks": ["10.0.0.0/8"]}],
            **TAGS,
        },
        {"ingress": [{"protocol": "tcp", "fromPort": 81, "toPort": 81, "cidrBlocks": ["10.0.0.0/8"]}]},
    ),
    (
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        lambda w: {
            "securityGroupId": w.group(),
            "ipProtocol": "tcp",
            "fromPort": 5051,
            "toPort": 5051,
            "cidrIpv4": "10.0.0.0/8",
            **TAGS,
        },
        {"fromPort": 5050, "tags": {"team": "x"}},
    ),
    (
        "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
        lambda w: {"securityGroupId": w.group(), "ipProtocol": "-1", "cidrIpv4": "0.0.0.0/0"},
        {"description": "all"},
    ),
    (
        "aws:ec2/launchTemplate:LaunchTemplate",
        lambda _: {
            "imageId": "ami-12c6146b",
            "instanceType": "m5.large",
            "userData": base64.b64encode(b"#!/bin/sh").decode(),
            "metadataOptions": {"httpTokens": "required"},
            "blockDeviceMappings": [
                {"deviceName": "/dev/xvda", "ebs": {"volumeSize": 30, "encrypted": "true"}}
            ],
            "tagSpecifications": [{"resourceType": "instance", "tags": {"Name": "agent"}}],
            **TAGS,
        },
        {"userData": base64.b64encode(b"#!/bin/bash").decode(), "tags": {"team": "x"}},
    ),
    (
        "aws:ec2/spotFleetRequest:SpotFleetRequest",
        lambda w: {**w.fleet_inputs(), **TAGS},
        {"targetCapacity": 4, "tags": {"team": "x"}},
    ),
    (
        "aws:appautoscaling/target:Target",
        lambda w: {**w.scaled(), "minCapacity": 1, "maxCapacity": 3},
        {"maxCapacity": 5},
    ),
    (
        "aws:appautoscaling/policy:Policy",
        lambda w: {
            **w.target(),
            "policyType": "TargetTrackingScaling",
            "targetTrackingScalingPolicyConfiguration": {
                "targetValue": 1,
                "customizedMetricSpecification": {
                    "metricName": "Load",
                    "namespace": "T",
                    "statistic": "Average",
                    "dimensions": [{"name": "Stack", "value": "t"}],
                },
            },
        },
        {},
    ),
    (
        "aws:appautoscaling/scheduledAction:ScheduledAction",
        lambda w: {
            **w.target(),
            "schedule": "cron(0 5 * * ? *)",
            "scalableTargetAction": {"minCapacity": 2, "maxCapacity": 3},
        },
        {"schedule": "cron(0 6 * * ? *)"},
    ),
    (
        "aws:cloudwatch/metricAlarm:MetricAlarm",
        lambda _: {
            "comparisonOperator": "GreaterThanThreshold",
            "evaluationPeriods": 1,
            "metricName": "Age",
            "namespace": "AWS/SQS",
            "period": 60,
            "statistic": "Maximum",
            "threshold": 300,
            "dimensions": {"QueueName": "q"},
            **TAGS,
        },
        {"threshold": 400, "tags": {"team": "x"}},
    ),
    (
        "aws:cloudwatch/logGroup:LogGroup",
        lambda _: {"retentionInDays": 7, **TAGS},
        {"retentionInDays": 14, "tags": {"team": "x"}},
    ),
    (
        "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
        lambda w: {"vpcId": w.vpc(), "ingress": [], "egress": [], **TAGS},
        {"tags": {"team": "x"}},
    ),
    ("aws:ec2/eip:Eip", lambda _: {"domain": "vpc", **TAGS}, {"tags": {"team": "x"}}),
    (
        "aws:ec2/natGateway:NatGateway",
        lambda w: {"allocationId": w.address(), "subnetId": w.subnet(), **TAGS},
        {"tags": {"team": "x"}},
    ),
    (
        "aws:ec2/networkInterface:NetworkInterface",
        lambda w: {
            "subnetId": w.subnet(),
            "privateIps": ["10.7.1.11"],
            "securityGroups": [w.group()],
            "description": "outlives its instance",
            **TAGS,
        },
        {"description": "d", "privateIps": ["10.7.1.11", "10.7.1.12"], "tags": {"team": "x"}},
    ),
    (
        "aws:ec2/instance:Instance",
        lambda w: {**w.instance_inputs(), "disableApiTermination": True, "forceDestroy": True, **TAGS},
        {
            "instanceType": "m5.xlarge",
            "userDataBase64": base64.b64encode(b"#!/bin/bash").decode(),
            "disableApiTermination": False,
            "metadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": 2},
            "rootBlockDevice": {
                "encrypted": True,
                "volumeType": "gp3",
                "volumeSize": 20,
                "deleteOnTermination": True,
            },
            "instanceInitiatedShutdownBehavior": "terminate",
            "maintenanceOptions": {"autoRecovery": "disabled"},
            "tags": {"team": "x"},
        },
    ),
    (
        "aws:ebs/volume:Volume",
        lambda _: {"availabilityZone": "us-east-1a", "size": 20, "type": "gp3", "encrypted": True, **TAGS},
        {"size": 30, "iops": 4000, "tags": {"team": "x"}},
    ),
    (
        "aws:ec2/volumeAttachment:VolumeAttachment",
        lambda w: {"volumeId": w.volume(), "instanceId": w.instance().id, "deviceName": "/dev/sdf"},
        {"stopInstanceBeforeDetaching": True},
    ),
    (
        "aws:lb/loadBalancer:LoadBalancer",
        lambda w: {
            "internal": True,
            "subnets": w.balanced_subnets(),
            "securityGroups": [w.group()],
            "dropInvalidHeaderFields": True,
            **TAGS,
        },
        {"dropInvalidHeaderFields": False, "idleTimeout": 30, "tags": {"team": "x"}},
    ),
    (
        "aws:lb/targetGroup:TargetGroup",
        lambda w: {
            "port": 8080,
            "protocol": "HTTP",
            "vpcId": w.vpc(),
            "deregistrationDelay": 30,
            "healthCheck": {
                "path": "/leader",
                "port": "8081",
                "interval": 10,
                "timeout": 6,
                "matcher": "200",
            },
            **TAGS,
        },
        {
            "deregistrationDelay": 60,
            "healthCheck": {"path": "/ping", "port": "8081", "interval": 20, "timeout": 6, "matcher": "200"},
            "tags": {"team": "x"},
        },
    ),
    (
        "aws:lb/listener:Listener",
        lambda w: {
            "loadBalancerArn": w.balancer(),
            "port": 80,
            "protocol": "HTTP",
            "defaultActions": [{"type": "forward", "targetGroupArn": w.target_group()}],
            **TAGS,
        },
        {"port": 8080, "tags": {"team": "x"}},
    ),
    (
        "aws:lb/targetGroupAttachment:TargetGroupAttachment",
        lambda w: {"targetGroupArn": w.target_group(), "targetId": w.instance().id},
        {},
    ),
    (
        "aws:route53/zone:Zone",
        lambda w: {"name": "dev.internal", "vpcs": [{"vpcId": w.vpc()}], "comment": "masters", **TAGS},
        {"comment": "c", "tags": {"team": "x"}},
    ),
    (
        "aws:route53/record:Record",
        lambda w: {
            "zoneId": w.zone(),
            "name": "master-1.prod.internal",
            "type": "A",
            "ttl": 60,
            "records": ["10.7.1.11"],
        },
        {"ttl": 30, "records": ["10.7.1.12"]},
    ),
    (
        "aws:cloudwatch/dashboard:Dashboard",
        lambda _: {"dashboardName": "trawler-prod", "dashboardBody": '{"widgets": []}'},
        {"dashboardBody": '{"widgets": [], "start": "-PT3H"}'},
    ),
    (
        "aws:cloudwatch/logMetricFilter:LogMetricFilter",
        lambda w: {
            "logGroupName": w.log_group(),
            "pattern": "ERROR",
            "metricTransformation": {"name": "Errors", "namespace": "T", "value": "1"},
        },
        {"pattern": "FATAL"},
    ),
    (
        "aws:cloudwatch/eventRule:EventRule",
        lambda _: {"eventPattern": json.dumps({"source": ["aws.ec2"]}), **TAGS},
        {"description": "d", "tags": {"team": "x"}},
    ),
    (
        "aws:cloudwatch/eventTarget:EventTarget",
        lambda w: {"rule": w.rule(), "arn": w.topic()},
        {"input": '{"a": 1}'},
    ),
    ("aws:sns/topic:Topic", lambda _: {"displayName": "Trawler", **TAGS}, {"displayName": "T"}),
    (
        "aws:sns/topicSubscription:TopicSubscription",
        lambda w: {"topic": w.topic(), "protocol": "email", "endpoint": "crawl@example.com"},
        {},
    ),
    (
        "aws:budgets/budget:Budget",
        lambda w: {
            "budgetType": "COST",
            "timeUnit": "MONTHLY",
            "limitAmount": "1000",
            "limitUnit": "USD",
            "costFilters": [{"name": "TagKeyValue", "values": ["user:Stack$prod"]}],
            "notifications": [
                {
                    "comparisonOperator": "GREATER_THAN",
                    "notificationType": "ACTUAL",
                    "threshold": 80,
                    "thresholdType": "PERCENTAGE",
                    "subscriberSnsTopicArns": [w.topic()],
                }
            ],
            **TAGS,
        },
        {"limitAmount": "1200", "tags": {"team": "x"}},
    ),
    (
        "aws:secretsmanager/secret:Secret",
        lambda _: {"description": "agents", "recoveryWindowInDays": 7, **TAGS},
        {"description": "d", "tags": {"team": "x"}},
    ),
    (
        "aws:kms/key:Key",
        lambda _: {"description": "state", "enableKeyRotation": True, "deletionWindowInDays": 7, **TAGS},
        {"description": "d", "enableKeyRotation": False, "tags": {"team": "x"}},
    ),
    (
        "aws:kms/alias:Alias",
        lambda w: {"name": "alias/trawler-state", "targetKeyId": w.key()},
        {},
    ),
    (
        "aws:iam/openIdConnectProvider:OpenIdConnectProvider",
        lambda _: {"url": "https://token.example.com", "clientIdLists": ["sts.amazonaws.com"], **TAGS},
        {"clientIdLists": ["sts.amazonaws.com", "other"], "tags": {"team": "x"}},
    ),
    (
        "aws:ssm/parameter:Parameter",
        lambda _: {"name": "/trawler/release", "type": "String", "value": "abc", **TAGS},
        {"value": "def", "description": "d", "tags": {"team": "x"}},
    ),
]
