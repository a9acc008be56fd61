"""A small world for rolls: EC2 in this process, an engine that knows one request, time that passes when waited for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ops.engine import Engine, Resource
from ops.errors import OpsError
from ops.fleet_requests import DRAIN_TAG
from ops.stack_file import StackFile
from ops.steps import Preview, Step
from ops.waiting import Pace

STACK = "prod"
URN = f"urn:pulumi:{STACK}::trawler::"
REQUEST_URN = f"{URN}trawler:infra:Fleet$aws:ec2/spotFleetRequest:SpotFleetRequest::fleet-request"
TARGET_URN = f"{URN}trawler:infra:AutoScaling$aws:appautoscaling/target:Target::autoscaling-target"
SUBNET_URN = f"{URN}trawler:infra:Network$aws:ec2/subnet:Subnet::network-public-us-east-1c"
PROVIDER_URN = f"{URN}pulumi:providers:aws::default_7_51_1"
QUEUE_URN = f"{URN}trawler:infra:Queues$aws:sqs/queue:Queue::queues-fetch"


@dataclass
class Time:
    """Time passes only while somebody waits; `then` runs each time."""

    now: float = 0.0
    then: Callable[[], None] = lambda: None

    def sleep(self, seconds: float) -> None:
        """Let it pass."""
        self.now += seconds
        self.then()

    @property
    def pace(self) -> Pace:
        """For whoever waits."""
        return Pace(100.0, lambda: self.now, self.sleep)


class Account:
    """Requests and instances of an AWS account that lives in this process."""

    def __init__(self, ec2: Any) -> None:
        self.ec2 = ec2
        data = {"ImageId": "ami-0a1b2c3d4e5f60718", "InstanceType": "c5.large"}
        template = ec2.create_launch_template(LaunchTemplateName="agent", LaunchTemplateData=data)
        self._template = template["LaunchTemplate"]["LaunchTemplateId"]
        self._subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]

    def request(self, capacity: int, stack: str = STACK) -> str:
        """Another request of a stack, filled."""
        override = {"InstanceType": "c5.large", "SubnetId": self._subnet, "WeightedCapacity": 1.0}
        template = {"LaunchTemplateId": self._template, "Version": "1"}
        answer = self.ec2.request_spot_fleet(
            SpotFleetRequestConfig={
                "TargetCapacity": capacity,
                "IamFleetRole": "arn:aws:iam::123456789012:role/fleet",
                "AllocationStrategy": "priceCapacityOptimized",
                "LaunchTemplateConfigs": [{"LaunchTemplateSpecification": template, "Overrides": [override]}],
            }
        )
        tags = [{"Key": "Project", "Value": "trawler"}, {"Key": "Stack", "Value": stack}]
        self.ec2.create_tags(Resources=[answer["SpotFleetRequestId"]], Tags=tags)
        return answer["SpotFleetRequestId"]

    def requests(self) -> dict[str, int]:
        """Id → target capacity of the requests that live."""
        found = self.ec2.describe_spot_fleet_requests()["SpotFleetRequestConfigs"]
        return {r["SpotFleetRequestId"]: r["SpotFleetRequestConfig"]["TargetCapacity"] for r in found}

    def running(self, request: str) -> set[str]:
        """Instances of a request that run."""
        ids = [
            i["InstanceId"]
            for i in self.ec2.describe_spot_fleet_instances(SpotFleetRequestId=request)["ActiveInstances"]
        ]
        return {i["InstanceId"] for i in self._instances(ids) if i["State"]["Name"] == "running"}

    def asked_to_leave(self) -> set[str]:
        """Running instances that carry the mark of a drain."""
        filters = [{"Name": "tag-key", "Values": [DRAIN_TAG]}]
        found = self.ec2.describe_instances(Filters=filters)["Reservations"]
        instances = [i for r in found for i in r["Instances"]]
        return {i["InstanceId"] for i in instances if i["State"]["Name"] == "running"}

    def drain(self) -> None:
        """What the nodes' drainers do: whoever was asked to leave powers itself off."""
        if leaving := self.asked_to_leave():
            self.ec2.terminate_instances(InstanceIds=sorted(leaving))

    def _instances(self, ids: list[str]) -> list[Any]:
        found = self.ec2.describe_instances(InstanceIds=ids)["Reservations"] if ids else []
        return [i for r in found for i in r["Instances"]]


@dataclass(frozen=True)
class FakeEngine(Engine):
    """An engine whose program makes one request. `facts` is what it knows and what it was told to do."""

    facts: dict[str, Any] = field(default_factory=dict[str, Any])

    @classmethod
    def over(cls, account: Account, request: str, **facts: Any) -> FakeEngine:
        """An engine of a protected stack whose fleet is that request, and whose next update replaces it."""
        known = {
            "account": account,
            "request": request,
            "retained": True,
            "replaces": True,
            "others": [],
            "up_fails": False,
            "up_fails_late": False,
            "up_does_nothing": False,
            "updates": [],
            "protected": [REQUEST_URN],
        }
        return cls(STACK, Path("Pulumi.prod.yaml"), facts={**known, **facts})

    def preview(self, config: Path, targets: Iterable[str] = ()) -> Preview:  # noqa: ARG002
        """The replacement, and whatever else waits."""
        if not self.facts["replaces"]:
            return Preview(tuple(self.facts["others"]))
        request = Step("replace", REQUEST_URN, frozenset({SUBNET_URN}))
        return Preview((request, Step("replace", TARGET_URN), *self.facts["others"]))

    def up(self, config: Path | None = None, targets: Iterable[str] = ()) -> None:
        """Make the new request with the capacity that the configuration names."""
        assert config is not None
        if self.facts["up_fails"]:
            raise OpsError("pulumi up of prod ended with status 255")
        capacity = StackFile.read(STACK, config).setting("fleet.roll.capacity")
        self.facts["updates"].append((capacity, sorted(targets)))
        if REQUEST_URN in targets and not self.facts["up_does_nothing"]:
            self.facts["request"] = self.facts["account"].request(capacity)
            self.facts["protected"].clear()
        self.facts["replaces"] = False
        if self.facts["up_fails_late"]:
            raise OpsError("pulumi up of prod ended with status 255")

    def resources(self, kind: str) -> Any:  # noqa: ARG002
        """The one request."""
        yield Resource(
            REQUEST_URN,
            self.facts["request"],
            REQUEST_URN in self.facts["protected"],
            self.facts["retained"],
        )

    def protect(self, urn: str) -> None:
        """Remember."""
        self.facts["protected"].append(urn)
