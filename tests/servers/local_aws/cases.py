"""Inputs of each type, as a program would give them: what an environment without masters consists of."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable

from local.aws.provider.wire import Props

from .world import TLS_ONLY, World, a_policy, a_trust

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
]
