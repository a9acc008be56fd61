"""Examples of the rules on networks, health, placement, room and upgrades."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from infra.marathon.lint.facts import Capacity
from infra.room import Room
from infra.settings.app_lint import AllowedBreach
from tests.unit.infra.lint.example import (
    ABSENT,
    FACTS,
    Breaks,
    Examples,
    Keeps,
    app,
    breaks,
    container,
    keeps,
    strategy,
)

BRIDGE = [{"mode": "container/bridge"}]
ON_BRIDGE = replace(FACTS, task_network="bridge")
PINNED: dict[str, Any] = {"constraints": [["lifecycle", "LIKE", "on-demand"]]}


def mapped(*ports: dict[str, Any]) -> dict[str, Any]:
    """An app with an address of its own, and these ports."""
    return {
        "networks": BRIDGE,
        "portDefinitions": ABSENT,
        "container": {**container(), "portMappings": list(ports)},
    }


def changed(fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Fields, some of them others."""
    return {**fields, **more}


def fleet(**rooms: Any) -> Any:
    """The fleet, but for these rooms."""
    assert isinstance(FACTS.capacity, Capacity)
    return replace(FACTS, capacity=replace(FACTS.capacity, **rooms))


def allowing(app_id: str, rule: str) -> Any:
    """An exception."""
    return replace(FACTS, allowed=[AllowedBreach(app=app_id, rule=rule, reason="said in the review")])


def health(**fields: Any) -> dict[str, Any]:
    """An app with one port and one check."""
    check = {"protocol": "HTTP", "path": "/ping", "intervalSeconds": 10, "timeoutSeconds": 5, **fields}
    return {
        "portDefinitions": [{"port": 0}],
        "healthChecks": [{k: v for k, v in check.items() if v is not ABSENT}],
    }


EXAMPLES: Examples = {
    "network-form": (
        [
            breaks("/networks", networks=[{"mode": "host"}, *BRIDGE]),
            breaks("/networks/0/name", networks=[{"mode": "host", "name": "a"}]),
            breaks("/networks/0", "has a name", networks=[{"mode": "container"}], portDefinitions=ABSENT),
            breaks(
                "/container/portMappings", container={**container(), "portMappings": [{"containerPort": 80}]}
            ),
            breaks("/portDefinitions", networks=BRIDGE, portDefinitions=[{"port": 0}]),
        ],
        [keeps(ON_BRIDGE, **mapped({"containerPort": 80})), keeps(networks=ABSENT)],
    ),
    "network-credentials": (
        [breaks("/networks", networks=BRIDGE, portDefinitions=ABSENT)],
        [keeps(ON_BRIDGE, networks=BRIDGE, portDefinitions=ABSENT)],
    ),
    "port-unique": (
        [
            breaks(
                "/portDefinitions/1/name",
                portDefinitions=[{"port": 0, "name": "a"}, {"port": 0, "name": "a"}],
            ),
            breaks("/portDefinitions/0/port", portDefinitions=[{"port": 9}, {"port": 9}]),
            breaks("/container/portMappings/0/name", facts=ON_BRIDGE, **mapped({"name": "a"}, {"name": "a"})),
        ],
        [keeps(portDefinitions=[{"port": 0, "name": "a"}, {"port": 0, "name": "b"}])],
    ),
    "port-offered": (
        [
            breaks("/portDefinitions/0/port", portDefinitions=[{"port": 8080}], requirePorts=True),
            breaks("/container/portMappings/0/hostPort", facts=ON_BRIDGE, **mapped({"hostPort": 80})),
            breaks("/requirePorts", facts=ON_BRIDGE, requirePorts=True, **mapped({"containerPort": 80})),
        ],
        [
            keeps(portDefinitions=[{"port": 31000}], requirePorts=True),
            keeps(portDefinitions=[{"port": 10080}]),
            keeps(ON_BRIDGE, **mapped({"containerPort": 80, "hostPort": 0})),
        ],
    ),
    "health-port": (
        [
            breaks("/healthChecks/0/portIndex", "has one port", **health(portIndex=1)),
            breaks("/healthChecks/0", "the app has none", **changed(health(), portDefinitions=[])),
            breaks("/healthChecks/0/port", **health(port=8080)),
            breaks(
                "/healthChecks/0/portIndex",
                "has one port",
                facts=ON_BRIDGE,
                healthChecks=health(portIndex=1)["healthChecks"],
                **mapped(),
            ),
        ],
        [
            keeps(**health(portIndex=0)),
            keeps(**health()),
            keeps(**changed(health(), portDefinitions=ABSENT)),
            keeps(portDefinitions=[], healthChecks=[{"protocol": "COMMAND", "command": {"value": "true"}}]),
        ],
    ),
    "health-form": (
        [
            breaks("/healthChecks/0/path", "no path", **health(path=ABSENT)),
            breaks("/healthChecks/0", **health(protocol="COMMAND")),
            breaks("/healthChecks/0", **health(command={"value": "true"})),
            breaks("/healthChecks/0/ipProtocol", **health(ipProtocol="IPv6")),
            breaks(
                "/healthChecks/1/protocol",
                portDefinitions=[{"port": 0}],
                healthChecks=[{"protocol": "MESOS_TCP"}, {"protocol": "MESOS_TCP"}],
            ),
        ],
        [
            keeps(**health(protocol="TCP", path=ABSENT)),
            keeps(**health(protocol="MESOS_HTTP", ipProtocol="IPv6")),
        ],
    ),
    "health-kills": (
        [
            breaks("/healthChecks/0/maxConsecutiveFailures", **health(maxConsecutiveFailures=0)),
            breaks("/healthChecks/0/timeoutSeconds", **health(timeoutSeconds=10)),
        ],
        [keeps(**health(timeoutSeconds=9, maxConsecutiveFailures=1))],
    ),
    "constraint-form": (
        [
            breaks("/constraints/0", says, constraints=[constraint])
            for constraint, says in (
                (["hostname", "UNIQUE", "a"], "takes no value"),
                (["zone", "LIKE"], "needs a regular expression"),
                (["zone", "LIKE", "("], "no regular expression"),
                (["zone", "MAX_PER"], "whole number"),
                (["zone", "GROUP_BY", "many"], "whole number"),
                (["zone", "IS"], "needs a value"),
                (["zone", "NEAR", "a"], "'NEAR' is no operator"),
            )
        ],
        [
            keeps(constraints=[["hostname", "UNIQUE"], ["zone", "GROUP_BY", "3"], ["zone", "UNLIKE", ".*c"]]),
            keeps(constraints=[["zone", "GROUP_BY"], ["hostname", "MAX_PER", "2"], ["hostname", "CLUSTER"]]),
        ],
    ),
    "constraint-field": (
        [
            breaks("/constraints/0/0", "no agent has", constraints=[["rack", "GROUP_BY"]]),
            breaks("/constraints/0/0", "fault domain", constraints=[["@zone", "GROUP_BY"]]),
        ],
        [keeps(constraints=[["instance_type", "UNLIKE", "t3.*"]])],
    ),
    "constraint-room": (
        [
            breaks("/constraints/0", "4 tasks", instances=4, constraints=[["zone", "UNIQUE"]]),
            breaks(
                "/constraints/0",
                "in each of 3 zones is 6",
                instances=7,
                constraints=[["zone", "MAX_PER", "2"]],
            ),
            breaks(
                "/constraints/0",
                "no place for a new one",
                instances=3,
                constraints=[["zone", "UNIQUE"]],
                upgradeStrategy=strategy(1, 0),
            ),
        ],
        [
            keeps(instances=3, constraints=[["zone", "UNIQUE"]]),
            keeps(instances=2, constraints=[["zone", "UNIQUE"]], upgradeStrategy=strategy(1, 0)),
        ],
    ),
    "resource-roles": (
        [
            breaks("/acceptedResourceRoles/0", acceptedResourceRoles=["public"]),
            breaks("/acceptedResourceRoles", acceptedResourceRoles=[]),
        ],
        [keeps(acceptedResourceRoles=["*"]), keeps(acceptedResourceRoles=["crawl", "*"], role="crawl")],
    ),
    "launch-delay": (
        [
            breaks("/maxLaunchDelaySeconds", maxLaunchDelaySeconds=3600),
            breaks("/backoffSeconds", backoffSeconds=60, maxLaunchDelaySeconds=30),
        ],
        [keeps(backoffSeconds=30, maxLaunchDelaySeconds=30)],
    ),
    "unreachable": (
        [
            breaks("/unreachableStrategy", unreachableStrategy="disabled"),
            breaks(
                "/unreachableStrategy/inactiveAfterSeconds",
                "eleven minutes",
                unreachableStrategy={"inactiveAfterSeconds": 60, "expungeAfterSeconds": 60},
            ),
            breaks(
                "/unreachableStrategy/inactiveAfterSeconds",
                "above expungeAfterSeconds",
                unreachableStrategy={"inactiveAfterSeconds": 60, "expungeAfterSeconds": 6},
            ),
        ],
        [keeps(unreachableStrategy={"inactiveAfterSeconds": 0, "expungeAfterSeconds": 60})],
    ),
    "task-room": (
        [
            breaks("/cpus", "largest agent offers 4 CPUs", cpus=4.5, instances=1),
            breaks("/mem", "15360 MiB of memory", mem=15361, instances=1),
            breaks("/disk", disk=20481),
            breaks("/gpus", gpus=1),
            breaks(
                "/cpus",
                "together fit no agent",
                facts=fleet(largest=[Room(4, 1024, 9), Room(2, 4096, 9)]),
                cpus=3,
                mem=2048,
                instances=1,
            ),
        ],
        [keeps(cpus=2, mem=3072, disk=20480, instances=1), keeps(replace(FACTS, capacity=None), cpus=99)],
    ),
    "memory-floor": ([breaks("/mem", mem=16)], [keeps(mem=32)]),
    "fleet-room": (
        [breaks("/instances", "20 CPUs", instances=20, cpus=1), breaks("/instances", instances=4, mem=9000)],
        [keeps(fleet(most=Room(24, 9999)), instances=16, cpus=1, mem=32)],
    ),
    "base-room": (
        [
            breaks(
                "/constraints", "2.25 CPUs", instances=1, cpus=1.125, upgradeStrategy=strategy(1, 1), **PINNED
            ),
        ],
        [
            keeps(instances=1, cpus=1, upgradeStrategy=strategy(1, 1), **PINNED),
            keeps(instances=2, cpus=1, constraints=[["lifecycle", "LIKE", "spot|on-demand"]]),
        ],
    ),
    "upgrade-stated": (
        [breaks("/upgradeStrategy", upgradeStrategy=ABSENT)],
        [keeps(upgradeStrategy=strategy(0, 0))],
    ),
    "upgrade-single": (
        [
            breaks("/upgradeStrategy", instances=1, labels={"MARATHON_SINGLE_INSTANCE_APP": "true"}),
            breaks(
                "/instances", labels={"MARATHON_SINGLE_INSTANCE_APP": "true"}, upgradeStrategy=strategy(0, 0)
            ),
        ],
        [keeps(instances=1, labels={"MARATHON_SINGLE_INSTANCE_APP": "true"}, upgradeStrategy=strategy(0, 0))],
    ),
    "upgrade-progress": (
        [
            breaks(
                "/upgradeStrategy/minimumHealthCapacity",
                "keeps all 4 tasks, and one more needs 5 CPUs",
                facts=fleet(most=Room(4, 9999)),
                instances=4,
                cpus=1,
                upgradeStrategy=strategy(1, 0),
            ),
        ],
        [
            keeps(
                fleet(most=Room(5, 9999), least=Room(5, 9999)),
                instances=4,
                cpus=1,
                upgradeStrategy=strategy(1, 0),
            ),
            keeps(fleet(most=Room(4, 9999)), instances=4, cpus=1, upgradeStrategy=strategy(0.75, 0)),
        ],
    ),
    "upgrade-waits": (
        [
            Breaks(
                "/upgradeStrategy/minimumHealthCapacity",
                [app(instances=1), app(id="/b", instances=3, cpus=1.25)],
                "one more needs 4.25 CPUs",
            )
        ],
        [Keeps([app(instances=1), app(id="/b", instances=2, cpus=1.5)])],
    ),
    "upgrade-doubles": (
        [
            breaks(
                "/upgradeStrategy/maximumOverCapacity",
                "ask for 18 CPUs",
                instances=12,
                cpus=1,
                upgradeStrategy=strategy(0.5, 0.5),
            )
        ],
        [keeps(instances=10, cpus=1, upgradeStrategy=strategy(0.5, 0.5))],
    ),
    "exception": (
        [
            breaks(
                "/config/trawler:appLint/allow/0",
                "no rule 'kill-graze'",
                allowing("/crawler/fetch", "kill-graze"),
            ),
            breaks(
                "/config/trawler:appLint/allow/0", "no exception", allowing("/crawler/fetch", "unknown-field")
            ),
            breaks(
                "/config/trawler:appLint/allow/0", "no app here", allowing("/crawler/fetsch", "kill-grace")
            ),
        ],
        [keeps(allowing("/crawler/fetch", "kill-grace"), taskKillGracePeriodSeconds=5)],
    ),
    "exception-unused": (
        [breaks("/config/trawler:appLint/allow/0", facts=allowing("/crawler/fetch", "kill-grace"))],
        [keeps(allowing("/crawler/fetch", "kill-grace"), taskKillGracePeriodSeconds=5)],
    ),
}
