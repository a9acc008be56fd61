"""EC2 spot fleet requests.

Source: the EC2 API reference, RequestSpotFleet and ModifySpotFleetRequest; what changes in place is what AWS's provider
sends to ModifySpotFleetRequest.
"""

from __future__ import annotations

import time
from typing import Any, Final

from local.aws import differences
from local.aws.provider.declaration import Resource, inputs, tag_list, tag_map
from local.aws.provider.errors import ProviderError
from local.aws.provider.resources.ec2 import tag_ec2
from local.aws.provider.session import Operation
from local.aws.provider.shapes import parameters
from local.aws.provider.wire import Props

_CONFIG: Final = (
    "allocationStrategy", "context", "fleetType", "iamFleetRole", "instanceInterruptionBehaviour",
    "instancePoolsToUseCount", "launchSpecifications", "launchTemplateConfigs", "onDemandAllocationStrategy",
    "onDemandMaxTotalPrice", "onDemandTargetCapacity", "replaceUnhealthyInstances", "spotMaintenanceStrategies",
    "spotPrice", "targetCapacity", "targetCapacityUnitType", "terminateInstancesWithExpiration", "validFrom",
    "validUntil",
)  # fmt: skip
_NAMES: Final = {
    "fleetType": "Type",
    "instanceInterruptionBehaviour": "InstanceInterruptionBehavior",
    "launchTemplateConfigs.launchTemplateSpecification.id": "LaunchTemplateId",
    "launchTemplateConfigs.launchTemplateSpecification.name": "LaunchTemplateName",
    "launchSpecifications.ami": "ImageId",
    "launchSpecifications.vpcSecurityGroupIds": "SecurityGroups",
}
_LAUNCH_SPECIFICATION: Final = frozenset(
    ("ami", "ebsOptimized", "iamInstanceProfileArn", "instanceType", "keyName", "monitoring", "spotPrice", "subnetId",
     "userData", "vpcSecurityGroupIds", "weightedCapacity", "tags")
)  # fmt: skip
_WAIT_S: Final = 600.0
_POLICIES: Final = {"Default": "default", "NoTermination": "noTermination"}
"""Value of the input → value of the API."""
_INPUTS: Final = {api: value for value, api in _POLICIES.items()}


def _config(op: Operation, props: Props) -> dict[str, Any]:
    given = {key: props[key] for key in _CONFIG if props.get(key) not in (None, "", [], {})}
    if given.get("allocationStrategy") != "lowestPrice":
        given.pop("instancePoolsToUseCount", None)
    specifications = given.pop("launchSpecifications", [])
    policy = {"excessCapacityTerminationPolicy": _POLICIES[props["excessCapacityTerminationPolicy"]]}
    config = parameters(
        op.client(), "RequestSpotFleet", "SpotFleetRequestConfig", {**given, **policy}, _NAMES
    )
    if specifications:
        config["LaunchSpecifications"] = [_launch_specification(op, entry) for entry in specifications]
    return {key: value for key, value in config.items() if value != []}


def _launch_specification(op: Operation, entry: Props) -> dict[str, Any]:
    unknown = sorted(key for key, value in entry.items() if key not in _LAUNCH_SPECIFICATION and value)
    if unknown:
        raise ProviderError(
            f"launchSpecifications: the local aws provider does not implement {', '.join(unknown)}; "
            f"use launchTemplateConfigs"
        )
    plain = {
        key: value
        for key, value in entry.items()
        if key not in ("iamInstanceProfileArn", "monitoring", "tags")
    }
    groups = plain.pop("vpcSecurityGroupIds", [])
    names = {"ami": "ImageId"}
    path = "SpotFleetRequestConfig.LaunchSpecifications"
    [result] = parameters(op.client(), "RequestSpotFleet", path, [plain], names)
    result["SecurityGroups"] = [{"GroupId": group} for group in groups]
    if entry.get("iamInstanceProfileArn"):
        result["IamInstanceProfile"] = {"Arn": entry["iamInstanceProfileArn"]}
    if entry.get("monitoring"):
        result["Monitoring"] = {"Enabled": True}
    if entry.get("tags"):
        result["TagSpecifications"] = [{"ResourceType": "instance", "Tags": tag_list(entry["tags"])}]
    return result


def _create(op: Operation, props: Props) -> str:
    differences.require_fleet_role(op, props["iamFleetRole"])
    types = {entry["instanceType"] for entry in props.get("launchSpecifications") or []}
    for entry in props.get("launchTemplateConfigs") or []:
        differences.require_template_version(op, entry["launchTemplateSpecification"])
        types |= {
            override["instanceType"]
            for override in entry.get("overrides") or []
            if override.get("instanceType")
        }
    differences.require_instance_types(op, types, "fleet-types-exist")
    config = _config(op, props)
    if props["tagsAll"]:
        config["TagSpecifications"] = [
            {"ResourceType": "spot-fleet-request", "Tags": tag_list(props["tagsAll"])}
        ]
    identity = op.made = str(
        op.client().request_spot_fleet(SpotFleetRequestConfig=config)["SpotFleetRequestId"]
    )
    if props.get("waitForFulfillment"):
        _wait_for_fulfilment(op, identity)
    return identity


def _wait_for_fulfilment(op: Operation, identity: str) -> None:
    deadline = time.monotonic() + _WAIT_S
    while True:
        fleet = _find(op, identity)
        if fleet is None:
            raise ProviderError(f"spot fleet {identity} vanished while it was filled")
        config = fleet["SpotFleetRequestConfig"]
        if float(config.get("FulfilledCapacity", 0)) >= config["TargetCapacity"]:
            return
        if time.monotonic() > deadline or op.cancelled.wait(0.5):
            raise ProviderError(
                f"spot fleet {identity} was not filled: {config.get('FulfilledCapacity')} of {config['TargetCapacity']}"
            )


def _find(op: Operation, identity: str) -> dict[str, Any] | None:
    found = op.client().describe_spot_fleet_requests(SpotFleetRequestIds=[identity])[
        "SpotFleetRequestConfigs"
    ]
    return next(
        (
            fleet
            for fleet in found
            if fleet["SpotFleetRequestId"] == identity
            and not fleet["SpotFleetRequestState"].startswith("cancelled")
        ),
        None,
    )


def _read(op: Operation, identity: str, _state: Props) -> Props | None:
    fleet = _find(op, identity)
    if fleet is None:
        return None
    config = fleet["SpotFleetRequestConfig"]
    return {
        "spotRequestState": fleet["SpotFleetRequestState"],
        "clientToken": config.get("ClientToken"),
        "targetCapacity": config["TargetCapacity"],
        "iamFleetRole": config["IamFleetRole"],
        "allocationStrategy": config["AllocationStrategy"],
        "onDemandTargetCapacity": config.get("OnDemandTargetCapacity"),
        "excessCapacityTerminationPolicy": _INPUTS.get(str(config.get("ExcessCapacityTerminationPolicy"))),
        "fleetType": config.get("Type"),
        "spotPrice": config.get("SpotPrice"),
        "tagsAll": tag_map(fleet.get("Tags")),
    }


def _update(op: Operation, identity: str, old: Props, new: Props) -> None:
    keys = ("targetCapacity", "onDemandTargetCapacity", "excessCapacityTerminationPolicy")
    if all(old.get(key) == new.get(key) for key in keys):
        return
    request: dict[str, Any] = {
        "SpotFleetRequestId": identity,
        "TargetCapacity": new["targetCapacity"],
        "ExcessCapacityTerminationPolicy": _POLICIES[new["excessCapacityTerminationPolicy"]],
    }
    # Left out, the share would stay; 0 is what an input that is gone asks for.
    if old.get("onDemandTargetCapacity") != new.get("onDemandTargetCapacity"):
        request["OnDemandTargetCapacity"] = new.get("onDemandTargetCapacity") or 0
    op.client().modify_spot_fleet_request(**request)


def _delete(op: Operation, identity: str, state: Props) -> None:
    flag = state.get("terminateInstancesOnDelete")
    terminate = flag == "true" if flag else bool(state.get("terminateInstancesWithExpiration"))
    if _find(op, identity) is not None:
        op.client().cancel_spot_fleet_requests(SpotFleetRequestIds=[identity], TerminateInstances=terminate)


SPOT_FLEET = Resource(
    kind="aws:ec2/spotFleetRequest:SpotFleetRequest",
    service="ec2",
    create=_create,
    read=_read,
    update=_update,
    delete=_delete,
    tag=tag_ec2,
    implements=inputs("excessCapacityTerminationPolicy terminateInstancesOnDelete waitForFulfillment")
    | frozenset(_CONFIG),
)

RESOURCES = (SPOT_FLEET,)
