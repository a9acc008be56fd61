"""IAM: roles and what hangs on them.

Source: the IAM API reference.
"""

from __future__ import annotations

import json
import uuid
from typing import Any

from local.aws import differences
from local.aws.provider.declaration import Resource, inputs, tag_list, tag_map
from local.aws.provider.errors import is_gone
from local.aws.provider.session import Operation
from local.aws.provider.wire import Props

_POLICY_VERSIONS = 5  # IAM keeps five versions of a managed policy


def _name(props: Props) -> str:
    return str(props.get("name") or f"{props['namePrefix']}{uuid.uuid4().hex[:26]}")


def _document(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _optional(props: Props, **names: str) -> dict[str, Any]:
    """Parameters of those properties that are set: optional(props, description="Description")."""
    return {api: props[name] for name, api in names.items() if props.get(name)}


def _create_role(op: Operation, props: Props) -> str:
    differences.require_permissions_boundary(op, props)
    answer = op.client().create_role(
        RoleName=_name(props),
        AssumeRolePolicyDocument=props["assumeRolePolicy"],
        Path=props["path"],
        MaxSessionDuration=props["maxSessionDuration"],
        Tags=tag_list(props["tagsAll"]),
        **_optional(props, description="Description", permissionsBoundary="PermissionsBoundary"),
    )
    return str(answer["Role"]["RoleName"])


def _read_role(op: Operation, name: str, _state: Props) -> Props:
    role = op.client().get_role(RoleName=name)["Role"]
    return {
        "name": name,
        "arn": role["Arn"],
        "uniqueId": role["RoleId"],
        "createDate": role["CreateDate"].isoformat(),
        "assumeRolePolicy": _document(role["AssumeRolePolicyDocument"]),
        "description": role.get("Description") or None,
        "path": role["Path"],
        "maxSessionDuration": role.get("MaxSessionDuration", 3600),
        "permissionsBoundary": role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
        "tagsAll": tag_map(role.get("Tags")),
    }


def _update_role(op: Operation, name: str, old: Props, new: Props) -> None:
    client = op.client()
    if old.get("assumeRolePolicy") != new["assumeRolePolicy"]:
        client.update_assume_role_policy(RoleName=name, PolicyDocument=new["assumeRolePolicy"])
    session_key, text_key = "maxSessionDuration", "description"
    if any(old.get(key) != new.get(key) for key in (session_key, text_key)):
        client.update_role(
            RoleName=name, Description=new.get(text_key) or "", MaxSessionDuration=new[session_key]
        )
    if old.get("permissionsBoundary") != new.get("permissionsBoundary"):
        if new.get("permissionsBoundary"):
            differences.require_permissions_boundary(op, new)
            client.put_role_permissions_boundary(
                RoleName=name, PermissionsBoundary=new["permissionsBoundary"]
            )
        else:
            client.delete_role_permissions_boundary(RoleName=name)


def _delete_role(op: Operation, name: str, state: Props) -> None:
    client = op.client()
    for page in client.get_paginator("list_instance_profiles_for_role").paginate(RoleName=name):
        for profile in page["InstanceProfiles"]:
            client.remove_role_from_instance_profile(
                InstanceProfileName=profile["InstanceProfileName"], RoleName=name
            )
    if state.get("forceDetachPolicies"):
        for page in client.get_paginator("list_attached_role_policies").paginate(RoleName=name):
            for policy in page["AttachedPolicies"]:
                client.detach_role_policy(RoleName=name, PolicyArn=policy["PolicyArn"])
        for page in client.get_paginator("list_role_policies").paginate(RoleName=name):
            for policy_name in page["PolicyNames"]:
                client.delete_role_policy(RoleName=name, PolicyName=policy_name)
    client.delete_role(RoleName=name)


def _tag_role(op: Operation, name: str, tags: dict[str, str], removed: list[str]) -> None:
    if removed:
        op.client().untag_role(RoleName=name, TagKeys=removed)
    if tags:
        op.client().tag_role(RoleName=name, Tags=tag_list(tags))


ROLE = Resource(
    kind="aws:iam/role:Role",
    service="iam",
    create=_create_role,
    read=_read_role,
    update=_update_role,
    delete=_delete_role,
    tag=_tag_role,
    implements=inputs(
        "name namePrefix assumeRolePolicy description forceDetachPolicies maxSessionDuration path permissionsBoundary"
    ),
)


def _split(identity: str, separator: str) -> tuple[str, str]:
    role, _, rest = identity.partition(separator)
    return role, rest


def _put_role_policy(op: Operation, role: str, name: str, document: str) -> str:
    op.client().put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=document)
    return f"{role}:{name}"


def _read_role_policy(op: Operation, identity: str, _state: Props) -> Props:
    role, name = _split(identity, ":")
    found = op.client().get_role_policy(RoleName=role, PolicyName=name)
    return {"role": role, "name": name, "policy": _document(found["PolicyDocument"])}


ROLE_POLICY = Resource(
    kind="aws:iam/rolePolicy:RolePolicy",
    service="iam",
    create=lambda op, props: _put_role_policy(op, props["role"], _name(props), props["policy"]),
    read=_read_role_policy,
    update=lambda op, identity, _old, new: _put_role_policy(op, *_split(identity, ":"), new["policy"]),
    delete=lambda op, identity, _: op.client().delete_role_policy(
        **dict(zip(("RoleName", "PolicyName"), _split(identity, ":"), strict=True))
    ),
    implements=inputs("name namePrefix policy role"),
)


def _attach(op: Operation, props: Props) -> str:
    op.client().attach_role_policy(RoleName=props["role"], PolicyArn=props["policyArn"])
    return f"{props['role']}/{props['policyArn']}"


def _read_attachment(op: Operation, identity: str, _state: Props) -> Props | None:
    role, arn = _split(identity, "/")
    pages = op.client().get_paginator("list_attached_role_policies").paginate(RoleName=role)
    if any(policy["PolicyArn"] == arn for page in pages for policy in page["AttachedPolicies"]):
        return {"role": role, "policyArn": arn}
    return None


ROLE_POLICY_ATTACHMENT = Resource(
    kind="aws:iam/rolePolicyAttachment:RolePolicyAttachment",
    service="iam",
    create=_attach,
    read=_read_attachment,
    delete=lambda op, identity, _: op.client().detach_role_policy(
        **dict(zip(("RoleName", "PolicyArn"), _split(identity, "/"), strict=True))
    ),
    implements=inputs("policyArn role"),
)


def _create_policy(op: Operation, props: Props) -> str:
    answer = op.client().create_policy(
        PolicyName=_name(props),
        PolicyDocument=props["policy"],
        Path=props["path"],
        Tags=tag_list(props["tagsAll"]),
        **_optional(props, description="Description"),
    )
    return str(answer["Policy"]["Arn"])


def _read_policy(op: Operation, arn: str, _state: Props) -> Props:
    client = op.client()
    policy = client.get_policy(PolicyArn=arn)["Policy"]
    version = client.get_policy_version(PolicyArn=arn, VersionId=policy["DefaultVersionId"])["PolicyVersion"]
    return {
        "name": policy["PolicyName"],
        "arn": arn,
        "policyId": policy["PolicyId"],
        "attachmentCount": policy.get("AttachmentCount", 0),
        "path": policy["Path"],
        "description": policy.get("Description") or None,
        "policy": _document(version["Document"]),
        "tagsAll": tag_map(policy.get("Tags")),
    }


def _old_versions(client: Any, arn: str) -> list[str]:
    versions = client.list_policy_versions(PolicyArn=arn)["Versions"]
    old = [version for version in versions if not version["IsDefaultVersion"]]
    return [version["VersionId"] for version in sorted(old, key=lambda version: version["CreateDate"])]


def _update_policy(op: Operation, arn: str, old: Props, new: Props) -> None:
    if old.get("policy") == new["policy"]:
        return
    client = op.client()
    old_versions = _old_versions(client, arn)
    if len(old_versions) >= _POLICY_VERSIONS - 1:
        client.delete_policy_version(PolicyArn=arn, VersionId=old_versions[0])
    client.create_policy_version(PolicyArn=arn, PolicyDocument=new["policy"], SetAsDefault=True)


def _delete_policy(op: Operation, arn: str, _state: Props) -> None:
    client = op.client()
    for version in _old_versions(client, arn):
        client.delete_policy_version(PolicyArn=arn, VersionId=version)
    client.delete_policy(PolicyArn=arn)


def _tag_policy(op: Operation, arn: str, tags: dict[str, str], removed: list[str]) -> None:
    if removed:
        op.client().untag_policy(PolicyArn=arn, TagKeys=removed)
    if tags:
        op.client().tag_policy(PolicyArn=arn, Tags=tag_list(tags))


POLICY = Resource(
    kind="aws:iam/policy:Policy",
    service="iam",
    create=_create_policy,
    read=_read_policy,
    update=_update_policy,
    delete=_delete_policy,
    tag=_tag_policy,
    implements=inputs("name namePrefix policy description path"),
)


def _create_profile(op: Operation, props: Props) -> str:
    client = op.client()
    name = _name(props)
    client.create_instance_profile(
        InstanceProfileName=name, Path=props["path"], Tags=tag_list(props["tagsAll"])
    )
    op.made = name
    if props.get("role"):
        client.add_role_to_instance_profile(InstanceProfileName=name, RoleName=props["role"])
    return name


def _read_profile(op: Operation, name: str, _state: Props) -> Props:
    profile = op.client().get_instance_profile(InstanceProfileName=name)["InstanceProfile"]
    return {
        "name": name,
        "arn": profile["Arn"],
        "uniqueId": profile["InstanceProfileId"],
        "createDate": profile["CreateDate"].isoformat(),
        "path": profile["Path"],
        "role": next((role["RoleName"] for role in profile["Roles"]), None),
        "tagsAll": tag_map(profile.get("Tags")),
    }


def _update_profile(op: Operation, name: str, old: Props, new: Props) -> None:
    if old.get("role") == new.get("role"):
        return
    client = op.client()
    for role in client.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]["Roles"]:
        client.remove_role_from_instance_profile(InstanceProfileName=name, RoleName=role["RoleName"])
    if new.get("role"):
        client.add_role_to_instance_profile(InstanceProfileName=name, RoleName=new["role"])


def _delete_profile(op: Operation, name: str, _state: Props) -> None:
    client = op.client()
    for role in client.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]["Roles"]:
        try:
            client.remove_role_from_instance_profile(InstanceProfileName=name, RoleName=role["RoleName"])
        except Exception as error:
            if not is_gone(error):
                raise
    client.delete_instance_profile(InstanceProfileName=name)


def _tag_profile(op: Operation, name: str, tags: dict[str, str], removed: list[str]) -> None:
    if removed:
        op.client().untag_instance_profile(InstanceProfileName=name, TagKeys=removed)
    if tags:
        op.client().tag_instance_profile(InstanceProfileName=name, Tags=tag_list(tags))


INSTANCE_PROFILE = Resource(
    kind="aws:iam/instanceProfile:InstanceProfile",
    service="iam",
    create=_create_profile,
    read=_read_profile,
    update=_update_profile,
    delete=_delete_profile,
    tag=_tag_profile,
    implements=inputs("name namePrefix path role"),
)


def _create_service_linked_role(op: Operation, props: Props) -> str:
    answer = op.client().create_service_linked_role(
        AWSServiceName=props["awsServiceName"],
        **_optional(props, description="Description", customSuffix="CustomSuffix"),
    )
    name = op.made = str(answer["Role"]["RoleName"])
    if props["tagsAll"]:
        op.client().tag_role(RoleName=name, Tags=tag_list(props["tagsAll"]))
    return str(answer["Role"]["Arn"])


def _role_name(arn: str) -> str:
    return arn.rsplit("/", 1)[-1]


def _read_service_linked_role(op: Operation, arn: str, state: Props) -> Props:
    role = op.client().get_role(RoleName=_role_name(arn))["Role"]
    service = role["Path"].strip("/").split("/")[-1]
    return {
        "awsServiceName": service,
        "arn": arn,
        "name": differences.service_linked_role_name(service, role["RoleName"], state.get("customSuffix")),
        "path": role["Path"],
        "uniqueId": role["RoleId"],
        "createDate": role["CreateDate"].isoformat(),
        "description": role.get("Description") or None,
        "tagsAll": tag_map(role.get("Tags")),
    }


SERVICE_LINKED_ROLE = Resource(
    kind="aws:iam/serviceLinkedRole:ServiceLinkedRole",
    service="iam",
    create=_create_service_linked_role,
    read=_read_service_linked_role,
    update=lambda op, arn, _old, new: op.client().update_role(
        RoleName=_role_name(arn), Description=new.get("description") or ""
    ),
    delete=lambda op, arn, _: op.client().delete_service_linked_role(RoleName=_role_name(arn)),
    tag=lambda op, arn, tags, removed: _tag_role(op, _role_name(arn), tags, removed),
    implements=inputs("awsServiceName customSuffix description"),
)

RESOURCES = (ROLE, ROLE_POLICY, ROLE_POLICY_ATTACHMENT, POLICY, INSTANCE_PROFILE, SERVICE_LINKED_ROLE)
