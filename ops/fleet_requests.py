"""Spot Fleet requests of a stack, as EC2 knows them, and what `roll` does to one.

A request that is to be drained carries the tag `TrawlerRoll=draining`; an instance that is to leave carries
`TrawlerDrain=roll`, which its node reads in its own metadata. Both outlive whoever set them: an operation that was
interrupted is found again by them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import stamina
from botocore.exceptions import ClientError

from ops.errors import OpsError, aws_told_plainly
from ops.stack_file import PROJECT

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

ROLL_TAG, ROLL_VALUE = "TrawlerRoll", "draining"
DRAIN_TAG, DRAIN_VALUE = "TrawlerDrain", "roll"

ALIVE = frozenset({"submitted", "active", "modifying"})
"""States of a request that can be modified (EC2, SpotFleetRequestConfig, SpotFleetRequestState)."""

GONE = frozenset({"terminated"})
"""State of an instance that has left."""


CHUNK = 100
"""Instances named in one call; a filter takes 200 values (EC2, DescribeInstances)."""


@dataclass(frozen=True)
class FleetRequest:
    """A request, at one moment."""

    id: str
    state: str
    target: int
    """Units of capacity asked for."""

    fulfilled: float
    """Units of capacity at hand."""

    @property
    def alive(self) -> bool:
        """Whether it can be modified."""
        return self.state in ALIVE

    def __str__(self) -> str:
        return f"{self.id} ({self.state}, {self.fulfilled:g} of {self.target} units)"


@dataclass(frozen=True)
class Node:
    """An instance of a request that has not left."""

    id: str
    state: str
    spot: bool
    draining: bool
    """Whether it was asked to leave."""


class FleetRequests:
    """The requests of one stack.

    Args:
        ec2: client of the stack's account and region.
        stack: the stack's name.

    Every method raises OpsError when AWS refuses.
    """

    def __init__(self, ec2: EC2Client, stack: str) -> None:
        self._ec2 = ec2
        self._stack = stack

    def describe(self, request_id: str) -> FleetRequest | None:
        """The request; None when EC2 does not know it (any more)."""
        with aws_told_plainly(f"spot fleet request {request_id} cannot be read"):
            try:
                found = self._configs(request_id)
            except ClientError as e:
                if not _is_unknown(e):
                    raise
                return None
        # Compared again: not every EC2 refuses an id that it does not know.
        return next((_request(each) for each in found if each["SpotFleetRequestId"] == request_id), None)

    def draining(self) -> list[FleetRequest]:
        """The requests of the stack that are to be drained and can still be modified."""
        wanted = {ROLL_TAG: ROLL_VALUE, "Project": PROJECT, "Stack": self._stack}
        filters: Any = [
            {"Name": "resource-type", "Values": ["spot-fleet-request"]},
            {"Name": "key", "Values": list(wanted)},
        ]
        tags: dict[str, dict[str, str]] = {}
        with aws_told_plainly("the spot fleet requests that are to be drained cannot be found"):
            for page in self._ec2.get_paginator("describe_tags").paginate(Filters=filters):
                for tag in page["Tags"]:
                    tags.setdefault(tag.get("ResourceId", ""), {})[tag.get("Key", "")] = tag.get("Value", "")
            requests = [
                _request(each)
                for page in self._ec2.get_paginator("describe_spot_fleet_requests").paginate()
                for each in page["SpotFleetRequestConfigs"]
            ]
        return sorted((r for r in requests if r.alive and tags.get(r.id) == wanted), key=lambda r: r.id)

    def mark(self, request_id: str) -> None:
        """The request is to be drained."""
        tags = {ROLL_TAG: ROLL_VALUE, "Project": PROJECT, "Stack": self._stack}
        with aws_told_plainly(f"spot fleet request {request_id} cannot be tagged"):
            self._ec2.create_tags(
                Resources=[request_id], Tags=[{"Key": key, "Value": value} for key, value in tags.items()]
            )

    def unmark(self, request_id: str) -> None:
        """The request is not to be drained after all."""
        with aws_told_plainly(f"the tag {ROLL_TAG} of spot fleet request {request_id} cannot be removed"):
            self._ec2.delete_tags(Resources=[request_id], Tags=[{"Key": ROLL_TAG}])

    def stop_filling(self, request_id: str) -> None:
        """The request asks for nothing any more, and its instances stay until they leave by themselves."""
        with aws_told_plainly(f"the capacity of spot fleet request {request_id} cannot be set to 0"):
            self._ec2.modify_spot_fleet_request(
                SpotFleetRequestId=request_id,
                TargetCapacity=0,
                OnDemandTargetCapacity=0,
                ExcessCapacityTerminationPolicy="noTermination",
            )

    def nodes(self, request_id: str) -> list[Node]:
        """The request's instances that have not left; spot first, then by id."""
        with aws_told_plainly(f"the instances of spot fleet request {request_id} cannot be read"):
            pages = self._ec2.get_paginator("describe_spot_fleet_instances").paginate(
                SpotFleetRequestId=request_id
            )
            ids = [i["InstanceId"] for page in pages for i in page["ActiveInstances"] if "InstanceId" in i]
            nodes = self._described(ids)
        return sorted(nodes, key=lambda node: (not node.spot, node.id))

    def healthy(self, nodes: Sequence[Node]) -> int:
        """How many of these instances have passed both status checks of EC2: they have booted."""
        if not nodes:
            return 0
        with aws_told_plainly("the status of the fleet's instances cannot be read"):
            pages = [
                page
                for ids in _chunks([node.id for node in nodes])
                for page in self._ec2.get_paginator("describe_instance_status").paginate(InstanceIds=ids)
            ]
        statuses = [status for page in pages for status in page["InstanceStatuses"]]
        return sum(
            status.get("InstanceStatus", {}).get("Status") == "ok"
            and status.get("SystemStatus", {}).get("Status") == "ok"
            for status in statuses
        )

    def ask_to_leave(self, instance_ids: Sequence[str]) -> None:
        """These instances drain themselves and power off: their nodes see the tag."""
        with aws_told_plainly(f"instances {', '.join(instance_ids)} cannot be tagged"):
            for ids in _chunks(instance_ids):
                self._ec2.create_tags(Resources=ids, Tags=[{"Key": DRAIN_TAG, "Value": DRAIN_VALUE}])

    def cancel(self, request_id: str) -> None:
        """The request is cancelled, and whatever instance it still had is terminated."""
        with aws_told_plainly(f"spot fleet request {request_id} cannot be cancelled"):
            answer = self._ec2.cancel_spot_fleet_requests(
                SpotFleetRequestIds=[request_id], TerminateInstances=True
            )
        for refused in answer.get("UnsuccessfulFleetRequests", []):
            error = refused.get("Error", {})
            raise OpsError(
                f"spot fleet request {request_id} was not cancelled: {error.get('Code')}: {error.get('Message')}"
            )

    def _configs(self, request_id: str) -> list[Any]:
        # A request that was made a moment ago is not known everywhere yet.
        for attempt in stamina.retry_context(on=_is_unknown, attempts=4, wait_initial=0.5, wait_max=4.0):
            with attempt:
                answer = self._ec2.describe_spot_fleet_requests(SpotFleetRequestIds=[request_id])
                return list(answer["SpotFleetRequestConfigs"])
        raise AssertionError("unreachable")  # pragma: no cover

    def _described(self, ids: Sequence[str]) -> list[Node]:
        # By filter: an id that EC2 has forgotten is then no error.
        pages = [
            page
            for chunk in _chunks(ids)
            for page in self._ec2.get_paginator("describe_instances").paginate(
                Filters=[{"Name": "instance-id", "Values": chunk}]
            )
        ]
        return [
            Node(
                instance.get("InstanceId", ""),
                instance.get("State", {}).get("Name", ""),
                instance.get("InstanceLifecycle") == "spot",
                any(tag.get("Key") == DRAIN_TAG for tag in instance.get("Tags", [])),
            )
            for page in pages
            for reservation in page["Reservations"]
            for instance in reservation.get("Instances", [])
            if instance.get("State", {}).get("Name") not in GONE
        ]


def _chunks(ids: Sequence[str]) -> list[list[str]]:
    return [list(ids[start : start + CHUNK]) for start in range(0, len(ids), CHUNK)]


def _is_unknown(error: Exception) -> bool:
    return (
        isinstance(error, ClientError)
        and error.response.get("Error", {}).get("Code") == "InvalidSpotFleetRequestId.NotFound"
    )


def _request(described: Any) -> FleetRequest:
    config = described["SpotFleetRequestConfig"]
    return FleetRequest(
        described["SpotFleetRequestId"],
        described["SpotFleetRequestState"],
        int(config["TargetCapacity"]),
        float(config.get("FulfilledCapacity") or 0.0),
    )
