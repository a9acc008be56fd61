"""Instances, what is attached to them, and balancers: what an update does, and what stands in the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest

from local.aws.provider.wire import Props

from .engine import Engine
from .world import World

INSTANCE = "aws:ec2/instance:Instance"
INTERFACE = "aws:ec2/networkInterface:NetworkInterface"


@pytest.fixture
def world(live: Engine) -> Iterator[World]:
    world = World(live)
    yield world
    for resource in reversed(world.made.values()):
        live.delete(resource)


def refusal(call: Callable[[], object]) -> str:
    """What the person reads when a call is refused."""
    with pytest.raises(grpc.RpcError) as refused:
        call()
    return str(refused.value.details())  # pyright: ignore


def test_a_master_keeps_its_address_over_a_replacement(world: World, client: Callable[[str], Any]) -> None:
    first = world.engine.create(INSTANCE, "master", world.instance_inputs())
    assert first.outputs["privateIp"] == "10.7.1.77"
    world.engine.delete(first)
    second = world.instance()
    assert second.outputs["privateIp"] == "10.7.1.77"
    assert second.outputs["primaryNetworkInterfaceId"] == world.interface()
    [root] = client("ec2").describe_volumes(
        Filters=[{"Name": "attachment.instance-id", "Values": [second.id]}]
    )["Volumes"]
    assert root["Encrypted"]


def test_an_instance_stands_in_the_zone_of_its_interface(world: World) -> None:
    _, other = world.balanced_subnets()
    interface = world.make(INTERFACE, "elsewhere", subnetId=other)
    news = {**world.instance_inputs(), "primaryNetworkInterface": {"networkInterfaceId": interface.id}}
    master = world.make(INSTANCE, "elsewhere-master", **news)
    assert master.outputs["availabilityZone"] == "us-east-1b"
    assert master.outputs["subnetId"] == other


def test_two_masters_never_share_an_interface(world: World) -> None:
    master = world.instance()
    text = refusal(lambda: world.engine.create(INSTANCE, "second", world.instance_inputs()))
    assert f"is in use by {master.id}" in text
    assert "is in use by" in refusal(lambda: world.engine.delete(world.made["interface"]))


def test_an_instance_that_may_not_be_terminated_says_what_to_do(world: World) -> None:
    master, news = world.instance(), world.instance_inputs()
    world.engine.change(master, {**news, "disableApiTermination": True})
    text = refusal(lambda: world.engine.delete(master))
    assert "disable_api_termination=False, or force_destroy=True" in text
    world.engine.change(master, {**news, "disableApiTermination": True, "forceDestroy": True})


def test_another_type_stops_and_starts_an_instance(world: World, client: Callable[[str], Any]) -> None:
    master = world.instance()
    world.engine.change(master, {**world.instance_inputs(), "instanceType": "m5.2xlarge"})
    [found] = client("ec2").describe_instances(InstanceIds=[master.id])["Reservations"][0]["Instances"]
    assert (found["InstanceType"], found["State"]["Name"]) == ("m5.2xlarge", "running")


def test_an_instance_that_somebody_ended_is_gone_and_its_data_is_not(
    world: World, client: Callable[[str], Any]
) -> None:
    master = world.instance()
    attachment: Props = {"volumeId": world.volume(), "instanceId": master.id, "deviceName": "/dev/sdf"}
    held = world.make("aws:ec2/volumeAttachment:VolumeAttachment", "held", **attachment)
    client("ec2").terminate_instances(InstanceIds=[master.id])
    assert world.engine.drift(master, world.instance_inputs()) is None
    assert world.engine.drift(held, attachment) is None
    assert client("ec2").describe_volumes(VolumeIds=[world.volume()])["Volumes"]


def test_a_volume_is_attached_once_and_in_its_zone(world: World) -> None:
    engine, master = world.engine, world.instance()
    token = "aws:ec2/volumeAttachment:VolumeAttachment"
    held: Props = {"volumeId": world.volume(), "instanceId": master.id, "deviceName": "/dev/sdf"}
    world.make(token, "held", **held)
    assert "is attached to" in refusal(lambda: engine.create(token, "again", held))
    far = world.make("aws:ebs/volume:Volume", "far", availabilityZone="us-east-1c", size=8).id
    text = refusal(lambda: engine.create(token, "far", {**held, "volumeId": far, "deviceName": "/dev/sdg"}))
    assert f"{far} is in us-east-1c" in text


def test_a_volume_does_not_shrink(world: World) -> None:
    world.volume()
    zone = world.made["data"].inputs["availabilityZone"]
    news = {"availabilityZone": zone, "size": 10, "type": "gp3"}
    assert "cannot shrink to 10" in refusal(lambda: world.engine.change(world.made["data"], news))


@pytest.mark.parametrize("address", ["10.7.1.3", "10.7.9.11", "10.7.1.255"])
def test_an_interface_gets_no_address_that_its_subnet_does_not_give(world: World, address: str) -> None:
    news = {"subnetId": world.subnet(), "privateIps": [address]}
    assert f"{address} is not free" in refusal(lambda: world.engine.create(INTERFACE, "eni", news))


def test_an_address_is_given_once(world: World) -> None:
    world.interface()
    news = {"subnetId": world.subnet(), "privateIps": ["10.7.1.77"]}
    assert "has it already" in refusal(lambda: world.engine.create(INTERFACE, "eni", news))


def test_an_elastic_address_in_use_is_neither_released_nor_given_away(world: World) -> None:
    token = "aws:ec2/natGateway:NatGateway"
    news = {"allocationId": world.address(), "subnetId": world.subnet()}
    world.make(token, "nat", **news)
    assert "is in use" in refusal(lambda: world.engine.delete(world.made["address"]))
    assert "is in use" in refusal(lambda: world.engine.create(token, "second", news))


def test_a_protected_balancer_is_not_deleted(world: World) -> None:
    news: Props = {"internal": True, "subnets": world.balanced_subnets(), "enableDeletionProtection": True}
    balancer = world.engine.create("aws:lb/loadBalancer:LoadBalancer", "front", news)
    assert "enable_deletion_protection=False" in refusal(lambda: world.engine.delete(balancer))
    world.engine.change(balancer, {**news, "enableDeletionProtection": False})
    world.engine.delete(balancer)


def test_a_listener_goes_without_a_certificate_of_the_real_account(world: World) -> None:
    news: Props = {
        "loadBalancerArn": world.balancer(),
        "port": 443,
        "protocol": "HTTPS",
        "certificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/real",
        "defaultActions": [{"type": "forward", "targetGroupArn": world.target_group()}],
    }
    listener = world.make("aws:lb/listener:Listener", "front", **news)
    assert listener.outputs["certificateArn"].endswith("certificate/real")
    assert world.engine.drift(listener, news) == []


def test_an_alias_record_leads_to_a_balancer(world: World, client: Callable[[str], Any]) -> None:
    world.balancer()
    front = world.made["balancer"].outputs
    alias = {"name": front["dnsName"], "zoneId": front["zoneId"], "evaluateTargetHealth": False}
    news: Props = {"zoneId": world.zone(), "name": "marathon", "type": "A", "aliases": [alias]}
    record = world.make("aws:route53/record:Record", "marathon", **news)
    assert record.outputs["fqdn"] == "marathon.prod.internal"
    assert world.engine.drift(record, news) == []
    found = client("route53").list_resource_record_sets(HostedZoneId=world.zone())["ResourceRecordSets"]
    names = [entry["Name"] for entry in found if entry.get("AliasTarget")]
    assert names == ["marathon.prod.internal."]


def test_a_record_that_somebody_changed_is_put_back_and_deleted(
    world: World, client: Callable[[str], Any]
) -> None:
    news: Props = {
        "zoneId": world.zone(),
        "name": "m.prod.internal",
        "type": "A",
        "ttl": 60,
        "records": ["10.7.1.11"],
    }
    record = world.make("aws:route53/record:Record", "m", **news)
    other = {"Name": "m.prod.internal", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "10.9.9.9"}]}
    change = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": other}]}
    client("route53").change_resource_record_sets(HostedZoneId=world.zone(), ChangeBatch=change)
    assert world.engine.drift(record, news) == ["records[0]"]
    world.engine.change(record, news)
    assert world.engine.drift(record, news) == []


def test_a_default_security_group_is_emptied_and_shows_what_is_added(
    world: World, client: Callable[[str], Any]
) -> None:
    news: Props = {"vpcId": world.vpc(), "ingress": [], "egress": []}
    group = world.make("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup", "default", **news)

    def rules() -> list[Any]:
        [found] = client("ec2").describe_security_groups(GroupIds=[group.id])["SecurityGroups"]
        return [*found["IpPermissions"], *found["IpPermissionsEgress"]]

    assert rules() == []
    rule = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    client("ec2").authorize_security_group_ingress(GroupId=group.id, IpPermissions=[rule])
    assert world.engine.drift(group, news) == ["ingress[0]"]
    world.engine.change(group, news)
    assert rules() == []


def test_a_target_and_a_log_group_must_be_there(world: World) -> None:
    target = {"targetGroupArn": world.target_group(), "targetId": "i-0123456789abcdef0"}
    token = "aws:lb/targetGroupAttachment:TargetGroupAttachment"
    assert "no instance that exists" in refusal(lambda: world.engine.create(token, "t", target))
    metric = {"name": "n", "namespace": "s", "value": "1"}
    news: Props = {"logGroupName": "/none", "pattern": "", "metricTransformation": metric}
    token = "aws:cloudwatch/logMetricFilter:LogMetricFilter"
    assert "/none does not exist" in refusal(lambda: world.engine.create(token, "f", news))


def test_a_name_or_a_port_is_taken_once(world: World) -> None:
    subnets, engine = world.balanced_subnets(), world.engine
    inputs: Props = {"name": "front", "internal": True, "subnets": subnets}
    balancer = engine.create("aws:lb/loadBalancer:LoadBalancer", "front", inputs)
    world.made["front"] = balancer
    text = refusal(lambda: engine.create("aws:lb/loadBalancer:LoadBalancer", "front", inputs))
    assert "named front exists" in text
    action = {"type": "forward", "targetGroupArn": world.target_group()}
    listener: Props = {
        "loadBalancerArn": balancer.id,
        "port": 80,
        "protocol": "HTTP",
        "defaultActions": [action],
    }
    world.make("aws:lb/listener:Listener", "listener", **listener)
    text = refusal(lambda: engine.create("aws:lb/listener:Listener", "other", listener))
    assert "a listener on port 80 exists" in text
