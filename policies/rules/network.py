"""Network: nothing open to the world, each rule a resource of its own."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from .rule import ResourceRule, Rule, Subject

INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
OLD_RULE = "aws:ec2/securityGroupRule:SecurityGroupRule"
GROUPS = (
    "aws:ec2/securityGroup:SecurityGroup",
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
)
BALANCERS = ("aws:lb/loadBalancer:LoadBalancer", "aws:alb/loadBalancer:LoadBalancer")

WIDEST_PREFIX = {4: 8, 6: 16}
"""A shorter prefix is the world, or so much of it that two rules make it whole. 10.0.0.0/8 is a network."""

_GROUP_RULES = "https://docs.aws.amazon.com/vpc/latest/userguide/security-group-rules.html"


def _ingress(rule: Subject) -> Iterator[str]:
    if rule.type == OLD_RULE:
        if rule.props.text("type") != "ingress":
            return
        sources = rule.props.texts("cidrBlocks") + rule.props.texts("ipv6CidrBlocks")
    else:
        sources = rule.props.texts("cidrIpv4") + rule.props.texts("cidrIpv6")
    for source in sources:
        if _is_world(source):
            yield f"inbound from {source}: name a security group, or a network of the cluster's own"


def _is_world(cidr: str) -> bool:
    try:
        network = ipaddress.ip_network(cidr, strict=False)
    except ValueError:
        return False  # AWS refuses it
    return network.prefixlen < WIDEST_PREFIX[network.version]


def _inline(group: Subject) -> Iterator[str]:
    for key in ("ingress", "egress"):
        if group.props.is_unknown(key) or group.props.many(key):
            yield (
                f"{key} rules inside the group: make each an aws.vpc.SecurityGroup{key.capitalize()}Rule"
                " and take them out here"
            )


def _internal(balancer: Subject) -> Iterator[str]:
    if not balancer.props.flag("internal"):
        yield "it faces the internet: set internal=True"


RULES: tuple[Rule, ...] = (
    ResourceRule(
        name="ingress-closed",
        what="No inbound rule is open to the world.",
        why="Mesos and Marathon run what they are told: whoever reaches them owns the fleet.",
        reference=_GROUP_RULES,
        types=(INGRESS, OLD_RULE),
        check=_ingress,
    ),
    ResourceRule(
        name="group-rules-separate",
        what="Security group rules are resources of their own.",
        why="Inline rules and separate ones overwrite each other, and a preview of inline ones hides which changed.",
        reference="https://www.pulumi.com/registry/packages/aws/api-docs/ec2/securitygroup/",
        types=GROUPS,
        check=_inline,
    ),
    ResourceRule(
        name="balancer-internal",
        what="Load balancers are internal.",
        why="Marathon behind one is an interface that starts any command on the fleet.",
        reference="https://docs.aws.amazon.com/elasticloadbalancing/latest/userguide/how-elastic-load-balancing-works.html",
        types=BALANCERS,
        check=_internal,
    ),
)
