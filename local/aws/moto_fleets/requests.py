"""EC2's calls on spot fleet requests, in place of moto's.

Source: the EC2 API reference, RequestSpotFleet, ModifySpotFleetRequest and CancelSpotFleetRequests.
"""

from __future__ import annotations

from threading import RLock
from typing import Any, Final

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.responses.spot_fleets import SpotFleets
from moto.ec2.utils import convert_tag_spec, random_spot_fleet_request_id

from local.aws.moto_fleets.fleet import FleetRequest
from local.aws.moto_fleets.pools import pools_of

_DEFAULTS: Final = {
    "AllocationStrategy": "lowestPrice",
    "ExcessCapacityTerminationPolicy": "default",
    "OnDemandAllocationStrategy": "lowestPrice",
    "OnDemandTargetCapacity": 0,
    "ReplaceUnhealthyInstances": False,
    "TerminateInstancesWithExpiration": False,
    "Type": "maintain",
}
_ONE_CALL: Final = RLock()
"""Two calls that fill one fleet at once would both launch what is missing."""


def install() -> None:
    """From now on moto's spot fleets in this process are these. To be called once, before it serves."""
    replacements = {
        "request_spot_fleet": _request,
        "modify_spot_fleet_request": _modify,
        "cancel_spot_fleet_requests": _cancel,
        "describe_spot_fleet_requests": _describe,
    }
    for name, replacement in replacements.items():
        setattr(SpotFleets, name, replacement)


def _request(self: Any) -> ActionResult:
    config: dict[str, Any] = {**_DEFAULTS, **self._get_param("SpotFleetRequestConfig", {})}
    config |= {key: int(config[key]) for key in ("TargetCapacity", "OnDemandTargetCapacity")}
    backend = self.ec2_backend
    tags = convert_tag_spec(config.pop("TagSpecifications", []))
    fleet = FleetRequest(backend, random_spot_fleet_request_id(), config, pools_of(backend, config))
    with _ONE_CALL:
        backend.spot_fleet_requests[fleet.id] = fleet
        if tags.get("spot-fleet-request"):
            backend.create_tags([fleet.id], tags["spot-fleet-request"])
        try:
            fleet.start()
        except Exception:
            fleet.cancel(terminate=True)
            del backend.spot_fleet_requests[fleet.id]
            raise
    return ActionResult({"SpotFleetRequestId": fleet.id})


def _modify(self: Any) -> ActionResult:
    """fleet-modify-unknown: a request that is gone, or cancelled, is refused."""
    identity = str(self._get_param("SpotFleetRequestId"))
    with _ONE_CALL:
        [fleet] = _found(self, [identity])
        if fleet.cancelled:
            raise EC2ClientError("IncorrectState", f"{identity} is {fleet.state} and cannot be modified")
        total = _number(self, "TargetCapacity", fleet)
        # A lower total alone takes the on-demand share along.
        named = self._get_int_param("OnDemandTargetCapacity") is not None
        share = _number(self, "OnDemandTargetCapacity", fleet)
        share = share if named else min(share, total)
        if min(total, share) < 0 or share > total:
            text = f"OnDemandTargetCapacity {share} and TargetCapacity {total}: both at least 0, the total not below"
            raise EC2ClientError("InvalidParameterValue", text)
        policy = self._get_param("ExcessCapacityTerminationPolicy")
        fleet.modify(total, share, str(policy or fleet.config["ExcessCapacityTerminationPolicy"]))
    return ActionResult({"Return": True})


def _number(call: Any, key: str, fleet: FleetRequest) -> int:
    value = call._get_int_param(key)
    return int(fleet.config[key]) if value is None else int(value)


def _cancel(self: Any) -> ActionResult:
    terminate = bool(self._get_bool_param("TerminateInstances"))
    done: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    with _ONE_CALL:
        for identity in self._get_param("SpotFleetRequestIds", []):
            fleet: FleetRequest | None = self.ec2_backend.spot_fleet_requests.get(identity)
            if fleet is None:
                error = {"Code": "fleetRequestIdDoesNotExist", "Message": f"{identity} does not exist"}
                failed.append({"SpotFleetRequestId": identity, "Error": error})
                continue
            before = fleet.state
            done.append(
                {
                    "SpotFleetRequestId": identity,
                    "PreviousSpotFleetRequestState": before,
                    "CurrentSpotFleetRequestState": fleet.cancel(terminate=terminate),
                }
            )
    return ActionResult({"SuccessfulFleetRequests": done, "UnsuccessfulFleetRequests": failed})


def _describe(self: Any) -> ActionResult:
    wanted = self._get_param("SpotFleetRequestIds", [])
    with _ONE_CALL:
        fleets = _found(self, wanted) if wanted else list(self.ec2_backend.spot_fleet_requests.values())
        return ActionResult({"SpotFleetRequestConfigs": [fleet.described() for fleet in fleets]})


def _found(call: Any, identities: list[str]) -> list[FleetRequest]:
    known: dict[str, FleetRequest] = call.ec2_backend.spot_fleet_requests
    for identity in identities:
        if identity not in known:
            text = f"The spot fleet request ID '{identity}' does not exist"
            raise EC2ClientError("InvalidSpotFleetRequestId.NotFound", text)
    return [known[identity] for identity in identities]
