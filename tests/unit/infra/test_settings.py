"""A stack file either becomes settings or one clear text: every rule is broken here, one at a time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.errors import SettingsError
from infra.settings import Settings, parse
from infra.settings.table import markdown

ROOT = Path(__file__).resolve().parents[3]

EXISTING_NETWORK = {
    "mode": "existing",
    "vpcId": "vpc-0123456789abcdef0",
    "cidr": "10.0.0.0/16",
    "agentSubnetIds": {"us-east-1a": "subnet-0123456789abcdef0", "us-east-1b": "subnet-0123456789abcdef1"},
    "masterSubnetIds": {"us-east-1a": "subnet-0123456789abcdef2", "us-east-1b": "subnet-0123456789abcdef3"},
    "s3EndpointId": "vpce-0123456789abcdef0",
}
EXISTING_CLUSTER = {
    "mode": "existing",
    "marathonUrls": ["http://marathon.internal:8080"],
    "zookeeper": "zk://zk-1:2181,zk-2:2181/mesos",
    "masterCidrs": ["10.1.0.0/24"],
}
WITH_ENDPOINTS = {
    "network.interfaceEndpoints": ["logs", "monitoring", "secretsmanager", "ssm", "ssmmessages"]
}
REMOVED = object()


def stack_file(stack: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"]


def changed(stack: str, changes: dict[str, Any]) -> dict[str, Any]:
    """A stack file with values at dotted paths, `fleet.minCapacity`, replaced or `REMOVED`."""
    config = stack_file(stack)
    for path, value in changes.items():
        key, *rest = path.split(".")
        full = key if ":" in key else f"trawler:{key}"
        if not rest:
            config[full] = value
        else:
            node = config.setdefault(full, {})
            for part in rest[:-1]:
                node = node[part]
            node[rest[-1]] = value
            if value is REMOVED:
                del node[rest[-1]]
        if config.get(full) is REMOVED:
            del config[full]
    return config


def settings_of(config: dict[str, Any], stack: str = "prod") -> Settings:
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
    return parse(texts, project="trawler", stack=stack)


@pytest.mark.parametrize("stack", ["local", "dev", "prod"])
def test_every_tracked_stack_file_is_valid(stack: str) -> None:
    settings_of(stack_file(stack), stack)


BROKEN: list[tuple[str, dict[str, Any], list[str]]] = [
    ("an unknown key", {"flet": {}}, ["trawler:flet: unknown key", "did you mean 'fleet'?"]),
    ("an unknown key in a section", {"fleet.maxCapcity": 3}, ["trawler:fleet.maxCapcity", "'maxCapacity'"]),
    ("an unknown key in one of two modes", {"network.natt": "one"}, ["trawler:network.natt", "'nat'"]),
    ("an unknown key of a part", {"cluster.masters.amy": "x"}, ["trawler:cluster.masters.amy", "'ami'"]),
    ("a missing section", {"network": REMOVED}, ["trawler:network: missing", "pulumi config set"]),
    ("a missing key", {"fleet.ami": REMOVED}, ["trawler:fleet.ami: missing"]),
    ("no mode", {"network.mode": REMOVED}, ["trawler:network.mode: missing", "'new', 'existing'"]),
    ("an unknown mode", {"cluster.mode": "manged"}, ["trawler:cluster.mode", "manged", "managed"]),
    ("no region", {"aws:region": REMOVED}, ["aws:region: missing"]),
    ("an AMI of the wrong form", {"fleet.ami": "ami-latest"}, ["trawler:fleet.ami", "ami-latest"]),
    ("an AMI of a length AWS has not", {"fleet.ami": "ami-0123456789"}, ["trawler:fleet.ami"]),
    ("a master's AMI of the wrong form", {"cluster.masters.ami": "newest"}, ["trawler:cluster.masters.ami"]),
    ("base over minimum", {"fleet.baseCapacity": 3}, ["baseCapacity 3 ≤ minCapacity 2"]),
    ("minimum over maximum", {"fleet.minCapacity": 41}, ["minCapacity 41 ≤ maxCapacity 40"]),
    ("no base", {"fleet.baseCapacity": 0}, ["trawler:fleet.baseCapacity", "greater than or equal to 1"]),
    (
        "two architectures",
        {"fleet.instanceTypes": {"c6i.large": 1, "c6g.large": 1}},
        ["mixes architectures", "c6g.large is arm64"],
    ),
    ("a wrong weight", {"fleet.instanceTypes": {"c6i.xlarge": 1}}, ["c6i.xlarge weighs 1", "2 units"]),
    ("an unknown size", {"fleet.instanceTypes": {"c6i.huge": 1}}, ["c6i.huge has no known size"]),
    (
        "few types in production",
        {"fleet.instanceTypes": {"c6i.large": 1}},
        ["1 instance types", "at least 10"],
    ),
    (
        "an image of another architecture",
        {"image": {"architecture": "arm64"}},
        ["image.architecture", "x86_64"],
    ),
    (
        "a zone of another region",
        {"network.zones": ["us-east-1a", "eu-west-1b"]},
        ["eu-west-1b", "us-east-1"],
    ),
    ("a zone twice", {"network.zones": ["us-east-1a", "us-east-1a"]}, ["trawler:network", "twice"]),
    ("one zone in production", {"network.zones": ["us-east-1a"]}, ["network.zones", "two or three zones"]),
    ("something that is no zone", {"network.zones": ["us-east-1"]}, ["trawler:network.zones.0"]),
    (
        "something that is no network",
        {"network.cidr": "10.20.0.1/16"},
        ["trawler:network.cidr", "IPv4 network"],
    ),
    ("a network too large", {"network.cidr": "10.0.0.0/8"}, ["10.0.0.0/8 is /8", "/16 to /22"]),
    ("a network too small", {"network.cidr": "10.20.0.0/24"}, ["10.20.0.0/24 is /24"]),
    (
        "a network too small for the fleet",
        {"network.cidr": "10.20.0.0/22", "fleet.maxCapacity": 400},
        ["trawler:network.cidr", "10.20.0.0/22 is too small", "59 addresses", "134"],
    ),
    (
        "an overlapping network",
        {"network.avoidCidrs": ["192.168.0.0/16", "10.20.128.0/24"]},
        ["10.20.0.0/16 overlaps 10.20.128.0/24 (avoidCidrs)"],
    ),
    ("Docker's network", {"network.cidr": "172.17.0.0/16"}, ["overlaps 172.17.0.0/16 (Docker's bridge)"]),
    (
        "private agents without a way out",
        {"network.agents": "private", "network.nat": "none", **WITH_ENDPOINTS},
        ["cannot reach any shop"],
    ),
    (
        "NAT for nobody",
        {"network.nat": "one", "network.masters": "public"},
        ["nobody stands in a private subnet"],
    ),
    (
        "masters without a way to AWS",
        {"network.nat": "none", "network.interfaceEndpoints": ["logs", "ssm"]},
        ["network.interfaceEndpoints", "monitoring, secretsmanager, ssmmessages"],
    ),
    (
        "an existing VPC without subnets",
        {"network": {k: v for k, v in EXISTING_NETWORK.items() if k != "agentSubnetIds"}},
        ["trawler:network.agentSubnetIds: missing"],
    ),
    (
        "an existing VPC without its endpoint",
        {"network": {k: v for k, v in EXISTING_NETWORK.items() if k != "s3EndpointId"}},
        ["trawler:network.s3EndpointId: missing"],
    ),
    (
        "an existing VPC without the masters' subnets",
        {"network": {k: v for k, v in EXISTING_NETWORK.items() if k != "masterSubnetIds"}},
        ["trawler:network.masterSubnetIds: missing"],
    ),
    (
        "all masters in one zone of an existing VPC",
        {"network": {**EXISTING_NETWORK, "masterSubnetIds": {"us-east-1a": "subnet-0123456789abcdef2"}}},
        ["network.masterSubnetIds", "at least two zones"],
    ),
    ("a subnet that is none", {"network": {**EXISTING_NETWORK, "vpcId": "10.0.0.0/16"}}, ["network.vpcId"]),
    ("one master in production", {"cluster.masters.generations": [1]}, ["one master in a protected stack"]),
    ("two masters", {"cluster.masters.generations": [1, 1]}, ["two masters", "a quorum needs three"]),
    (
        "a replaceable master that is none",
        {"cluster.masters.generations": [1], "protect": "false", "cluster.masters.replaceable": 2},
        ["replaceable 2: there are 1 masters"],
    ),
    (
        "a secret's value for its name",
        {"cluster.credentialsSecret": "user:pass word"},
        ["cluster.credentialsSecret"],
    ),
    ("no Marathon", {"cluster": {**EXISTING_CLUSTER, "marathonUrls": []}}, ["trawler:cluster.marathonUrls"]),
    (
        "a Marathon URL with a query",
        {"cluster": {**EXISTING_CLUSTER, "marathonUrls": ["http://m/?a=b"]}},
        ["marathonUrls.0"],
    ),
    (
        "a ZooKeeper URL without a path",
        {"cluster": {**EXISTING_CLUSTER, "zookeeper": "zk://a:2181"}},
        ["cluster.zookeeper"],
    ),
    ("no budget", {"monitoring.budgetUsd": 0}, ["trawler:monitoring.budgetUsd", "greater than 0"]),
    (
        "an e-mail without @",
        {"monitoring.emails": ["ops.example.com"]},
        ["trawler:monitoring.emails.0", "'ops.example.com'"],
    ),
    ("nobody to tell", {"monitoring.emails": []}, ["trawler:monitoring.emails"]),
    ("a retention AWS has not", {"monitoring.logRetentionDays": 31}, ["trawler:monitoring.logRetentionDays"]),
    (
        "pre-warming over the maximum",
        {
            "prewarm": [
                {"name": "x", "start": "cron(0 1 * * ? *)", "end": "cron(0 2 * * ? *)", "capacity": 99}
            ]
        },
        ["prewarm", "capacity 99", "maxCapacity 40"],
    ),
    (
        "two pre-warmings of a name",
        {
            "prewarm": [
                {"name": "x", "start": "cron(0 1 * * ? *)", "end": "cron(0 2 * * ? *)", "capacity": 9}
            ]
            * 2
        },
        ["two entries are named x"],
    ),
    (
        "a schedule that is none",
        {"prewarm": [{"name": "x", "start": "at 2 o'clock", "end": "cron(0 2 * * ? *)", "capacity": 9}]},
        ["trawler:prewarm.0.start"],
    ),
    ("a queue name over the limit", {"namePrefix": "a" * 70}, ["SQS allows 80", "by 6"]),
    ("a name SQS does not take", {"namePrefix": "Trawler_"}, ["trawler:namePrefix"]),
    ("a boundary that is no ARN", {"permissionsBoundaryArn": "boundary"}, ["trawler:permissionsBoundaryArn"]),
    ("a word for a number", {"fleet.maxCapacity": "many"}, ["trawler:fleet.maxCapacity", "'many'"]),
    ("absolute shops", {"shops": "/shops"}, ["trawler:shops"]),
]


@pytest.mark.parametrize(("changes", "told"), [pytest.param(c, t, id=i) for i, c, t in BROKEN])
def test_a_broken_rule_is_told_by_its_key(changes: dict[str, Any], told: list[str]) -> None:
    with pytest.raises(SettingsError) as refused:
        settings_of(changed("prod", changes))
    text = str(refused.value)
    assert text.startswith("Pulumi.prod.yaml is not valid:\n")
    assert len(text.splitlines()) == 2, "one rule was broken"
    for words in told:
        assert words in text


def test_every_mistake_is_told_at_once() -> None:
    with pytest.raises(SettingsError) as refused:
        settings_of(changed("prod", {"fleet.ami": "x", "monitoring.budgetUsd": 0, "flet": 1}))
    assert len(str(refused.value).splitlines()) == 4


WORKS: list[tuple[str, dict[str, Any]]] = [
    ("an existing network and cluster", {"network": EXISTING_NETWORK, "cluster": EXISTING_CLUSTER}),
    ("base, minimum and maximum alike", {"fleet.baseCapacity": 40, "fleet.minCapacity": 40, "prewarm": []}),
    ("a network just large enough", {"network.cidr": "10.20.0.0/22", "fleet.maxCapacity": 177}),
    ("private masters with endpoints for NAT", {"network.nat": "none", **WITH_ENDPOINTS}),
    ("private agents behind NAT", {"network.agents": "private", "network.nat": "perZone"}),
    ("no monitoring", {"monitoring": REMOVED}),
    ("one master where nothing is protected", {"cluster.masters.generations": [4], "protect": "false"}),
]


@pytest.mark.parametrize("changes", [pytest.param(c, id=i) for i, c in WORKS])
def test_what_just_keeps_a_rule_is_taken(changes: dict[str, Any]) -> None:
    settings_of(changed("prod", changes))


def test_the_page_of_settings_is_what_the_code_says() -> None:
    assert (ROOT / "docs" / "settings.md").read_text() == markdown(), "run `make docs`"


def test_every_key_is_explained() -> None:
    rows = [row for row in markdown().splitlines() if row.startswith("| `")]
    assert len(rows) > 60
    assert [row for row in rows if row.endswith("|  |")] == []
