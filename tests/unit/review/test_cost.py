"""The bill before and after, at list prices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from review import cost, prices
from review.cost import Range
from review.errors import ReviewError
from review.preview import Preview, read
from tests.unit.review.support import UNKNOWN, a_fresh_preview, a_preview, a_step, fixture

HOURS = 730
C5, M5 = 0.085, 0.096


def fleet(op: str = "create", subnet: str = UNKNOWN, **more: Any) -> dict[str, Any]:
    overrides = [
        {"instanceType": "c5.large", "weightedCapacity": 1.0, "subnetId": subnet},
        {"instanceType": "m5.xlarge", "weightedCapacity": 2.0, "subnetId": subnet},
    ]
    inputs = {
        "launchTemplateConfigs": [{"overrides": overrides}],
        "onDemandTargetCapacity": 1,
        "targetCapacity": 2,
    }
    return a_step(
        op, "aws:ec2/spotFleetRequest:SpotFleetRequest", "fleet", inputs, inputs, component="Fleet", **more
    )


def target(op: str, before: tuple[int, int], after: tuple[int, int]) -> dict[str, Any]:
    def bounds(low: int, high: int) -> dict[str, Any]:
        return {"minCapacity": low, "maxCapacity": high, "serviceNamespace": "ec2"}

    return a_step(op, "aws:appautoscaling/target:Target", "target", bounds(*before), bounds(*after))


def lines(preview: Preview) -> dict[str, tuple[Range, Range]]:
    return {line.what: (line.before, line.after) for line in cost.estimate(preview, prices.load()).lines}


def near(floor: float, ceiling: float) -> Any:
    return pytest.approx((floor, ceiling), abs=0.01)


def test_a_fleet_costs_between_its_bounds_on_its_cheapest_and_its_dearest_type() -> None:
    found = lines(a_fresh_preview(fleet(), target("create", (0, 0), (2, 10))))
    on_demand, spot = found["Agents on demand"][1], found["Agents on spot"][1]
    # An m5.xlarge is two units: a unit of it costs what an m5.large does.
    assert (on_demand.floor, on_demand.ceiling) == near(C5 * HOURS, M5 * HOURS)
    assert (spot.floor, spot.ceiling) == near(1 * C5 * HOURS * 0.5, 9 * M5 * HOURS * 0.5)


def test_the_total_is_told_for_spot_as_assumed_and_for_all_on_demand() -> None:
    bill = cost.estimate(a_fresh_preview(fleet(), target("create", (0, 0), (2, 10))), prices.load())
    assert (bill.total.after.floor, bill.total.after.ceiling) == near(1.5 * C5 * HOURS, 5.5 * M5 * HOURS)
    assert (bill.on_demand.after.floor, bill.on_demand.after.ceiling) == near(2 * C5 * HOURS, 10 * M5 * HOURS)


def test_a_larger_ceiling_costs_nothing_at_the_floor() -> None:
    bill = cost.estimate(
        a_preview(target("update", (2, 10), (2, 20)), unchanged=[fleet("same")]), prices.load()
    )
    assert (bill.total.delta.floor, bill.total.delta.ceiling) == near(0, 10 * M5 * HOURS * 0.5)
    assert bill.whole


def test_without_an_event_log_only_what_changes_is_counted_and_it_says_so() -> None:
    assert not cost.estimate(
        a_preview(target("update", (2, 10), (2, 20)), unchanged=None), prices.load()
    ).whole


def test_an_agents_public_address_is_billed_where_its_subnet_gives_one() -> None:
    subnet = a_step("create", "aws:ec2/subnet:Subnet", "public", None, {"mapPublicIpOnLaunch": True})
    made_of = {"propertyDependencies": {"launchTemplateConfigs": [subnet["urn"]]}}
    bounds = target("create", (0, 0), (2, 10))
    assert "Agents' public addresses" not in lines(a_fresh_preview(fleet(), bounds, subnet))
    found = lines(a_fresh_preview(fleet(new=made_of), bounds, subnet))["Agents' public addresses"][1]
    # At the floor one m5.xlarge is enough, at the ceiling it is ten c5.large.
    assert (found.floor, found.ceiling) == near(1 * 0.005 * HOURS, 10 * 0.005 * HOURS)


def test_a_known_subnet_is_found_by_its_id() -> None:
    subnet = a_step("same", "aws:ec2/subnet:Subnet", "public", {}, {"mapPublicIpOnLaunch": True})
    found = lines(a_preview(fleet("update", "id-of-public"), unchanged=[subnet]))
    assert "Agents' public addresses" in found


@pytest.mark.parametrize(
    ("kind", "inputs", "what", "month"),
    [
        ("aws:ec2/natGateway:NatGateway", {}, "NAT gateways", 0.045 * HOURS),
        (
            "aws:ec2/vpcEndpoint:VpcEndpoint",
            {"vpcEndpointType": "Interface", "subnetIds": ["a", "b", "c"]},
            "Interface endpoints",
            3 * 0.01 * HOURS,
        ),
        ("aws:lb/loadBalancer:LoadBalancer", {}, "Load balancers", 0.0225 * HOURS),
        ("aws:ec2/instance:Instance", {"instanceType": "t3.medium"}, "Masters", 0.0416 * HOURS),
        ("aws:ebs/volume:Volume", {"size": 20}, "Volumes", 20 * 0.08),
        ("aws:cloudwatch/metricAlarm:MetricAlarm", {"metricName": "x"}, "Alarms", 0.1),
        (
            "aws:cloudwatch/metricAlarm:MetricAlarm",
            {
                "metricQueries": [
                    {"metric": {}},
                    {"metric": {"a": 1}},
                    {"metric": {"b": 1}},
                    {"expression": "a/b"},
                ]
            },
            "Alarms",
            0.2,
        ),
    ],
)
def test_what_is_billed_by_the_hour_or_month_has_a_line(
    kind: str, inputs: dict[str, Any], what: str, month: float
) -> None:
    found = lines(a_preview(a_step("delete", kind, "x", inputs)))[what]
    assert (found[0].floor, found[1].floor) == (pytest.approx(month), 0.0)


def test_a_gateway_endpoint_is_free() -> None:
    step = a_step("create", "aws:ec2/vpcEndpoint:VpcEndpoint", "s3", None, {"vpcEndpointType": "Gateway"})
    assert lines(a_fresh_preview(step)) == {}


def test_an_instance_type_without_a_price_is_named_and_not_counted() -> None:
    step = a_step("create", "aws:ec2/instance:Instance", "i", None, {"instanceType": "x9.huge"})
    bill = cost.estimate(a_fresh_preview(step), prices.load())
    assert (bill.unpriced, bill.lines) == (("x9.huge",), ())


def test_a_price_that_was_not_confirmed_is_told() -> None:
    step = a_step("create", "aws:route53/zone:Zone", "z", None, {})
    assert cost.estimate(a_fresh_preview(step), prices.load()).unconfirmed == ("DNS zones",)


def test_a_change_of_code_costs_nothing() -> None:
    assert cost.estimate(read(*fixture("code")), prices.load()).lines == ()


def test_every_instance_type_of_the_stack_files_has_a_price() -> None:
    listed = prices.load()
    for path in Path(prices.__file__).parents[1].glob("Pulumi.*.yaml"):
        config = yaml.safe_load(path.read_text())["config"]
        types = set(config["trawler:fleet"]["instanceTypes"])
        masters = config["trawler:cluster"].get("masters")
        types |= {masters["instanceType"]} if masters else set[str]()
        assert {t for t in types if listed.hourly(t) is None} == set(), path.name


def test_every_price_names_a_source_with_a_date() -> None:
    file = prices.load().file
    assert all(file.sources[unit.source].date for unit in file.units.values())
    assert all(source.url.startswith("https://") for source in file.sources.values())


def test_a_price_without_its_source_is_refused(tmp_path: Path) -> None:
    text = prices.FILE.read_text().replace("[sources.kms]", "[sources.other]")
    (tmp_path / "prices.toml").write_text(text)
    with pytest.raises(ReviewError, match="no source named kms"):
        prices.load(tmp_path / "prices.toml")
