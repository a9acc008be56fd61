"""Machines, their disks and the fleet."""

from __future__ import annotations

from typing import Any

from policies.rules.fleet import SPOT_FLEET
from policies.rules.machines import INSTANCE, LAUNCH_TEMPLATE, VOLUME
from tests.unit.policies.examples.example import Breaks, Examples, Keeps
from tests.unit.policies.judge import UNKNOWN, Declared


def template(**props: Any) -> list[Declared]:
    return [Declared(LAUNCH_TEMPLATE, props=props)]


def metadata(**options: Any) -> list[Declared]:
    return template(metadataOptions=options)


def disk(**ebs: Any) -> list[Declared]:
    return template(blockDeviceMappings=[{"deviceName": "/dev/xvda", "ebs": ebs}])


def fleet(*pools: tuple[str, str], **props: Any) -> list[Declared]:
    overrides = [{"instanceType": kind, "subnetId": subnet} for kind, subnet in pools]
    return [Declared(SPOT_FLEET, props={"launchTemplateConfigs": [{"overrides": overrides}], **props})]


def version(value: str) -> list[Declared]:
    return [
        Declared(
            SPOT_FLEET, props={"launchTemplateConfigs": [{"launchTemplateSpecification": {"version": value}}]}
        )
    ]


KINDS = ("c5.large", "m5.large", "r5.large")

EXAMPLES: Examples = {
    "metadata-v2-only": (
        [
            Breaks("nothing said", template(), "IMDSv1 answers"),
            Breaks("optional", metadata(httpTokens="optional"), "IMDSv1 answers"),
            Breaks("too far", metadata(httpTokens="required", httpPutResponseHopLimit=3.0), "too far"),
            Breaks("an instance", [Declared(INSTANCE)], "IMDSv1 answers"),
        ],
        [
            Keeps("required", metadata(httpTokens="required", httpPutResponseHopLimit=2.0)),
            Keeps("no metadata at all", metadata(httpEndpoint="disabled")),
        ],
    ),
    "image-pinned": (
        [
            Breaks("a parameter", template(imageId="resolve:ssm:/aws/latest"), "'resolve:ssm:/aws/latest'"),
            Breaks("none", template(), "image is 'not set'"),
            Breaks("an instance", [Declared(INSTANCE, props={"ami": "ami-XYZ"})], "image is 'ami-XYZ'"),
        ],
        [
            Keeps("an id", template(imageId="ami-0123456789abcdef0")),
            Keeps("an instance", [Declared(INSTANCE, props={"ami": "ami-01234567"})]),
        ],
    ),
    "volume-encrypted": (
        [
            Breaks("a template's", disk(encrypted="false"), "/dev/xvda is not encrypted"),
            Breaks("as the image says", template(), "name the root device"),
            Breaks("a volume", [Declared(VOLUME)], "set encrypted=True"),
            Breaks("an instance's root", [Declared(INSTANCE)], "the root volume is not encrypted"),
            Breaks(
                "an instance's second",
                [
                    Declared(
                        INSTANCE,
                        props={
                            "rootBlockDevice": {"encrypted": True},
                            "ebsBlockDevices": [{"deviceName": "/dev/sdf"}],
                        },
                    )
                ],
                "/dev/sdf is not encrypted",
            ),
        ],
        [
            Keeps("a template's", disk(encrypted="true")),
            Keeps("a volume", [Declared(VOLUME, props={"encrypted": True})]),
            Keeps("an instance's", [Declared(INSTANCE, props={"rootBlockDevice": {"encrypted": True}})]),
            Keeps(
                "an instance store beside it",
                template(
                    blockDeviceMappings=[
                        {"deviceName": "/dev/xvda", "ebs": {"encrypted": "true"}},
                        {"deviceName": "/dev/sdb", "virtualName": "ephemeral0"},
                    ]
                ),
            ),
        ],
    ),
    "fleet-pools": (
        [
            Breaks(
                "five",
                fleet(*((k, s) for k in KINDS for s in ("s1", "s2")[: 1 + (k != "r5.large")])),
                "5 pools",
            ),
            Breaks("the same one six times", fleet(*[("c5.large", "s1")] * 6), "1 pools"),
            Breaks(
                "subnets unknown, but too few however they fall",
                fleet(*((k, UNKNOWN) for k in KINDS)),
                "3 pools",
            ),
            Breaks("launch specifications", fleet(launchSpecifications=[{}]), "use launch_template_configs"),
        ],
        [
            Keeps("three types in two zones", fleet(*((k, s) for k in KINDS for s in ("s1", "s2")))),
            Keeps("six types, subnets unknown", fleet(*((f"c{i}.large", UNKNOWN) for i in range(6)))),
        ],
    ),
    "template-version-pinned": (
        [
            Breaks("the newest", version("$Latest"), "'$Latest'"),
            Breaks("the default", version("$Default"), "'$Default'"),
            Breaks(
                "an instance", [Declared(INSTANCE, props={"launchTemplate": {"id": "lt-1"}})], "'not set'"
            ),
        ],
        [Keeps("a number", version("7")), Keeps("an instance without template", [Declared(INSTANCE)])],
    ),
    "fleet-ends-its-machines": (
        [
            Breaks("nothing said", fleet(), "'not set'"),
            Breaks("not", fleet(terminateInstancesOnDelete="false"), "'false'"),
            Breaks("a bool", fleet(terminateInstancesOnDelete=True), "'True': set the text 'true'"),
        ],
        [Keeps("it does", fleet(terminateInstancesOnDelete="true"))],
    ),
}
