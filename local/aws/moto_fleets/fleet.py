"""One spot fleet request and its instances.

Source: the EC2 API reference, RequestSpotFleet, ModifySpotFleetRequest and CancelSpotFleetRequests.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from moto.ec2.utils import convert_tag_spec, random_spot_request_id

from local.aws.moto_fleets.pools import Pool, next_pool

_ASKED: Final = (
    "AllocationStrategy", "ExcessCapacityTerminationPolicy", "IamFleetRole", "InstanceInterruptionBehavior",
    "InstancePoolsToUseCount", "LaunchSpecifications", "LaunchTemplateConfigs", "OnDemandAllocationStrategy",
    "OnDemandTargetCapacity", "ReplaceUnhealthyInstances", "SpotMaintenanceStrategies", "SpotPrice", "TargetCapacity",
    "TerminateInstancesWithExpiration", "Type", "ValidFrom", "ValidUntil",
)  # fmt: skip
_IMAGE_GB: Final = 8


@dataclass(frozen=True, eq=False)
class Member:
    """An instance of a fleet."""

    instance: Any
    pool: Pool
    id: str | None
    """Of the spot instance request; None for an on-demand instance."""

    @property
    def is_spot(self) -> bool:
        """Whether the machine may be interrupted."""
        return self.id is not None


@dataclass(eq=False)
class FleetRequest:
    """A request. moto reaches into it by its own names when an instance of it is terminated."""

    backend: Any
    id: str
    config: dict[str, Any]
    """SpotFleetRequestConfigData with every default filled in."""
    pools: list[Pool]
    cancelled: bool = False
    launch_specs: tuple[()] = ()
    """Empty: moto would take from the capacity by them."""
    fulfilled_capacity: float = 0
    """Not used: capacity is what the members sum up to."""
    _launched: list[Member] = field(default_factory=list)

    @property
    def spot_requests(self) -> list[Member]:
        """Members that are not terminated, spot and on-demand alike; the name is moto's."""
        return [member for member in self._launched if member.instance.state_code != 48]

    @spot_requests.setter
    def spot_requests(self, _remaining: Iterable[Member]) -> None:
        """moto takes a terminated instance out; here that follows from its state."""

    @property
    def state(self) -> str:
        """SpotFleetRequestState (fleet-cancel)."""
        if not self.cancelled:
            return "active"
        return "cancelled_running" if self.spot_requests else "cancelled"

    def modify(self, target: int, on_demand: int, policy: str) -> None:
        """Brings the members to new targets; `noTermination` keeps what is too much (fleet-modify-policy)."""
        self.config |= {
            "TargetCapacity": target,
            "OnDemandTargetCapacity": on_demand,
            "ExcessCapacityTerminationPolicy": policy,
        }
        self._fill(spot=False)
        if policy.lower() == "default":
            self._shed()
        self._fill(spot=True)

    def start(self) -> None:
        """Launches up to the targets."""
        self._fill(spot=False)
        self._fill(spot=True)

    def cancel(self, *, terminate: bool) -> str:
        """Ends the request, with its instances or without; the state as CancelSpotFleetRequests answers it."""
        self.cancelled = True
        if terminate:
            self._terminate(self.spot_requests)
        return "cancelled_terminating" if terminate else "cancelled_running"

    def described(self) -> dict[str, Any]:
        """An entry of DescribeSpotFleetRequests (fleet-description)."""
        tags = self.backend.describe_tags(filters={"resource-id": [self.id]})
        config = {key: self.config[key] for key in _ASKED if self.config.get(key) is not None}
        held = _units(self.spot_requests)
        config["FulfilledCapacity"] = held
        config["OnDemandFulfilledCapacity"] = _units(self._members(spot=False))
        return {
            "SpotFleetRequestId": self.id,
            "SpotFleetRequestState": self.state,
            "ActivityStatus": "fulfilled" if held >= config["TargetCapacity"] else "pending_fulfillment",
            "SpotFleetRequestConfig": config,
            "Tags": [{"Key": tag["key"], "Value": tag["value"]} for tag in tags],
        }

    def _members(self, *, spot: bool) -> list[Member]:
        return [member for member in self.spot_requests if member.is_spot == spot]

    def _floor(self, *, spot: bool) -> tuple[float, float]:
        """(target, held): the on-demand share by itself, or everything."""
        if spot:
            return self.config["TargetCapacity"], _units(self.spot_requests)
        return self.config["OnDemandTargetCapacity"], _units(self._members(spot=False))

    def _fill(self, *, spot: bool) -> None:
        """Launches until the on-demand share, or the total, is there: fleet-on-demand-share, fleet-diversified-zero."""
        strategy = self.config["AllocationStrategy" if spot else "OnDemandAllocationStrategy"]
        target, held = self._floor(spot=spot)
        used = [member.pool for member in self.spot_requests]
        while held < target:
            pool = next_pool(self.pools, used, target - held, strategy)
            self._launched.append(self._launch(pool, spot=spot))
            used.append(pool)
            held += pool.weight

    def _shed(self) -> None:
        """Terminates what can go without falling below a target: on-demand, then spot, the newest of the fullest pool
        first."""
        gone: list[Member] = []
        for spot in (False, True):
            target, held = self._floor(spot=spot)
            held -= _units(gone) if spot else 0
            left = [member for member in self._members(spot=spot) if member not in gone]
            while going := [member for member in left if held - member.pool.weight >= target]:
                counts = {member.pool: 0.0 for member in going}
                for member in left:
                    if member.pool in counts:
                        counts[member.pool] += member.pool.weight
                fullest = max(counts, key=lambda pool: counts[pool])
                last = [member for member in going if member.pool is fullest][-1]
                left.remove(last)
                gone.append(last)
                held -= fullest.weight
        self._terminate(gone)

    def _terminate(self, members: list[Member]) -> None:
        if members:
            self.backend.terminate_instances([member.instance.id for member in members])

    def _launch(self, pool: Pool, *, spot: bool) -> Member:
        """An instance with what the template says (fleet-template-data)."""
        data = pool.data
        tags = convert_tag_spec(data.get("TagSpecifications", []))
        tags["instance"] = {**tags.get("instance", {}), "aws:ec2spot:fleet-request-id": self.id}
        interfaces: list[dict[str, Any]] = data.get("NetworkInterfaces") or [{}]
        reservation = self.backend.run_instances(
            image_id=data["ImageId"],
            count=1,
            user_data=data.get("UserData"),
            security_group_names=[],
            security_group_ids=[*data.get("SecurityGroupIds", []), *interfaces[0].get("Groups", [])],
            instance_type=pool.instance_type,
            is_instance_type_default=False,
            region_name=self.backend.region_name,
            subnet_id=pool.subnet_id,
            key_name=data.get("KeyName"),
            spot_fleet_id=self.id,
            tags=tags,
            lifecycle="spot" if spot else None,
            associate_public_ip=None,
            launch_template=pool.template,
            metadata_options=data.get("MetadataOptions", {}),
            monitoring_state="enabled" if data.get("Monitoring", {}).get("Enabled") else "disabled",
            instance_initiated_shutdown_behavior=data.get("InstanceInitiatedShutdownBehavior"),
            **_volumes(data),
        )
        instance = reservation.instances[0]
        for interface in instance.nics.values():
            # EC2's default for an interface that it makes itself.
            interface.delete_on_termination = True
            interface.add_tags(tags.get("network-interface", {}))
        profile = data.get("IamInstanceProfile")
        if profile:
            self.backend.associate_iam_instance_profile(
                instance_id=instance.id,
                iam_instance_profile_name=profile.get("Name"),
                iam_instance_profile_arn=profile.get("Arn"),
            )
        return Member(instance, pool, random_spot_request_id() if spot else None)


def _units(members: Iterable[Member]) -> float:
    return sum(member.pool.weight for member in members)


def _volumes(data: dict[str, Any]) -> dict[str, Any]:
    mappings = [
        # Without a size moto refuses what AWS takes from the image.
        {**mapping, "Ebs": {"VolumeSize": _IMAGE_GB, **mapping["Ebs"]}}
        for mapping in data.get("BlockDeviceMappings", [])
        if "Ebs" in mapping
    ]
    return {"block_device_mappings": mappings} if mappings else {}
