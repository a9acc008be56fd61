"""Secrets Manager secrets (without their values) and SSM parameters.

Source: the AWS Secrets Manager and AWS Systems Manager API references.
"""

from __future__ import annotations

from local.aws.provider.declaration import Resource, inputs, tag_list, tag_map
from local.aws.provider.resources.ec2 import given
from local.aws.provider.session import Operation
from local.aws.provider.wire import Props

# Secret


def _create_secret(op: Operation, props: Props) -> str:
    answer = op.client().create_secret(
        Name=props["name"],
        Tags=tag_list(props["tagsAll"]),
        **given(props, Description="description", KmsKeyId="kmsKeyId"),
    )
    identity = op.made = str(answer["ARN"])
    if props.get("policy"):
        op.client().put_resource_policy(SecretId=identity, ResourcePolicy=props["policy"])
    return identity


def _read_secret(op: Operation, arn: str, _state: Props) -> Props | None:
    secret = op.client().describe_secret(SecretId=arn)
    if secret.get("DeletedDate"):
        return None
    policy = op.client().get_resource_policy(SecretId=arn)
    return {
        "arn": secret["ARN"],
        "name": secret["Name"],
        "description": secret.get("Description") or None,
        "kmsKeyId": secret.get("KmsKeyId"),
        "policy": policy.get("ResourcePolicy"),
        "tagsAll": tag_map(secret.get("Tags")),
    }


def _update_secret(op: Operation, arn: str, old: Props, new: Props) -> None:
    changed = {
        api: new.get(key) or ""
        for key, api in (("description", "Description"), ("kmsKeyId", "KmsKeyId"))
        if old.get(key) != new.get(key)
    }
    if changed:
        op.client().update_secret(SecretId=arn, **changed)
    if new.get("policy") and old.get("policy") != new["policy"]:
        op.client().put_resource_policy(SecretId=arn, ResourcePolicy=new["policy"])


def _delete_secret(op: Operation, arn: str, state: Props) -> None:
    # moto makes a new, deleted secret of one that is not there; asking first fails as AWS does (secret-delete).
    if op.client().describe_secret(SecretId=arn).get("DeletedDate"):
        return
    days = state.get("recoveryWindowInDays", 30)
    how = {"RecoveryWindowInDays": days} if days else {"ForceDeleteWithoutRecovery": True}
    op.client().delete_secret(SecretId=arn, **how)


def _tag_secret(op: Operation, arn: str, tags: dict[str, str], removed: list[str]) -> None:
    if removed:
        op.client().untag_resource(SecretId=arn, TagKeys=removed)
    if tags:
        op.client().tag_resource(SecretId=arn, Tags=tag_list(tags))


SECRET = Resource(
    kind="aws:secretsmanager/secret:Secret",
    service="secretsmanager",
    create=_create_secret,
    read=_read_secret,
    update=_update_secret,
    delete=_delete_secret,
    tag=_tag_secret,
    implements=inputs("description forceOverwriteReplicaSecret kmsKeyId name policy recoveryWindowInDays"),
)

# Parameter


def _value(props: Props) -> str:
    return str(props.get("value") or props.get("insecureValue"))


def _put_parameter(op: Operation, props: Props, *, overwrite: bool) -> str:
    # Tags go with a new parameter only: SSM refuses them together with Overwrite.
    tags = {} if overwrite else {"Tags": tag_list(props["tagsAll"])}
    op.client().put_parameter(
        Name=props["name"],
        Type=props["type"],
        Value=_value(props),
        Overwrite=overwrite,
        **tags,
        **given(
            props,
            AllowedPattern="allowedPattern",
            DataType="dataType",
            Description="description",
            KeyId="keyId",
            Tier="tier",
        ),
    )
    return str(props["name"])


def _read_parameter(op: Operation, name: str, state: Props) -> Props | None:
    parameter = op.client().get_parameter(Name=name, WithDecryption=True)["Parameter"]
    only_this = [{"Key": "Name", "Values": [name]}]
    found = op.client().describe_parameters(ParameterFilters=only_this)["Parameters"]
    about = found[0] if found else {}
    tags = op.client().list_tags_for_resource(ResourceType="Parameter", ResourceId=name)["TagList"]
    key = "insecureValue" if state.get("insecureValue") is not None else "value"
    return {
        "arn": parameter["ARN"],
        "name": name,
        "type": parameter["Type"],
        key: parameter["Value"],
        "version": parameter["Version"],
        "allowedPattern": about.get("AllowedPattern"),
        "dataType": parameter.get("DataType"),
        "description": about.get("Description") or None,
        "keyId": about.get("KeyId"),
        "tier": about.get("Tier"),
        "tagsAll": tag_map(tags),
    }


_CONTENT = ("value", "insecureValue", "type", "description", "allowedPattern", "keyId", "tier")


def _update_parameter(op: Operation, _name: str, old: Props, new: Props) -> None:
    if any(old.get(key) != new.get(key) for key in _CONTENT):
        _put_parameter(op, new, overwrite=True)


def _moves(old: Props, new: Props) -> frozenset[str]:
    return frozenset({"version"} if any(old.get(key) != new.get(key) for key in _CONTENT) else ())


def _tag_parameter(op: Operation, name: str, tags: dict[str, str], removed: list[str]) -> None:
    this = {"ResourceType": "Parameter", "ResourceId": name}
    if removed:
        op.client().remove_tags_from_resource(**this, TagKeys=removed)
    if tags:
        op.client().add_tags_to_resource(**this, Tags=tag_list(tags))


PARAMETER = Resource(
    kind="aws:ssm/parameter:Parameter",
    service="ssm",
    create=lambda op, props: _put_parameter(op, props, overwrite=bool(props.get("overwrite"))),
    read=_read_parameter,
    update=_update_parameter,
    delete=lambda op, name, _: op.client().delete_parameter(Name=name),
    tag=_tag_parameter,
    implements=inputs(
        "allowedPattern dataType description insecureValue keyId name overwrite tier type value"
    ),
    moves=_moves,
)

RESOURCES = (SECRET, PARAMETER)
