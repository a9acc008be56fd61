"""What a preview shows of machines and balancers: an update, or a replacement."""

from __future__ import annotations

from typing import Any

import pytest

from local.aws.provider.wire import Props

from .engine import Engine, changes

INSTANCE = "aws:ec2/instance:Instance"


def an_instance(**more: Any) -> Props:
    return {"ami": "ami-1", "instanceType": "m5.large", "userDataBase64": "YQ==", **more}


@pytest.mark.parametrize(
    ("token", "before", "after", "wanted"),
    [
        (INSTANCE, an_instance(), an_instance(instanceType="m5.xlarge"), {"instanceType": "UPDATE"}),
        (INSTANCE, an_instance(), an_instance(instanceType="m6g.large"), {"instanceType": "UPDATE_REPLACE"}),
        (INSTANCE, an_instance(), an_instance(userDataBase64="Yg=="), {"userDataBase64": "UPDATE"}),
        (
            INSTANCE,
            an_instance(userDataReplaceOnChange=True),
            an_instance(userDataReplaceOnChange=True, userDataBase64="Yg=="),
            {"userDataBase64": "UPDATE_REPLACE"},
        ),
        (INSTANCE, an_instance(), an_instance(ami="ami-2"), {"ami": "UPDATE_REPLACE"}),
        (
            "aws:ec2/networkInterface:NetworkInterface",
            {"subnetId": "s", "privateIps": ["10.0.0.11"]},
            {"subnetId": "s", "privateIps": ["10.0.0.12"]},
            {"privateIps[0]": "UPDATE_REPLACE"},
        ),
        (
            "aws:ec2/networkInterface:NetworkInterface",
            {"subnetId": "s", "privateIps": ["10.0.0.11"]},
            {"subnetId": "s", "privateIps": ["10.0.0.12", "10.0.0.11"]},
            {"privateIps[0]": "ADD"},
        ),
        (
            "aws:lb/loadBalancer:LoadBalancer",
            {"subnets": ["a", "b"]},
            {"subnets": ["b", "c"]},
            {"subnets[1]": "UPDATE"},
        ),
        (
            "aws:lb/loadBalancer:LoadBalancer",
            {"subnets": ["a", "b"], "loadBalancerType": "network"},
            {"subnets": ["b", "c"], "loadBalancerType": "network"},
            {"subnets[1]": "UPDATE_REPLACE"},
        ),
        (
            "aws:ssm/parameter:Parameter",
            {"type": "String", "value": "v", "tier": "Advanced"},
            {"type": "String", "value": "v", "tier": "Standard"},
            {"tier": "UPDATE_REPLACE"},
        ),
    ],
)
def test_what_replaces_a_machine_or_a_balancer_depends_on_how_it_changes(
    offline: Engine, token: str, before: Props, after: Props, wanted: dict[str, str]
) -> None:
    assert changes(offline, token, before, after) == wanted


@pytest.mark.parametrize("token", ["aws:lb/loadBalancer:LoadBalancer", "aws:lb/targetGroup:TargetGroup"])
def test_the_automatic_name_of_a_balancer_has_at_most_32_characters(offline: Engine, token: str) -> None:
    group = {"port": 80, "protocol": "HTTP", "vpcId": "v"}
    news = group if token.endswith("TargetGroup") else {"subnets": ["a", "b"]}
    name = offline.check(token, "cluster-a-very-long-logical-name-indeed", news)["name"]
    assert len(name) == 32
    assert name.startswith("cluster-a-very-long-logi")
