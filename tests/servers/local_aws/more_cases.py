"""Inputs of each type: masters, their balancer and names, and what watches an environment."""

from __future__ import annotations

import base64
import json

from .cases import TAGS, Case

MORE_CASES: list[Case] = [
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
