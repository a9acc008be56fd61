"""What the program registers of the network, by what the settings choose."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from infra.subnets import subnet_cidr
from tests.program.engine import ROOT, Program, run
from tests.unit.infra.test_settings import EXISTING_CLUSTER, EXISTING_NETWORK

INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
GROUP = "aws:ec2/securityGroup:SecurityGroup"
SUBNET = "aws:ec2/subnet:Subnet"
NAT = "aws:ec2/natGateway:NatGateway"
ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"


@pytest.fixture(scope="module")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """The production program, run once for the tests that only read."""
    return run(tmp_path_factory.mktemp("prod"), "prod")


def network(**changes: Any) -> dict[str, Any]:
    """The production network with other values."""
    config = yaml.safe_load((ROOT / "Pulumi.prod.yaml").read_text())["config"]
    return {**config["trawler:network"], **changes}


def test_nothing_is_open_to_the_world(prod: Program) -> None:
    assert prod.of(INGRESS)
    for rule in prod.of(INGRESS):
        assert not str(rule.inputs.get("cidrIpv4", "")).endswith("/0"), rule.name
    assert [g.name for g in prod.of(GROUP) if g.inputs.get("ingress") or g.inputs.get("egress")] == []
    (default,) = prod.of("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup")
    assert (default.inputs["ingress"], default.inputs["egress"]) == ([], [])


def test_only_web_ports_lead_out_to_the_world(prod: Program) -> None:
    out = {(r.inputs["fromPort"], r.inputs["toPort"]) for r in prod.of(EGRESS) if "cidrIpv4" in r.inputs}
    assert out == {(80, 80), (443, 443)}


def test_what_may_leave_a_group_may_enter_the_other(prod: Program) -> None:
    def ends(kind: str, mine: str, other: str) -> set[tuple[str, str, int]]:
        return {
            (r.inputs[mine], r.inputs[other], r.inputs["fromPort"])
            for r in prod.of(kind)
            if "referencedSecurityGroupId" in r.inputs
        }

    leaving = ends(EGRESS, "securityGroupId", "referencedSecurityGroupId")
    entering = ends(INGRESS, "referencedSecurityGroupId", "securityGroupId")
    # The balancer is also entered from networks: whoever deploys has no group of ours.
    assert {e for e in leaving ^ entering if e[1] != "groups-balancer-id"} == set()


def test_crawl_traffic_passes_no_nat_and_the_masters_have_no_public_address(prod: Program) -> None:
    out = {r.inputs["routeTableId"]: r.inputs for r in prod.of("aws:ec2/route:Route")}
    assert "gatewayId" in out["network-public-routes-id"]
    assert "natGatewayId" not in out["network-public-routes-id"]
    public = {s.name: s.inputs["mapPublicIpOnLaunch"] for s in prod.of(SUBNET)}
    assert public == {
        f"network-{kind}-us-east-1{letter}": kind == "public"
        for kind in ("private", "public")
        for letter in "abc"
    }
    (config,) = prod.named("fleet-request").inputs["launchTemplateConfigs"]
    assert {o["subnetId"] for o in config["overrides"]} == {f"network-public-us-east-1{c}-id" for c in "abc"}


def test_s3_and_dynamodb_are_reached_by_free_endpoints_from_every_subnet(prod: Program) -> None:
    tables = {t.name + "-id" for t in prod.of("aws:ec2/routeTable:RouteTable")}
    for service in ("s3", "dynamodb"):
        endpoint = prod.named(f"network-{service}").inputs
        assert endpoint["vpcEndpointType"] == "Gateway"
        assert set(endpoint["routeTableIds"]) == tables
    bound = {a.inputs["subnetId"] for a in prod.of("aws:ec2/routeTableAssociation:RouteTableAssociation")}
    assert bound == {s.name + "-id" for s in prod.of(SUBNET)}


@pytest.mark.parametrize(("nat", "gateways"), [("one", 1), ("perZone", 3)])
def test_nat_gateways_are_as_many_as_the_settings_ask(tmp_path: Path, nat: str, gateways: int) -> None:
    program = run(tmp_path, "prod", network=network(nat=nat, agents="private"))
    assert len(program.of(NAT)) == gateways
    out = {
        r.name: r.inputs["natGatewayId"]
        for r in program.of("aws:ec2/route:Route")
        if "natGatewayId" in r.inputs
    }
    assert len(out) == 3
    assert len(set(out.values())) == gateways
    # A gateway stands where it can reach the internet.
    assert all(n.inputs["subnetId"].startswith("network-public-") for n in program.of(NAT))


def test_interface_endpoints_are_those_that_were_chosen_and_speak_https_only(tmp_path: Path) -> None:
    services = ["logs", "monitoring", "secretsmanager", "ssm", "ssmmessages"]
    program = run(tmp_path, "prod", network=network(nat="none", interfaceEndpoints=services))
    chosen = {e.name for e in program.of(ENDPOINT) if e.inputs["vpcEndpointType"] == "Interface"}
    assert chosen == {f"network-{service}" for service in services}
    rule = program.named("network-endpoints-https").inputs
    assert (rule["fromPort"], rule["toPort"], rule["cidrIpv4"]) == (443, 443, "10.20.0.0/16")


def test_an_existing_vpc_is_used_and_not_touched(tmp_path: Path) -> None:
    program = run(tmp_path, "prod", network=EXISTING_NETWORK, cluster=EXISTING_CLUSTER)
    made = {r.type for r in program.resources}
    assert not made & {SUBNET, NAT, ENDPOINT, "aws:ec2/vpc:Vpc", "aws:ec2/routeTable:RouteTable"}
    policy = program.named("storage-artifacts-policy").inputs["policy"]
    assert EXISTING_NETWORK["s3EndpointId"] in policy
    assert program.named("groups-agents").inputs["vpcId"] == EXISTING_NETWORK["vpcId"]


def test_agents_of_an_existing_cluster_talk_to_its_networks_alone(tmp_path: Path) -> None:
    program = run(
        tmp_path, "prod", cluster={**EXISTING_CLUSTER, "masterCidrs": ["10.1.0.0/24", "10.2.0.0/24"]}
    )
    assert {r.inputs["cidrIpv4"] for r in program.of(INGRESS) if "agents" in r.name} == {
        "10.1.0.0/24",
        "10.2.0.0/24",
    }
    assert {r.name for r in program.resources if "master" in r.name} <= {"logs-masters"}


def test_another_zone_moves_no_subnet(tmp_path: Path) -> None:
    def cidrs(zones: list[str]) -> dict[str, str]:
        (tmp_path / zones[0]).mkdir(exist_ok=True)
        program = run(tmp_path / zones[0], "prod", network=network(zones=zones))
        return {s.name: s.inputs["cidrBlock"] for s in program.of(SUBNET)}

    two, three = cidrs(["us-east-1b", "us-east-1d"]), cidrs(["us-east-1a", "us-east-1b", "us-east-1d"])
    assert two.items() < three.items()


@given(
    prefix=st.integers(16, 22),
    block=st.integers(0, 200),
    zones=st.sets(st.sampled_from("abcdefgh"), min_size=1),
)
def test_subnets_lie_in_the_vpc_and_never_overlap(prefix: int, block: int, zones: set[str]) -> None:
    vpc = ipaddress.IPv4Network(f"10.{block}.0.0/{prefix}")
    subnets = [
        ipaddress.IPv4Network(subnet_cidr(str(vpc), f"us-east-1{zone}", placement))
        for zone in zones
        for placement in ("private", "public")
    ]
    assert all(subnet.subnet_of(vpc) for subnet in subnets)
    assert not any(a.overlaps(b) for i, a in enumerate(subnets) for b in subnets[i + 1 :])
