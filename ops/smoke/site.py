"""What the checks look at: a stack that is up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from infra.marathon.client import MarathonClient
from infra.marathon.credentials import credentials
from ops.fleet_requests import FleetRequests, Node
from ops.smoke.findings import FailedCheck, NotHere
from ops.stack_file import StackFile
from ops.waiting import Pace


@dataclass(frozen=True)
class Site:
    """A stack that is up, and the ways to look at it."""

    file: StackFile
    outputs: Mapping[str, Any]
    """The stack's outputs."""

    pace: Pace
    timeout_s: float
    """How long the fleet and the apps may each take to be there, seconds."""

    shop: str | None
    """Shop that is crawled as a trial."""

    def client(self, service: str) -> Any:
        """A client of the stack's account."""
        return self.file.connection.client(service)

    def output(self, name: str) -> Any:
        """An output of the stack.

        Raises:
            FailedCheck: there is none of that name.
        """
        if name not in self.outputs:
            raise FailedCheck(f"the stack has no output {name}", "bring it up first: pulumi up")
        return self.outputs[name]

    @cached_property
    def requests(self) -> FleetRequests:
        """The stack's spot fleet requests."""
        return FleetRequests(self.client("ec2"), self.file.stack)

    def nodes(self) -> list[Node]:
        """Instances of the fleet."""
        return self.requests.nodes(self.output("fleetRequest"))

    @cached_property
    def marathon(self) -> MarathonClient:
        """Marathon, as the deployment reaches it: where it is private, a tunnel is open."""
        secret = self.file.setting("cluster.credentialsSecret")
        return MarathonClient(self.output("marathonUrls"), credentials(self.file.connection, secret))

    def require_account(self, why: str) -> None:
        """Raise NotHere on stand-ins.

        Args:
            why: what they lack.
        """
        if self.file.is_local:
            raise NotHere(why)
