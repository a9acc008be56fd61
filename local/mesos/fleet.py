"""Agents that follow the machines of EC2's spot fleets: one appears with each running instance and goes with it.

On AWS the instances start their Mesos agents themselves; here nobody boots, so this asks EC2 and starts an agent for
each instance that runs. What the endpoint answers is believed only when it answers: while it is down, nothing changes.
"""

import asyncio
import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local.mesos.agent.agent import Agent, Machine
from local.mesos.serve import Marathon

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import InstanceTypeDef

_log = logging.getLogger(__name__)

POLL_S = 1.0
_PORTS = range(31000, 32000)
_PORTS_EACH = 50
_DISK_MB = 20_000.0


@dataclass(frozen=True)
class InstanceType:
    vcpus: float
    mem_mb: float

    @property
    def offered_mem_mb(self) -> float:
        """A Mesos agent keeps 1 GB for the system, half of a machine that has less than 2 GB."""
        return self.mem_mb - 1024 if self.mem_mb > 2048 else self.mem_mb / 2


class Fleet:
    """The instances of all spot fleet requests of one region.

    Args:
        endpoint: URL of the EC2 interface, a stand-in on loopback.
        region: region asked for.
    """

    def __init__(self, endpoint: str, region: str) -> None:
        self._ec2: EC2Client = boto3.client(
            "ec2",
            region_name=region,
            endpoint_url=endpoint,
            aws_access_key_id="local",
            aws_secret_access_key="local",  # noqa: S106 - the stand-in takes any
            config=Config(proxies={}, connect_timeout=2, read_timeout=10, retries={"total_max_attempts": 1}),
        )
        self._types: dict[str, InstanceType] = {}

    def instances(self) -> "dict[str, InstanceTypeDef]":
        """The running instances of all fleets, by id.

        Raises:
            BotoCoreError, ClientError: the endpoint is down or refuses.
        """
        found = [
            instance["InstanceId"]
            for request in self._requests()
            for instance in self._ec2.describe_spot_fleet_instances(SpotFleetRequestId=request)[
                "ActiveInstances"
            ]
            if "InstanceId" in instance
        ]
        if not found:
            return {}
        filters = [
            {"Name": "instance-id", "Values": found},
            {"Name": "instance-state-name", "Values": ["running"]},
        ]
        answer = self._ec2.describe_instances(Filters=filters)  # pyright: ignore[reportArgumentType]
        running = [instance for each in answer["Reservations"] for instance in each.get("Instances", [])]
        return {instance["InstanceId"]: instance for instance in running if "InstanceId" in instance}

    def _requests(self) -> Iterator[str]:
        for each in self._ec2.describe_spot_fleet_requests()["SpotFleetRequestConfigs"]:
            if each.get("SpotFleetRequestState") in {"active", "modifying", "cancelled_running"}:
                yield each.get("SpotFleetRequestId", "")

    def type_of(self, name: str) -> InstanceType:
        """CPUs and memory of an instance type, asked for once."""
        if name not in self._types:
            (found,) = self._ec2.describe_instance_types(InstanceTypes=[name])["InstanceTypes"]  # pyright: ignore[reportArgumentType]
            self._types[name] = InstanceType(
                float(found.get("VCpuInfo", {}).get("DefaultVCpus", 1)),
                float(found.get("MemoryInfo", {}).get("SizeInMiB", 1024)),
            )
        return self._types[name]


class FleetFollower:
    """Keeps one agent a running instance.

    Each machine has a loopback address of its own, 127.x.y.z for the private address a.x.y.z, so that tasks with a port
    can be reached and constraints on the host name tell machines apart. Where the system has but one loopback
    address (macOS), all machines share 127.0.0.1.
    """

    def __init__(self, marathon: Marathon, fleet: Fleet) -> None:
        self._marathon = marathon
        self._fleet = fleet
        self._agents: dict[str, Agent] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._reachable = True

    async def run(self) -> None:
        """Poll each second; ends only by cancellation."""
        try:
            while True:
                await self.poll()
                await asyncio.sleep(POLL_S)
        finally:
            await asyncio.gather(*self._leaving, return_exceptions=True)

    async def poll(self) -> None:
        """Look once, and let agents come and go accordingly."""
        try:
            seen = await asyncio.to_thread(self._look)
        except (BotoCoreError, ClientError) as error:
            if self._reachable:
                _log.warning("EC2 does not answer, agents stay as they are: %s", error)
            self._reachable = False
            return
        self._reachable = True
        for instance_id in self._agents.keys() - seen.keys():
            agent = self._agents.pop(instance_id)
            leaving = asyncio.create_task(
                self._marathon.remove_machine(agent, f"instance {instance_id} no longer runs"),
                name=f"remove {agent.machine.name}",
            )
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)
        for instance_id in sorted(seen.keys() - self._agents.keys()):
            instance, kind = seen[instance_id]
            self._agents[instance_id] = self._marathon.add_machine(self._machine(instance, kind))

    def _look(self) -> "dict[str, tuple[InstanceTypeDef, InstanceType]]":
        instances = self._fleet.instances()
        return {
            key: (each, self._fleet.type_of(each.get("InstanceType", ""))) for key, each in instances.items()
        }

    def _machine(self, instance: "InstanceTypeDef", kind: InstanceType) -> Machine:
        address = instance.get("PrivateIpAddress", "10.0.0.1")
        zone = instance.get("Placement", {}).get("AvailabilityZone", "")
        return Machine(
            name="ip-" + address.replace(".", "-"),
            host=self._host(address),
            cpus=kind.vcpus,
            mem_mb=kind.offered_mem_mb,
            disk_mb=_DISK_MB,
            ports=self._free_ports(),
            attributes={
                "zone": zone,
                "instance_type": instance.get("InstanceType", ""),
                "lifecycle": "spot" if instance.get("InstanceLifecycle") == "spot" else "on-demand",
                "instance_id": instance.get("InstanceId", ""),
            },
            region=zone.rstrip("abcdefghijklmnopqrstuvwxyz"),
            zone=zone,
        )

    def _host(self, private_address: str) -> str:
        if sys.platform != "linux":
            return "127.0.0.1"
        taken = {agent.machine.host for agent in self._agents.values()}
        second, third, last = (int(part) for part in private_address.split(".")[1:])
        for number in range(256):
            host = f"127.{second}.{third}.{1 + (last - 1 + number) % 254}"
            if host not in taken and host != "127.0.0.1":
                return host
        return "127.0.0.1"

    def _free_ports(self) -> range:
        """A range that no other machine has; the last resort with more than twenty machines is to share."""
        taken = {agent.machine.ports.start for agent in self._agents.values()}
        starts = range(_PORTS.start, _PORTS.stop, _PORTS_EACH)
        first = next((each for each in starts if each not in taken), starts[len(taken) % len(starts)])
        return range(first, first + _PORTS_EACH)
