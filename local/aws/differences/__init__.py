"""Where moto differs from AWS: the list of cases, and what is made good, refused or noted.

`catalogue` lists each case. `messaging`, `compute`, `machines`, `balancing` and `watching` refuse by inputs alone, so
in the preview already; `lookups` and `attachments` refuse what needs a look at other objects; `policies` makes good;
`notes` warns.
"""

from __future__ import annotations

from local.aws.differences import balancing, compute, machines, messaging, watching
from local.aws.differences.attachments import (
    account,
    require_attachable,
    require_free_addresses,
    require_no_smaller_volume,
    require_released,
    require_unattached,
)
from local.aws.differences.catalogue import Answer, Difference, catalogue
from local.aws.differences.lookups import (
    require_endpoint_service,
    require_fleet,
    require_fleet_role,
    require_free_balancer_name,
    require_free_port,
    require_instance_types,
    require_log_group,
    require_permissions_boundary,
    require_scalable_target,
    require_target,
    require_template_version,
    require_vpc,
)
from local.aws.differences.notes import notes
from local.aws.differences.policies import enforceable_policy, service_linked_role_name
from local.aws.differences.rules import Rule
from local.aws.provider.check import Problem
from local.aws.provider.wire import Props

__all__ = [
    "RULES",
    "Answer",
    "Difference",
    "account",
    "catalogue",
    "enforceable_policy",
    "notes",
    "refusals",
    "require_attachable",
    "require_endpoint_service",
    "require_fleet",
    "require_fleet_role",
    "require_free_addresses",
    "require_free_balancer_name",
    "require_free_port",
    "require_instance_types",
    "require_log_group",
    "require_no_smaller_volume",
    "require_permissions_boundary",
    "require_released",
    "require_scalable_target",
    "require_target",
    "require_template_version",
    "require_unattached",
    "require_vpc",
    "service_linked_role_name",
]

RULES: dict[str, tuple[Rule, ...]] = {
    **messaging.RULES,
    **compute.RULES,
    **machines.RULES,
    **balancing.RULES,
    **watching.RULES,
}


def refusals(token: str, inputs: Props) -> list[Problem]:
    """Why AWS would refuse a resource with these inputs, as far as the inputs alone show it.

    Args:
        inputs: checked and plain; parts may be unknown, and nothing is said about those.
    """
    return [problem for rule in RULES.get(token, ()) for problem in rule.find(inputs)]
