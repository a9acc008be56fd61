"""The log groups to which machines ship what they wrote before they are gone."""

from __future__ import annotations

from typing import Literal

from pulumi import ComponentResource, ResourceOptions
from pulumi_aws import cloudwatch

from infra.protection import stateful

LogKind = Literal["agents", "masters", "tasks"]
KINDS: tuple[LogKind, ...] = ("agents", "masters", "tasks")


def log_group(stack: str, kind: str) -> str:
    """Name of a log group, `/trawler/<stack>/<kind>`.

    Args:
        stack: the stack's name.
        kind: `agents` and `masters` (journals of the machines) or `tasks` (what workers print).

    Raises:
        ValueError: no such kind.
    """
    if kind not in KINDS:
        raise ValueError(f"no log group for '{kind}': there are {', '.join(KINDS)}")
    return f"/trawler/{stack}/{kind}"


class Logs(ComponentResource):
    """A log group for each kind of log, whose events expire after `retention_days`.

    CloudWatch Logs encrypts them at rest by itself. Machines write streams into these groups and may not make
    groups: a group that an agent made would keep its events for ever. In a protected stack they outlive the stack,
    since what was logged is most needed when something went away. Idle cost: storage only (docs/monitoring.md).
    """

    def __init__(
        self,
        name: str,
        stack: str,
        retention_days: int,
        protect: bool,
        opts: ResourceOptions | None = None,
    ) -> None:
        """Register the log groups.

        Args:
            name: logical name.
            stack: the stack's name; part of every group's name.
            retention_days: how long an event is kept; a value that CloudWatch Logs offers.
            protect: the stack's setting.
            opts: options of the component.
        """
        super().__init__("trawler:infra:Logs", name, {}, opts)
        self.groups = {
            kind: cloudwatch.LogGroup(
                f"{name}-{kind}",
                name=log_group(stack, kind),
                retention_in_days=retention_days,
                opts=stateful(self, protect),
            )
            for kind in KINDS
        }
        self.register_outputs({kind: group.name for kind, group in self.groups.items()})
