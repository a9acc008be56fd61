"""What the deployed Pulumi stack says of itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local.stack import pulumi
from local.stack.layout import Layout


@dataclass(frozen=True)
class StackState:
    """The stack's outputs and how much it holds.

    Attributes:
        outputs: name → value, as `pulumi stack output` shows them.
        resources: number of resources, components and the stack itself left out.
        apps: number of Marathon apps among them.
    """

    outputs: Mapping[str, Any]
    resources: int
    apps: int


def read(layout: Layout) -> StackState:
    """The state of the stack `local`.

    Raises:
        StackError: the engine cannot export it.
    """
    resources: list[dict[str, Any]] = json.loads(pulumi.export(layout))["deployment"].get("resources", [])
    stack = next(r for r in resources if r["type"] == "pulumi:pulumi:Stack")
    real = [r["type"] for r in resources if r.get("custom") and not r["type"].startswith("pulumi:providers:")]
    return StackState(
        stack.get("outputs", {}), len(real), sum(type_.endswith("marathon:App") for type_ in real)
    )
