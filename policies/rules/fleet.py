"""The spot fleet: enough pools, a fixed template version, machines that end with it."""

from __future__ import annotations

from collections.abc import Iterator

from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, UnknownValueError

from .machines import INSTANCE
from .reading import Props
from .rule import ResourceRule, Rule, Subject

SPOT_FLEET = "aws:ec2/spotFleetRequest:SpotFleetRequest"

POOLS = 6
"""AWS's own advice is ten instance types in all zones; six pools is the least that rides out one being taken."""

_EC2 = "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide"


def _versions(machine: Subject) -> Iterator[str]:
    if machine.type == INSTANCE:
        templates = machine.props.many("launchTemplate")
    else:
        templates = [
            c.one("launchTemplateSpecification") for c in machine.props.many("launchTemplateConfigs")
        ]
    for template in templates:
        version = template.text("version")
        if not version.isdecimal():
            yield f"template version is {version or 'not set'!r}: give a number, such as template.latest_version"


def _pools(fleet: Subject) -> Iterator[str]:
    if fleet.props.many("launchSpecifications"):
        yield "launch_specifications: use launch_template_configs, whose overrides the pools are"
        return
    overrides = [o for c in fleet.props.many("launchTemplateConfigs") for o in c.many("overrides")]
    certain = {_pool(o) for o in overrides}
    unknown = [o for o in overrides if o.is_unknown("subnetId")]
    if len(certain) >= POOLS:
        return
    # An override whose subnet is not known yet may be a pool of its own.
    if len({p for p in certain if p[1] != UNKNOWN_STRING_VALUE}) + len(unknown) >= POOLS:
        raise UnknownValueError(UNKNOWN_STRING_VALUE, ["launchTemplateConfigs", "overrides", "subnetId"])
    count = len(certain) if not unknown else len(overrides)
    yield f"{count} pools: add instance types or zones until there are at least {POOLS}"


def _pool(override: Props) -> tuple[str, str]:
    place = "subnetId" if override.is_unknown("subnetId") or override.text("subnetId") else "availabilityZone"
    where = UNKNOWN_STRING_VALUE if override.is_unknown(place) else override.text(place)
    return override.text("instanceType"), where


def _ends(fleet: Subject) -> Iterator[str]:
    said = fleet.props.text("terminateInstancesOnDelete")
    if said != "true":
        yield f"terminate_instances_on_delete is {said or 'not set'!r}: set the text 'true'"


RULES: tuple[Rule, ...] = (
    ResourceRule(
        name="fleet-pools",
        what=f"A spot fleet draws on at least {POOLS} pools (instance type in a zone).",
        why="With few pools one shortage takes most machines at once.",
        reference=f"{_EC2}/spot-best-practices.html",
        types=(SPOT_FLEET,),
        check=_pools,
    ),
    ResourceRule(
        name="template-version-pinned",
        what="Machines start from a numbered version of their launch template.",
        why="With $Latest or $Default a change reaches new machines only, and no preview shows it.",
        reference=f"{_EC2}/ec2-launch-templates.html",
        types=(SPOT_FLEET, INSTANCE),
        check=_versions,
    ),
    ResourceRule(
        name="fleet-ends-its-machines",
        what="Deleting a spot fleet ends its machines.",
        why="Otherwise `destroy` cancels the request and leaves the instances running and billed.",
        reference="https://www.pulumi.com/registry/packages/aws/api-docs/ec2/spotfleetrequest/",
        types=(SPOT_FLEET,),
        check=_ends,
    ),
)
