"""Refusals that need a look at what exists: AWS checks these references, moto does not."""

from __future__ import annotations

from typing import Any

import botocore.exceptions

from local.aws.differences.catalogue import Answer, catalogue
from local.aws.provider.errors import RefusedError, is_gone, message_of
from local.aws.provider.session import Operation
from local.aws.provider.wire import Props


def refused(key: str, text: str) -> RefusedError:
    """What AWS would say no to, by its entry in the list of differences."""
    if catalogue()[key].answer is not Answer.REFUSED:
        raise LookupError(f"{key} is not listed as refused")
    return RefusedError(f"{text} (AWS refuses this)")


def require_permissions_boundary(op: Operation, props: Props) -> None:
    """The policy that bounds a role exists."""
    arn = props.get("permissionsBoundary")
    if not arn:
        return
    try:
        op.client().get_policy(PolicyArn=arn)
    except botocore.exceptions.ClientError as error:
        if is_gone(error):
            raise refused("iam-boundary-exists", f"permissionsBoundary {arn} does not exist") from error
        raise


def require_instance_types(op: Operation, names: set[str], key: str) -> None:
    """All instance types exist in the region."""
    if not names:
        return
    try:
        op.client("ec2").describe_instance_types(InstanceTypes=sorted(names))
    except botocore.exceptions.ClientError as error:
        if "InvalidInstanceType" in str(error):
            text = f"unknown instance type among {', '.join(sorted(names))}: {message_of(error)}"
            raise refused(key, text) from error
        raise


def require_fleet_role(op: Operation, arn: str) -> None:
    """The role that a spot fleet acts with exists."""
    try:
        op.client("iam").get_role(RoleName=arn.rsplit("/", 1)[-1])
    except botocore.exceptions.ClientError as error:
        if is_gone(error):
            raise refused("fleet-role-exists", f"iamFleetRole {arn} does not exist") from error
        raise


def require_template_version(op: Operation, reference: Props) -> None:
    """The template version that a spot fleet names exists."""
    by = (
        {"LaunchTemplateId": reference["id"]}
        if reference.get("id")
        else {"LaunchTemplateName": reference["name"]}
    )
    version = str(reference["version"])
    client = op.client("ec2")
    found = client.describe_launch_template_versions(**by, Versions=[version])["LaunchTemplateVersions"]
    name = reference.get("id") or reference.get("name")
    if not found:
        raise refused("fleet-template-version", f"launch template {name} has no version {version}")


def require_fleet(op: Operation, resource_id: str) -> None:
    """The spot fleet that is to be scaled exists."""
    kind, _, identity = resource_id.partition("/")
    if kind != "spot-fleet-request":
        return
    try:
        op.client("ec2").describe_spot_fleet_requests(SpotFleetRequestIds=[identity])
    except botocore.exceptions.ClientError as error:
        if is_gone(error):
            text = f"resourceId {resource_id}: there is no such spot fleet request"
            raise refused("scaling-fleet-exists", text) from error
        raise


def require_scalable_target(target: Any, props: Props) -> None:
    """A target is registered for what a policy or a scheduled action is to scale."""
    if target is None:
        raise refused(
            "scaling-target-exists",
            f"no scalable target is registered for {props['resourceId']} ({props['scalableDimension']}); make the "
            f"appautoscaling.Target first, and take resourceId from its outputs",
        )


def require_vpc(op: Operation, vpc_id: str, key: str = "group-vpc-exists") -> None:
    """The VPC that something is made in exists."""
    if not op.client("ec2").describe_vpcs(Filters=[{"Name": "vpc-id", "Values": [vpc_id]}])["Vpcs"]:
        raise refused(key, f"vpcId {vpc_id} does not exist")


def require_free_balancer_name(op: Operation, name: str) -> None:
    """No load balancer has the name."""
    found = op.client("elbv2").describe_load_balancers()["LoadBalancers"]
    if any(balancer["LoadBalancerName"] == name for balancer in found):
        raise refused("balancer-name-taken", f"a load balancer named {name} exists")


def require_free_port(op: Operation, balancer: str, port: int | None) -> None:
    """No listener of the load balancer has the port."""
    found = op.client("elbv2").describe_listeners(LoadBalancerArn=balancer)["Listeners"]
    if any(listener.get("Port") == port for listener in found):
        raise refused("listener-port-taken", f"a listener on port {port} exists on {balancer}")


def require_target(op: Operation, group: str, target: str) -> None:
    """An instance that is to stand behind a target group exists."""
    [found] = op.client("elbv2").describe_target_groups(TargetGroupArns=[group])["TargetGroups"]
    if found.get("TargetType") != "instance":
        return
    only_this = [{"Name": "instance-id", "Values": [target]}]
    if not op.client("ec2").describe_instances(Filters=only_this)["Reservations"]:
        raise refused("target-exists", f"target {target} is no instance that exists")


def require_log_group(op: Operation, name: str) -> None:
    """The log group of a metric filter exists."""
    found = op.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    if not any(group["logGroupName"] == name for group in found):
        raise refused("filter-group-exists", f"log group {name} does not exist")


def require_endpoint_service(op: Operation, service_name: str) -> None:
    """A VPC endpoint's service exists in the region."""
    names = op.client().describe_vpc_endpoint_services().get("ServiceNames", [])
    if service_name not in names:
        raise refused("endpoint-service", f"serviceName {service_name} is not offered in {op.region}")
