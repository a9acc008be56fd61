"""Spot fleets as an operator and a program see them: pools, the on-demand share, modification, cancelling."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.aws.moto_fleets.pools import Pool, next_pool
from local.aws.provider.wire import Props

from .engine import Engine, Resource
from .world import World, a_trust

FLEET = "aws:ec2/spotFleetRequest:SpotFleetRequest"
TYPES = [
    f"{family}.{size}" for family in ("c5", "c6i", "m5", "m6i") for size in ("large", "xlarge", "2xlarge")
]
WEIGHTS = {"large": 1.0, "xlarge": 2.0, "2xlarge": 4.0}


class FleetWorld(World):
    """A fleet of twelve types in three subnets, as an operator would look at it."""

    def __init__(self, engine: Engine, ec2: Any) -> None:
        super().__init__(engine)
        self.ec2 = ec2

    def subnets(self) -> list[str]:
        return [
            self.make(
                "aws:ec2/subnet:Subnet",
                f"subnet-{zone}",
                vpcId=self.vpc(),
                cidrBlock=f"10.7.{number}.0/24",
                availabilityZone=f"us-east-1{zone}",
            ).id
            for number, zone in enumerate("abc", 1)
        ]

    def wide_inputs(self, **more: Any) -> Props:
        trust = a_trust("spotfleet.amazonaws.com")
        role = self.out("aws:iam/role:Role", "fleet-role", "arn", assumeRolePolicy=trust)
        profile = self.out("aws:iam/instanceProfile:InstanceProfile", "agents", "arn", role=self.role())
        tags = [{"resourceType": kind, "tags": {"Role": "agent"}} for kind in ("instance", "volume")]
        volume = {"encrypted": "true", "volumeType": "gp3", "volumeSize": 60, "deleteOnTermination": "true"}
        template = self.make(
            "aws:ec2/launchTemplate:LaunchTemplate",
            "agents-template",
            imageId="ami-0123456789abcdef0",
            iamInstanceProfile={"arn": profile},
            vpcSecurityGroupIds=[self.group()],
            blockDeviceMappings=[{"deviceName": "/dev/xvda", "ebs": volume}],
            metadataOptions={"httpTokens": "required"},
            tagSpecifications=tags,
            userData=base64.b64encode(b"#!/bin/sh").decode(),
        )
        overrides = [
            {
                "instanceType": name,
                "subnetId": subnet,
                "weightedCapacity": WEIGHTS[name.split(".")[1]],
                "priority": float(number),
            }
            for number, name in enumerate(TYPES)
            for subnet in self.subnets()
        ]
        reference = {"id": template.id, "version": "1"}
        return {
            "iamFleetRole": role,
            "fleetType": "maintain",
            "targetCapacity": 12,
            "onDemandTargetCapacity": 2,
            "allocationStrategy": "priceCapacityOptimized",
            "excessCapacityTerminationPolicy": "Default",
            "terminateInstancesOnDelete": "true",
            "spotMaintenanceStrategies": {"capacityRebalance": {"replacementStrategy": "launch"}},
            "launchTemplateConfigs": [{"launchTemplateSpecification": reference, "overrides": overrides}],
            **more,
        }

    def fleet(self, **more: Any) -> Resource:
        return self.make(FLEET, "wide", **self.wide_inputs(**more))

    def machines(self, fleet: str) -> list[dict[str, Any]]:
        found = self.ec2.describe_spot_fleet_instances(SpotFleetRequestId=fleet)["ActiveInstances"]
        if not found:
            return []
        ids = [entry["InstanceId"] for entry in found]
        reservations = self.ec2.describe_instances(InstanceIds=ids)["Reservations"]
        return [instance for entry in reservations for instance in entry["Instances"]]

    def units(self, fleet: str, *, lifecycle: str | None) -> float:
        return sum(
            WEIGHTS[machine["InstanceType"].split(".")[1]]
            for machine in self.machines(fleet)
            if machine.get("InstanceLifecycle") == lifecycle
        )

    def state(self, fleet: str) -> str:
        found = self.ec2.describe_spot_fleet_requests(SpotFleetRequestIds=[fleet])
        return str(found["SpotFleetRequestConfigs"][0]["SpotFleetRequestState"])


@pytest.fixture
def fleets(live: Engine, client: Callable[[str], Any]) -> Iterator[FleetWorld]:
    world = FleetWorld(live, client("ec2"))
    yield world
    for resource in reversed(world.made.values()):
        live.delete(resource)


def test_a_fleet_reaches_its_target_over_all_zones_with_its_on_demand_share(fleets: FleetWorld) -> None:
    fleet = fleets.fleet()
    assert fleets.units(fleet.id, lifecycle=None) == 2
    assert fleets.units(fleet.id, lifecycle="spot") == 10
    machines = fleets.machines(fleet.id)
    zones = Counter(machine["Placement"]["AvailabilityZone"] for machine in machines)
    assert max(zones.values()) - min(zones.values()) <= 1
    assert len(zones) == 3
    assert len({machine["InstanceType"] for machine in machines}) > 3


def test_a_fleets_state_keeps_the_programs_shape(fleets: FleetWorld) -> None:
    fleet = fleets.fleet()
    assert len(fleet.outputs["launchTemplateConfigs"][0]["overrides"]) == 36
    assert fleets.engine.drift(fleet, fleets.wide_inputs()) == []


def test_a_fleets_machines_are_what_the_template_says(fleets: FleetWorld) -> None:
    fleet = fleets.fleet(targetCapacity=1, onDemandTargetCapacity=0)
    [machine] = fleets.machines(fleet.id)
    tags = {tag["Key"]: tag["Value"] for tag in machine["Tags"]}
    assert tags["Role"] == "agent"
    assert tags["aws:ec2spot:fleet-request-id"] == fleet.id
    assert machine["MetadataOptions"]["HttpTokens"] == "required"
    assert [group["GroupId"] for group in machine["SecurityGroups"]] == [fleets.group()]
    assert machine["IamInstanceProfile"]["Arn"] == fleets.made["agents"].outputs["arn"]
    [mapping] = machine["BlockDeviceMappings"]
    [volume] = fleets.ec2.describe_volumes(VolumeIds=[mapping["Ebs"]["VolumeId"]])["Volumes"]
    assert (volume["Size"], volume["Encrypted"], volume["VolumeType"]) == (60, True, "gp3")
    assert volume["Tags"] == [{"Key": "Role", "Value": "agent"}]


def test_capacity_and_on_demand_share_change_in_place(fleets: FleetWorld) -> None:
    fleet = fleets.fleet()
    fleets.engine.change(fleet, fleets.wide_inputs(targetCapacity=20, onDemandTargetCapacity=4))
    assert fleets.units(fleet.id, lifecycle=None) == 4
    assert fleets.units(fleet.id, lifecycle="spot") == 16
    fleets.engine.change(fleet, fleets.wide_inputs(targetCapacity=3, onDemandTargetCapacity=1))
    assert fleets.units(fleet.id, lifecycle=None) == 1
    assert fleets.units(fleet.id, lifecycle="spot") == 2


def test_an_operator_drains_a_request_that_left_the_state(fleets: FleetWorld) -> None:
    fleet, ec2 = fleets.fleet(), fleets.ec2
    before = {machine["InstanceId"] for machine in fleets.machines(fleet.id)}
    ec2.modify_spot_fleet_request(
        SpotFleetRequestId=fleet.id, TargetCapacity=0, ExcessCapacityTerminationPolicy="noTermination"
    )
    assert {machine["InstanceId"] for machine in fleets.machines(fleet.id)} == before
    first, *rest = sorted(before)
    ec2.terminate_instances(InstanceIds=[first])
    assert {machine["InstanceId"] for machine in fleets.machines(fleet.id)} == set(rest)
    answer = ec2.cancel_spot_fleet_requests(SpotFleetRequestIds=[fleet.id], TerminateInstances=False)
    [done] = answer["SuccessfulFleetRequests"]
    assert done["CurrentSpotFleetRequestState"] == "cancelled_running"
    assert fleets.state(fleet.id) == "cancelled_running"
    assert len(fleets.machines(fleet.id)) == len(rest)
    ec2.cancel_spot_fleet_requests(SpotFleetRequestIds=[fleet.id], TerminateInstances=True)
    assert fleets.machines(fleet.id) == []
    assert fleets.state(fleet.id) == "cancelled"
    assert fleets.engine.drift(fleet, fleets.wide_inputs()) is None


def test_a_request_that_is_not_there_is_told_as_aws_tells_it(fleets: FleetWorld) -> None:
    ec2, nobody = fleets.ec2, "sfr-00000000-0000-0000-0000-000000000000"
    for call in (
        lambda: ec2.modify_spot_fleet_request(SpotFleetRequestId=nobody, TargetCapacity=0),
        lambda: ec2.describe_spot_fleet_requests(SpotFleetRequestIds=[nobody]),
    ):
        with pytest.raises(ClientError, match=r"InvalidSpotFleetRequestId\.NotFound"):
            call()
    answer = ec2.cancel_spot_fleet_requests(SpotFleetRequestIds=[nobody], TerminateInstances=True)
    assert answer["UnsuccessfulFleetRequests"][0]["Error"]["Code"] == "fleetRequestIdDoesNotExist"


def test_a_new_template_version_does_not_touch_a_fleet_of_the_old_one(fleets: FleetWorld) -> None:
    fleet = fleets.fleet()
    template = fleets.made["agents-template"]
    fleets.ec2.create_launch_template_version(
        LaunchTemplateId=template.id, LaunchTemplateData={"ImageId": "ami-00000000000000000"}
    )
    fleets.engine.change(fleet, fleets.wide_inputs(targetCapacity=14))
    assert {machine["ImageId"] for machine in fleets.machines(fleet.id)} == {"ami-0123456789abcdef0"}


POOLS = [
    Pool(name, subnet, weight, rank)
    for name, weight, rank in (("big", 4, 1), ("small", 1, 0))
    for subnet in "ab"
]


@pytest.mark.parametrize(
    ("strategy", "needed", "wanted"),
    [
        ("priceCapacityOptimized", 8, ("big", "a")),
        ("priceCapacityOptimized", 1, ("small", "a")),
        ("priceCapacityOptimized", 0.5, ("small", "a")),
        ("capacityOptimizedPrioritized", 8, ("small", "a")),
    ],
)
def test_the_next_machine_does_not_overshoot_where_it_need_not(
    strategy: str, needed: float, wanted: tuple[str, str]
) -> None:
    pool = next_pool(POOLS, [], needed, strategy)
    assert (pool.instance_type, pool.subnet_id) == wanted
