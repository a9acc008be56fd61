"""Refusals for load balancers, target groups, listeners and DNS records, from the inputs alone."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Final

from local.aws.differences.rules import Rule, inside, items, known, one_of, within
from local.aws.provider.check import Problem
from local.aws.provider.wire import Props

_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,30}[A-Za-z0-9])?")
_SECURE: Final = ("HTTPS", "TLS")
_TYPES: Final = ("A", "AAAA", "CAA", "CNAME", "DS", "HTTPS", "MX", "NAPTR", "NS", "PTR", "SOA", "SPF", "SRV", "SSHFP",
                 "SVCB", "TLSA", "TXT")  # fmt: skip


def _name(inputs: Props) -> Iterator[Problem]:
    name = known(inputs, "name")
    if isinstance(name, str) and (not _NAME.fullmatch(name) or name.startswith("internal-")):
        text = "1 to 32 letters, digits and inner hyphens, not beginning with internal-"
        yield Problem("name", f"{name!r}: {text}")


def _balancer(inputs: Props) -> Iterator[Problem]:
    yield from one_of(inputs, "loadBalancerType", "application", "network", "gateway")
    yield from one_of(inputs, "ipAddressType", "ipv4", "dualstack", "dualstack-without-public-ipv4")
    yield from within(inputs, "idleTimeout", 1, 4_000, "seconds")
    subnets = known(inputs, "subnets")
    if isinstance(subnets, list) and len(subnets) < 2 and known(inputs, "loadBalancerType") == "application":
        yield Problem("subnets", "an application load balancer stands in at least two zones")


def _group(inputs: Props) -> Iterator[Problem]:
    yield from one_of(inputs, "targetType", "instance", "ip", "lambda", "alb")
    yield from one_of(inputs, "protocol", "HTTP", "HTTPS", "TCP", "TLS", "UDP", "TCP_UDP", "GENEVE")
    yield from within(inputs, "port", 1, 65_535)
    yield from within(inputs, "deregistrationDelay", 0, 3_600, "seconds")
    if known(inputs, "targetType") != "lambda":
        for key in ("port", "protocol", "vpcId"):
            if not inputs.get(key):
                yield Problem(key, "a target group needs it")


def _health(inputs: Props) -> Iterator[Problem]:
    place = "healthCheck"
    yield from within(inputs, f"{place}.interval", 5, 300, "seconds")
    yield from within(inputs, f"{place}.timeout", 2, 120, "seconds")
    for key in ("healthyThreshold", "unhealthyThreshold"):
        yield from within(inputs, f"{place}.{key}", 2, 10)
    check = known(inputs, place)
    if not isinstance(check, dict):
        return
    interval, timeout = known(inputs, f"{place}.interval") or 30, known(inputs, f"{place}.timeout")
    if isinstance(timeout, int) and isinstance(interval, int) and timeout >= interval:
        yield Problem(f"{place}.timeout", f"{timeout} s is not less than the interval of {interval} s")
    if known(inputs, f"{place}.protocol") == "TCP" and (check.get("path") or check.get("matcher")):
        yield Problem(place, "a TCP check has neither path nor matcher")


def _listener(inputs: Props) -> Iterator[Problem]:
    yield from within(inputs, "port", 1, 65_535)
    protocol = known(inputs, "protocol")
    if protocol in _SECURE and not inputs.get("certificateArn"):
        yield Problem("certificateArn", f"a listener for {protocol} needs a certificate")
    for key in ("certificateArn", "sslPolicy"):
        if isinstance(protocol, str) and protocol not in _SECURE and inputs.get(key):
            yield Problem(key, f"does not go with protocol {protocol}")
    for path, action in items(inputs, "defaultActions"):
        kinds = ("forward", "authenticate-oidc", "authenticate-cognito", "redirect", "fixed-response")
        yield from inside(path, one_of(action, "type", *kinds, "jwt-validation"))


def _zone(inputs: Props) -> Iterator[Problem]:
    name = known(inputs, "name")
    label = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
    if isinstance(name, str) and not re.fullmatch(rf"{label}(\.{label})*\.?", name):
        yield Problem("name", f"{name!r} is no domain name")


def _record(inputs: Props) -> Iterator[Problem]:
    yield from one_of(inputs, "type", *_TYPES)
    if inputs.get("aliases"):
        return
    for key in ("records", "ttl"):
        if inputs.get(key) in (None, []):
            yield Problem(key, "a record needs records and ttl, or aliases")
    yield from within(inputs, "ttl", 0, 2_147_483_647, "seconds")
    records, kind = known(inputs, "records"), known(inputs, "type")
    version = {"A": ipaddress.IPv4Address, "AAAA": ipaddress.IPv6Address}.get(str(kind))
    for value in records if isinstance(records, list) and version else []:
        try:
            version(str(value)) if version else None
        except ValueError:
            yield Problem("records", f"{value!r} is no address for a record of type {kind}")


RULES: Final[dict[str, tuple[Rule, ...]]] = {
    "aws:lb/loadBalancer:LoadBalancer": (
        Rule("balancer-name", _name),
        Rule("balancer-values", _balancer),
    ),
    "aws:lb/targetGroup:TargetGroup": (
        Rule("balancer-name", _name),
        Rule("target-group-values", _group),
        Rule("target-group-health", _health),
    ),
    "aws:lb/listener:Listener": (Rule("listener-values", _listener),),
    "aws:route53/zone:Zone": (Rule("zone-name", _zone),),
    "aws:route53/record:Record": (Rule("record-values", _record),),
}
