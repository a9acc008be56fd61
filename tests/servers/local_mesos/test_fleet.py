"""Agents that follow the instances of a spot fleet, on a real moto server."""

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import requests
from botocore.config import Config
from moto.server import ThreadedMotoServer

from local.mesos.fleet import Fleet, FleetFollower
from tests.unit.local_mesos.support import a_cluster, until

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client


@pytest.fixture
def moto() -> Generator[ThreadedMotoServer]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    requests.post(f"{_endpoint(server)}/moto-api/reset", timeout=10)  # its state belongs to the process
    yield server
    server.stop()


def _endpoint(server: ThreadedMotoServer) -> str:
    host, port = server.get_host_and_port()
    return f"http://{host}:{port}"


def _client(endpoint: str) -> "EC2Client":
    return boto3.client(
        "ec2", region_name="us-east-1", endpoint_url=endpoint, aws_access_key_id="x", aws_secret_access_key="x",
        config=Config(proxies={}),
    )  # fmt: skip


def _request_fleet(ec2: "EC2Client", capacity: int) -> str:
    specification: Any = {
        "ImageId": "ami-12c6146b",
        "InstanceType": "m5.large",
        "SubnetId": ec2.describe_subnets()["Subnets"][0].get("SubnetId", ""),
    }
    answer = ec2.request_spot_fleet(
        SpotFleetRequestConfig={
            "IamFleetRole": "arn:aws:iam::123456789012:role/fleet",
            "TargetCapacity": capacity,
            "SpotPrice": "0.1",
            "AllocationStrategy": "lowestPrice",
            "LaunchSpecifications": [specification],
        }
    )
    return answer["SpotFleetRequestId"]


async def test_agents_come_and_go_with_the_instances_of_a_fleet(
    moto: ThreadedMotoServer, tmp_path: Path
) -> None:
    endpoint = _endpoint(moto)
    ec2 = _client(endpoint)
    request = _request_fleet(ec2, 2)
    async with a_cluster(tmp_path, machines=0) as cluster:
        follower = FleetFollower(cluster.marathon, Fleet(endpoint, "us-east-1"))
        await follower.poll()
        machines = [each.machine for each in cluster.marathon.scheduler.agents.values()]
        assert len(machines) == 2
        assert {each.cpus for each in machines} == {2.0}
        assert {each.mem_mb for each in machines} == {8192.0 - 1024}
        assert len({each.host for each in machines}) == 2
        assert all(each.host.startswith("127.") and each.name.startswith("ip-") for each in machines)
        assert set(machines[0].attributes) == {"zone", "instance_type", "lifecycle", "instance_id"}
        assert machines[0].attributes["lifecycle"] == "spot"
        assert machines[0].attributes["instance_type"] == "m5.large"

        await cluster.deploy(
            "/a", cmd="exec sleep 60", instances=2, constraints=[["instance_id", "GROUP_BY"]]
        )
        assert {each["host"] for each in await cluster.running("/a", 2)} == {each.host for each in machines}

        ec2.terminate_instances(InstanceIds=[machines[0].attributes["instance_id"]])
        await follower.poll()

        async def moved() -> bool:
            return {each["host"] for each in await cluster.running("/a", 2)} == {machines[1].host}

        await until(moved, "both tasks on the instance that is left")
        assert request in str(ec2.describe_spot_fleet_requests())


async def test_an_endpoint_that_is_down_costs_no_agent_and_no_task(
    moto: ThreadedMotoServer, tmp_path: Path
) -> None:
    _request_fleet(_client(_endpoint(moto)), 1)
    async with a_cluster(tmp_path, machines=0) as cluster:
        follower = FleetFollower(cluster.marathon, Fleet(_endpoint(moto), "us-east-1"))
        await follower.poll()
        await cluster.deploy("/a", cmd="exec sleep 60")
        (before,) = await cluster.running("/a", 1)
        moto.stop()
        await follower.poll()
        (after,) = await cluster.running("/a", 1)
        assert after["id"] == before["id"]
