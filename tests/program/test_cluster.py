"""The masters: what the engine may do to them, where they stand, who reaches them."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.program.engine import ROOT, Program, Registered, run

INSTANCE, INTERFACE, VOLUME = (
    "aws:ec2/instance:Instance",
    "aws:ec2/networkInterface:NetworkInterface",
    "aws:ebs/volume:Volume",
)
THREE = ["cluster-master-1", "cluster-master-2", "cluster-master-3"]


def cluster(stack: str, **changed: Any) -> dict[str, Any]:
    """The stack's cluster section with changes to it; `masters` is merged."""
    section: dict[str, Any] = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"][
        "trawler:cluster"
    ]
    masters = section["masters"] | changed.pop("masters", {})
    return {**section, **changed, "masters": masters}


@pytest.fixture(scope="module")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """The production stack."""
    return run(tmp_path_factory.mktemp("prod"), "prod")


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """The smallest stack."""
    return run(tmp_path_factory.mktemp("dev"), "dev")


def of(program: Program, type_: str) -> list[Registered]:
    """The resources of a type by name: the program registers them in no certain order."""
    return sorted(program.of(type_), key=lambda r: r.name)


def user_data(machine: Registered) -> str:
    """What a machine is told at its first boot."""
    return base64.b64decode(machine.inputs["userDataBase64"]).decode()


def test_production_has_three_masters_in_three_zones(prod: Program) -> None:
    assert [m.name for m in of(prod, INSTANCE)] == THREE
    zones = [v.inputs["availabilityZone"] for v in of(prod, VOLUME)]
    assert zones == ["us-east-1a", "us-east-1b", "us-east-1c"]


def test_a_master_is_replaced_for_its_generation_and_for_nothing_else(prod: Program) -> None:
    for machine in of(prod, INSTANCE):
        assert list(machine.options.replaceOnChanges) == ["tags.Generation"]
        assert set(machine.options.ignoreChanges) == {"ami", "userDataBase64", "instanceType"}
        assert machine.inputs["tags"]["Generation"] == "1"


def test_the_old_master_is_gone_before_the_new_one_starts(prod: Program) -> None:
    for machine in of(prod, INSTANCE):
        assert machine.options.deleteBeforeReplace
    for attachment in of(prod, "aws:ec2/volumeAttachment:VolumeAttachment"):
        assert attachment.options.deleteBeforeReplace
        assert attachment.inputs["stopInstanceBeforeDetaching"]


def test_no_master_may_be_replaced_unasked(prod: Program) -> None:
    assert all(machine.options.protect for machine in of(prod, INSTANCE))


@pytest.mark.parametrize("index", [1, 3])
def test_at_most_the_one_master_that_is_named_may_be_replaced(tmp_path: Path, index: int) -> None:
    program = run(
        tmp_path, "prod", cluster=cluster("prod", masters={"replaceable": index, "generations": [2, 2, 2]})
    )
    assert [m.name for m in of(program, INSTANCE) if not m.options.protect] == [f"cluster-master-{index}"]


def test_disks_and_addresses_outlive_their_machines(prod: Program) -> None:
    for volume in of(prod, VOLUME):
        assert volume.options.protect
        assert volume.options.retainOnDelete
        assert volume.inputs["encrypted"]
    assert all(interface.options.protect for interface in of(prod, INTERFACE))


def test_masters_have_addresses_known_by_arithmetic_in_a_vpc_of_the_stack(prod: Program) -> None:
    assert [i.inputs["privateIps"] for i in of(prod, INTERFACE)] == [
        ["10.20.0.11"],
        ["10.20.16.12"],
        ["10.20.32.13"],
    ]


def test_in_an_existing_vpc_aws_chooses_the_addresses(tmp_path: Path) -> None:
    network = {
        "mode": "existing",
        "vpcId": "vpc-0123456789abcdef0",
        "cidr": "10.1.0.0/16",
        "agentSubnetIds": {"us-east-1a": "subnet-0000000a", "us-east-1b": "subnet-0000000b"},
        "masterSubnetIds": {"us-east-1a": "subnet-0000001a", "us-east-1b": "subnet-0000001b"},
        "s3EndpointId": "vpce-0123456789abcdef0",
    }
    program = run(tmp_path, "prod", network=network)
    assert all("privateIps" not in i.inputs for i in of(program, INTERFACE))
    assert [i.inputs["subnetId"] for i in of(program, INTERFACE)] == [
        "subnet-0000001a",
        "subnet-0000001b",
        "subnet-0000001a",
    ]


def test_masters_are_found_by_names_that_agents_are_told(prod: Program) -> None:
    names = {r.inputs["name"] for r in of(prod, "aws:route53/record:Record")}
    masters = [f"master-{i}.prod.trawler.internal" for i in (1, 2, 3)]
    assert names == {*masters, "marathon.prod.trawler.internal"}
    zookeeper = f"zk://{','.join(f'{name}:2181' for name in masters)}/mesos"
    template = prod.named("fleet-agent").inputs
    assert zookeeper in base64.b64decode(template["userData"]).decode()
    (zone,) = of(prod, "aws:route53/zone:Zone")
    assert zone.inputs["name"] == "prod.trawler.internal"
    assert zone.inputs["vpcs"]


def test_each_master_is_told_its_own_place(prod: Program) -> None:
    for i, machine in enumerate(of(prod, INSTANCE), 1):
        assert f'\\"index\\": {i}' in user_data(machine)


def test_masters_ask_for_session_tokens_and_stop_when_shut_down(prod: Program) -> None:
    for machine in of(prod, INSTANCE):
        assert machine.inputs["metadataOptions"] == {
            "httpEndpoint": "enabled",
            "httpTokens": "required",
            "httpPutResponseHopLimit": 1,
        }
        assert machine.inputs["rootBlockDevice"]["encrypted"]
        assert machine.inputs["instanceInitiatedShutdownBehavior"] == "stop"
        assert "keyName" not in machine.inputs
        assert machine.inputs["tags"]["Role"] == "master"


def test_ec2_recovers_a_master_whose_hardware_fails(prod: Program) -> None:
    recovery = [a for a in of(prod, "aws:cloudwatch/metricAlarm:MetricAlarm") if a.name.endswith("-recovery")]
    assert [a.inputs["dimensions"] for a in recovery] == [{"InstanceId": f"{name}-id"} for name in THREE]
    for alarm in recovery:
        assert alarm.inputs["alarmActions"] == ["arn:aws:automate:us-east-1:ec2:recover"]
        assert alarm.inputs["metricName"] == "StatusCheckFailed_System"


def test_the_balancer_is_internal_and_asks_who_reaches_the_leader(prod: Program) -> None:
    (balancer,) = of(prod, "aws:lb/loadBalancer:LoadBalancer")
    assert balancer.inputs["internal"]
    (group,) = of(prod, "aws:lb/targetGroup:TargetGroup")
    check = group.inputs["healthCheck"]
    assert (check["port"], check["path"], check["matcher"]) == ("8081", "/leader", "200")
    assert "node.leader_health 8081" in user_data(of(prod, INSTANCE)[0])
    targets = of(prod, "aws:lb/targetGroupAttachment:TargetGroupAttachment")
    assert [t.inputs["targetId"] for t in targets] == [f"{name}-id" for name in THREE]


@pytest.mark.parametrize(
    ("certificate", "port", "protocol"),
    [(None, 8080, "HTTP"), ("arn:aws:acm:us-east-1:123456789012:certificate/1", 443, "HTTPS")],
)
def test_the_balancer_speaks_tls_where_it_has_a_certificate(
    tmp_path: Path, certificate: str | None, port: int, protocol: str
) -> None:
    changed = {"certificateArn": certificate} if certificate else {}
    program = run(tmp_path, "prod", cluster=cluster("prod", **changed))
    (listener,) = of(program, "aws:lb/listener:Listener")
    assert (listener.inputs["port"], listener.inputs["protocol"]) == (port, protocol)
    assert listener.inputs.get("certificateArn") == certificate
    assert ("sslPolicy" in listener.inputs) == (certificate is not None)


def test_a_single_master_is_reached_straight_and_pays_for_no_balancer(dev: Program) -> None:
    assert of(dev, "aws:lb/loadBalancer:LoadBalancer") == []
    (machine,) = of(dev, INSTANCE)
    assert machine.name == "cluster-master-solo"
    assert not machine.options.protect
    names = {r.inputs["name"] for r in of(dev, "aws:route53/record:Record")}
    assert names == {"master-solo.dev.trawler.internal", "marathon.dev.trawler.internal"}
    for record in of(dev, "aws:route53/record:Record"):
        (urn,) = record.options.propertyDependencies["records"].urns
        assert urn.endswith("::cluster-master-solo-interface")


def test_growing_from_one_master_to_three_reuses_nothing_of_the_one(tmp_path: Path, dev: Program) -> None:
    grown = run(tmp_path, "dev", cluster=cluster("dev", masters={"generations": [1, 1, 1]}))
    kinds = {INSTANCE, INTERFACE, VOLUME}
    before = {r.name for r in dev.resources if r.type in kinds}
    after = {r.name for r in grown.resources if r.type in kinds}
    assert len(before) == 3
    assert before & after == set()
    assert "master-solo" not in user_data(of(grown, INSTANCE)[0])
