"""Resources that others stand on, made on demand."""

from __future__ import annotations

import base64
import json
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
        place = {"vpcId": self.vpc(), "cidrBlock": "10.7.1.0/24", "availabilityZone": "us-east-1a"}
        return self.make("aws:ec2/subnet:Subnet", "subnet", **place).id

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
