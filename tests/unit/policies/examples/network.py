"""Network."""

from __future__ import annotations

from policies.rules.network import BALANCERS, GROUPS, INGRESS, OLD_RULE
from tests.unit.policies.examples.example import Breaks, Examples, Keeps
from tests.unit.policies.judge import UNKNOWN, Declared

EXAMPLES: Examples = {
    "ingress-closed": (
        [
            Breaks("IPv4", [Declared(INGRESS, props={"cidrIpv4": "0.0.0.0/0"})], "from 0.0.0.0/0"),
            Breaks("IPv6", [Declared(INGRESS, props={"cidrIpv6": "::/0"})], "from ::/0"),
            Breaks("half the world", [Declared(INGRESS, props={"cidrIpv4": "128.0.0.0/1"})], "128.0.0.0/1"),
            Breaks(
                "the older type",
                [Declared(OLD_RULE, props={"type": "ingress", "cidrBlocks": ["10.0.0.0/8", "0.0.0.0/0"]})],
                "from 0.0.0.0/0",
            ),
        ],
        [
            Keeps("a network", [Declared(INGRESS, props={"cidrIpv4": "10.0.0.0/8"})]),
            Keeps("a group", [Declared(INGRESS, props={"referencedSecurityGroupId": UNKNOWN})]),
            Keeps("egress", [Declared(OLD_RULE, props={"type": "egress", "cidrBlocks": ["0.0.0.0/0"]})]),
        ],
    ),
    "group-rules-separate": (
        [
            Breaks(
                "an inline rule",
                [Declared(GROUPS[0], props={"ingress": [{"cidrBlocks": ["10.0.0.0/8"]}]})],
                "make each an aws.vpc.SecurityGroupIngressRule",
            )
        ],
        [Keeps("none", [Declared(GROUPS[1], props={"ingress": [], "egress": []}), Declared(GROUPS[0])])],
    ),
    "balancer-internal": (
        [Breaks("nothing said", [Declared(BALANCERS[0])], "it faces the internet")],
        [Keeps("internal", [Declared(BALANCERS[0], props={"internal": True})])],
    ),
}
