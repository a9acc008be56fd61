"""What an environment costs a month at list prices, before and after a change.

Between a floor (auto scaling at its lower bound, on the cheapest instance types) and a ceiling (at its upper
bound, on the dearest). What depends on the crawl (requests, stored bytes, logs, traffic) is left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from review.dangers.capacity import SCALABLE_TARGET
from review.dangers.data import FLEET, INSTANCE
from review.preview import Preview, State, Step
from review.prices import Prices

TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
SUBNET = "aws:ec2/subnet:Subnet"
ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"

_EACH: Mapping[str, tuple[str, str]] = {
    "aws:ec2/natGateway:NatGateway": ("NAT gateways", "nat_gateway_hour"),
    "aws:ec2/eip:Eip": ("Public IPv4 addresses", "public_ipv4_hour"),
    "aws:lb/loadBalancer:LoadBalancer": ("Load balancers", "load_balancer_hour"),
    "aws:cloudwatch/dashboard:Dashboard": ("Dashboards", "dashboard_month"),
    "aws:kms/key:Key": ("KMS keys", "kms_key_month"),
    "aws:secretsmanager/secret:Secret": ("Secrets", "secret_month"),
    "aws:route53/zone:Zone": ("DNS zones", "hosted_zone_month"),
}
"""Types that cost the same each: what the line is called, and its price."""


@dataclass(frozen=True)
class Range:
    """US dollars a month."""

    floor: float = 0.0
    ceiling: float = 0.0

    def __add__(self, other: Range) -> Range:
        return Range(self.floor + other.floor, self.ceiling + other.ceiling)

    def __sub__(self, other: Range) -> Range:
        return Range(self.floor - other.floor, self.ceiling - other.ceiling)


@dataclass(frozen=True)
class Line:
    """One part of the bill."""

    what: str
    before: Range
    after: Range

    @property
    def delta(self) -> Range:
        """What it costs more."""
        return self.after - self.before


@dataclass(frozen=True)
class Cost:
    """The bill of an environment, before and after."""

    lines: tuple[Line, ...]
    on_demand: Line
    """The total, were every spot instance on demand."""

    spot_share: float
    """What spot is assumed to cost, as a share of on demand."""

    whole: bool
    """Whether all resources are known; else only those that change are counted."""

    unpriced: tuple[str, ...] = ()
    """Instance types without a price: not counted."""

    unconfirmed: tuple[str, ...] = ()
    """Lines whose price could not be confirmed."""

    @property
    def total(self) -> Line:
        """All lines together."""
        return Line(
            "Together",
            sum((line.before for line in self.lines), Range()),
            sum((line.after for line in self.lines), Range()),
        )


@dataclass
class _Bill:
    prices: Prices
    lines: dict[str, Range] = field(default_factory=dict)
    spot_saving: Range = Range()
    unpriced: set[str] = field(default_factory=set)
    unconfirmed: set[str] = field(default_factory=set)

    def add(self, what: str, unit: str, floor: float, ceiling: float | None = None) -> None:
        month = self.prices.month(unit)
        self.add_usd(what, Range(floor * month, (floor if ceiling is None else ceiling) * month))
        if not self.prices.confirmed(unit):
            self.unconfirmed.add(what)

    def add_usd(self, what: str, usd: Range) -> None:
        self.lines[what] = self.lines.get(what, Range()) + usd


@dataclass(frozen=True)
class _Resource:
    urn: str
    type: str
    id: str
    inputs: Mapping[str, Any]
    dependencies: Mapping[str, Sequence[str]]


def estimate(preview: Preview, prices: Prices) -> Cost:
    """The bill before and after a change."""
    before = _bill(_resources(preview.all(), after=False), prices)
    after = _bill(_resources(preview.all(), after=True), prices)
    names = sorted({*before.lines, *after.lines}, key=lambda name: (not name.startswith("Agents"), name))
    lines = tuple(Line(n, before.lines.get(n, Range()), after.lines.get(n, Range())) for n in names)
    total = Cost(lines, Line("", Range(), Range()), prices.spot_share, True).total
    return Cost(
        lines,
        Line("Were all of it on demand", total.before + before.spot_saving, total.after + after.spot_saving),
        prices.spot_share,
        preview.fresh or preview.unchanged is not None,
        tuple(sorted(before.unpriced | after.unpriced)),
        tuple(sorted(before.unconfirmed | after.unconfirmed)),
    )


def _resources(steps: Iterable[Step], *, after: bool) -> Iterator[_Resource]:
    for step in steps:
        state: State | None = step.new if after else step.old
        if state is None or (after and step.op == "delete") or (not after and step.op == "create"):
            continue
        old_id = step.old.id if step.old and step.op != "replace" else ""
        yield _Resource(step.urn, step.type, state.id or old_id, state.inputs, state.dependencies)


def _bill(resources: Iterable[_Resource], prices: Prices) -> _Bill:
    bill = _Bill(prices)
    found = list(resources)
    by_type: dict[str, list[_Resource]] = {}
    for resource in found:
        by_type.setdefault(resource.type, []).append(resource)
    public = [s for s in by_type.get(SUBNET, []) if s.inputs.get("mapPublicIpOnLaunch") is True]
    for fleet in by_type.get(FLEET, []):
        _fleet(bill, fleet, by_type, public)
    for instance in by_type.get(INSTANCE, []):
        _instance(bill, instance, public)
    for volume in by_type.get("aws:ebs/volume:Volume", []):
        bill.add("Volumes", "gp3_gb_month", _number(volume.inputs.get("size")))
    for endpoint in by_type.get(ENDPOINT, []):
        if endpoint.inputs.get("vpcEndpointType") == "Interface":
            bill.add("Interface endpoints", "interface_endpoint_hour", _zones_of(endpoint))
    for alarm in by_type.get(ALARM, []):
        bill.add("Alarms", "alarm_month", _metrics_of(alarm))
    for resource in found:
        if resource.type in _EACH:
            what, unit = _EACH[resource.type]
            bill.add(what, unit, 1)
    return bill


def _fleet(
    bill: _Bill, fleet: _Resource, by_type: Mapping[str, list[_Resource]], public: Sequence[_Resource]
) -> None:
    prices = bill.prices
    overrides = [
        o for c in _dicts(fleet.inputs.get("launchTemplateConfigs")) for o in _dicts(c.get("overrides"))
    ]
    weights = {str(o.get("instanceType")): _number(o.get("weightedCapacity"), 1.0) for o in overrides}
    units = {n: h / weights[n] for n in weights if (h := prices.hourly(n)) is not None}
    bill.unpriced |= weights.keys() - units.keys()
    if not units:
        return
    base = _number(fleet.inputs.get("onDemandTargetCapacity"))
    target = _number(fleet.inputs.get("targetCapacity"))
    bounds = [t for t in by_type.get(SCALABLE_TARGET, []) if t.inputs.get("serviceNamespace") == "ec2"]
    low = _number(bounds[0].inputs.get("minCapacity"), target) if bounds else target
    high = _number(bounds[0].inputs.get("maxCapacity"), target) if bounds else target
    cheapest, dearest = min(units.values()) * prices.hours, max(units.values()) * prices.hours
    spot = Range(max(low - base, 0) * cheapest, max(high - base, 0) * dearest)
    share = prices.spot_share
    bill.add_usd("Agents on demand", Range(min(base, low) * cheapest, min(base, high) * dearest))
    bill.add_usd("Agents on spot", Range(spot.floor * share, spot.ceiling * share))
    bill.spot_saving += Range(spot.floor * (1 - share), spot.ceiling * (1 - share))
    fewest, most = math.ceil(low / max(weights.values())), math.ceil(high / min(weights.values()))
    gigabytes = sum(map(_template_gigabytes, by_type.get(TEMPLATE, [])))
    if gigabytes:
        bill.add("Agents' volumes", "gp3_gb_month", fewest * gigabytes, most * gigabytes)
    subnets = [o.get("subnetId") for o in overrides]
    if _stands_in(subnets, fleet.dependencies.get("launchTemplateConfigs", ()), public):
        bill.add("Agents' public addresses", "public_ipv4_hour", fewest, most)


def _instance(bill: _Bill, instance: _Resource, public: Sequence[_Resource]) -> None:
    instance_type = str(instance.inputs.get("instanceType"))
    hourly = bill.prices.hourly(instance_type)
    if hourly is None:
        bill.unpriced.add(instance_type)
    else:
        usd = hourly * bill.prices.hours
        bill.add_usd("Masters", Range(usd, usd))
    for device in [instance.inputs.get("rootBlockDevice"), *_dicts(instance.inputs.get("ebsBlockDevices"))]:
        if isinstance(device, dict):
            bill.add("Volumes", "gp3_gb_month", _number(device.get("volumeSize")))
    subnets = [instance.inputs.get("subnetId")]
    if _stands_in(subnets, instance.dependencies.get("subnetId", ()), public):
        bill.add("Public IPv4 addresses", "public_ipv4_hour", 1)


def _stands_in(ids: Sequence[Any], dependencies: Sequence[str], subnets: Sequence[_Resource]) -> bool:
    """Whether one of the subnets is meant: by its id, or, not yet known, by what the input is made of."""
    return any((s.id and s.id in ids) or s.urn in dependencies for s in subnets)


def _template_gigabytes(template: _Resource) -> float:
    mappings = _dicts(template.inputs.get("blockDeviceMappings"))
    return sum(_number((m.get("ebs") or {}).get("volumeSize")) for m in mappings)


def _zones_of(endpoint: _Resource) -> int:
    subnets = endpoint.inputs.get("subnetIds")
    return len(subnets) if isinstance(subnets, list) else len(endpoint.dependencies.get("subnetIds", ())) or 1


def _metrics_of(alarm: _Resource) -> int:
    queries = _dicts(alarm.inputs.get("metricQueries"))
    return sum(1 for query in queries if query.get("metric")) if queries else 1


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _number(value: Any, default: float = 0.0) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else default
