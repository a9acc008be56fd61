"""What the EC2 types share: tags, filters, ARNs."""

from __future__ import annotations

from typing import Any

from local.aws.provider.declaration import tag_list, tag_map
from local.aws.provider.session import Operation
from local.aws.provider.wire import Props


def ec2_tags(op: Operation, identity: str) -> dict[str, str]:
    """Tags of anything in EC2; moto shows some of them nowhere else."""
    only_this = filters(resource_id=identity)
    pages = op.client("ec2").get_paginator("describe_tags").paginate(Filters=only_this)
    return tag_map([tag for page in pages for tag in page["Tags"]])


def tag_ec2(op: Operation, identity: str, tags: dict[str, str], removed: list[str]) -> None:
    """Sets and removes tags of anything in EC2."""
    if removed:
        op.client("ec2").delete_tags(Resources=[identity], Tags=[{"Key": key} for key in removed])
    if tags:
        op.client("ec2").create_tags(Resources=[identity], Tags=tag_list(tags))


def tagged(props: Props, kind: str) -> list[dict[str, Any]]:
    """TagSpecifications of a call that makes something of a kind."""
    return [{"ResourceType": kind, "Tags": tag_list(props["tagsAll"])}] if props.get("tagsAll") else []


def given(props: Props, **names: str) -> dict[str, Any]:
    """Parameters of those properties that are set, by API name: given(props, CidrBlock="cidrBlock")."""
    return {api: props[name] for api, name in names.items() if props.get(name) not in (None, "")}


def only(found: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The first of what was found, or None."""
    return found[0] if found else None


def filters(**values: str) -> list[dict[str, Any]]:
    """Filters by name; an underscore stands for a dash."""
    return [{"Name": name.replace("_", "-"), "Values": [value]} for name, value in values.items()]


def arn(op: Operation, owner: str, path: str) -> str:
    """The ARN of something in EC2."""
    return f"arn:aws:ec2:{op.region}:{owner}:{path}"


def as_given(own: Props | None, found: Props) -> Props | None:
    """An object as it is now, in the program's shape: only keys that the program set; all of them on import."""
    if own is None:
        return None
    return {key: value if found.get(key) is None else found[key] for key, value in own.items()}
