"""Refusals that need a look at what exists: AWS checks these references, moto does not."""

from __future__ import annotations

from typing import Any

import botocore.exceptions

from local.aws.differences.catalogue import Answer, catalogue
from local.aws.provider.errors import ProviderError, RefusedError, is_gone, message_of
from local.aws.provider.session import Operation
from local.aws.provider.wire import Props


def _refused(key: str, text: str) -> RefusedError:
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
            raise _refused("iam-boundary-exists", f"permissionsBoundary {arn} does not exist") from error
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
            raise _refused(key, text) from error
        raise


def require_fleet_role(op: Operation, arn: str) -> None:
    """The role that a spot fleet acts with exists."""
    try:
        op.client("iam").get_role(RoleName=arn.rsplit("/", 1)[-1])
    except botocore.exceptions.ClientError as error:
        if is_gone(error):
            raise _refused("fleet-role-exists", f"iamFleetRole {arn} does not exist") from error
        raise


def require_template_version(op: Operation, reference: Props) -> None:
    """The template version that a spot fleet names exists, and is the one that moto would use."""
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
        raise _refused("fleet-template-version", f"launch template {name} has no version {version}")
    latest = client.describe_launch_template_versions(**by, Versions=["$Latest"])["LaunchTemplateVersions"]
    if found[0]["VersionNumber"] != latest[0]["VersionNumber"]:
        # Not AWS's refusal but ours: the fleet would run another version than the program says.
        raise ProviderError(
            f"launch template {name}: version {version} is not the latest, {latest[0]['VersionNumber']}, and the local "
            f"EC2 starts fleets from the latest only"
        )


def require_fleet(op: Operation, resource_id: str) -> None:
    """The spot fleet that is to be scaled exists."""
    kind, _, identity = resource_id.partition("/")
    if kind != "spot-fleet-request":
        return
    found = op.client("ec2").describe_spot_fleet_requests(SpotFleetRequestIds=[identity])[
        "SpotFleetRequestConfigs"
    ]
    if not any(fleet["SpotFleetRequestId"] == identity for fleet in found):
        raise _refused(
            "scaling-fleet-exists", f"resourceId {resource_id}: there is no such spot fleet request"
        )


def require_scalable_target(target: Any, props: Props) -> None:
    """A target is registered for what a policy or a scheduled action is to scale."""
    if target is None:
        raise _refused(
            "scaling-target-exists",
            f"no scalable target is registered for {props['resourceId']} ({props['scalableDimension']}); make the "
            f"appautoscaling.Target first, and take resourceId from its outputs",
        )


def require_vpc(op: Operation, vpc_id: str) -> None:
    """The VPC of a security group exists."""
    if not op.client().describe_vpcs(Filters=[{"Name": "vpc-id", "Values": [vpc_id]}])["Vpcs"]:
        raise _refused("group-vpc-exists", f"vpcId {vpc_id} does not exist")


def require_endpoint_service(op: Operation, service_name: str) -> None:
    """A VPC endpoint's service exists in the region."""
    names = op.client().describe_vpc_endpoint_services().get("ServiceNames", [])
    if service_name not in names:
        raise _refused("endpoint-service", f"serviceName {service_name} is not offered in {op.region}")
