"""Machines and their disks: launch templates, single instances, volumes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .reading import Props
from .rule import ResourceRule, Rule, Subject

LAUNCH_TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
INSTANCE = "aws:ec2/instance:Instance"
VOLUME = "aws:ebs/volume:Volume"

HOPS = 2
"""One hop ends on the host; a container on a bridge network is one further. No task is farther away."""

_AMI = re.compile(r"ami-[0-9a-f]{8,17}")
_EC2 = "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide"


def _metadata(machine: Subject) -> Iterator[str]:
    options = machine.props.one("metadataOptions")
    if options.text("httpEndpoint") == "disabled":
        return
    if options.text("httpTokens") != "required":
        yield "IMDSv1 answers: set metadata_options http_tokens='required'"
    if (options.number("httpPutResponseHopLimit") or 1) > HOPS:
        yield f"metadata reaches too far: set metadata_options http_put_response_hop_limit to 1, at most {HOPS}"


def _ami(machine: Subject) -> Iterator[str]:
    key = "imageId" if machine.type == LAUNCH_TEMPLATE else "ami"
    image = machine.props.text(key)
    if not _AMI.fullmatch(image):
        yield f"image is {image or 'not set'!r}: give the id of one image, ami- and 8 to 17 hexadecimal digits"


def _volumes(resource: Subject) -> Iterator[str]:
    if resource.type == VOLUME:
        if not resource.props.flag("encrypted"):
            yield "not encrypted: set encrypted=True"
    elif resource.type == LAUNCH_TEMPLATE:
        yield from _template_volumes(resource.props)
    else:
        if not resource.props.one("rootBlockDevice").flag("encrypted"):
            yield "the root volume is not encrypted: set root_block_device encrypted=True"
        for device in resource.props.many("ebsBlockDevices"):
            if not device.flag("encrypted"):
                yield f"{device.text('deviceName')} is not encrypted: set encrypted=True in ebs_block_devices"


def _template_volumes(template: Props) -> Iterator[str]:
    mappings = template.many("blockDeviceMappings")
    if not mappings:
        yield "no block_device_mappings: the volumes are as the image says; name the root device, encrypted"
    for mapping in mappings:
        # An instance store or a device left out has no EBS volume.
        is_ebs = not mapping.text("virtualName") and not mapping.text("noDevice")
        if is_ebs and not mapping.one("ebs").flag("encrypted"):
            yield f"{mapping.text('deviceName')} is not encrypted: set ebs encrypted='true'"


RULES: tuple[Rule, ...] = (
    ResourceRule(
        name="metadata-v2-only",
        what="Instance metadata answers to IMDSv2 alone, and at most two hops away.",
        why="With IMDSv1 a crawled page that makes a worker fetch a URL can read the machine's credentials.",
        reference=f"{_EC2}/configuring-instance-metadata-service.html",
        types=(LAUNCH_TEMPLATE, INSTANCE),
        check=_metadata,
    ),
    ResourceRule(
        name="image-pinned",
        what="Machines start from one image, named by its id.",
        why="A parameter or a lookup makes somebody else's release into a change of the fleet.",
        reference=f"{_EC2}/AMIs.html",
        types=(LAUNCH_TEMPLATE, INSTANCE),
        check=_ami,
    ),
    ResourceRule(
        name="volume-encrypted",
        what="EBS volumes are encrypted.",
        why="Sandboxes and ZooKeeper's log are on them, and a snapshot leaves the machine.",
        reference="https://docs.aws.amazon.com/ebs/latest/userguide/ebs-encryption.html",
        types=(LAUNCH_TEMPLATE, INSTANCE, VOLUME),
        check=_volumes,
    ),
)
