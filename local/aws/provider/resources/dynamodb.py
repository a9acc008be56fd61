"""DynamoDB tables with their indexes, TTL, point-in-time recovery and encryption.

Source: the DynamoDB API reference; index changes go one at a time, as UpdateTable demands.
"""

from __future__ import annotations

import time
from typing import Any

from local.aws.provider.declaration import Resource, inputs, tag_list, tag_map
from local.aws.provider.errors import ProviderError
from local.aws.provider.session import Operation
from local.aws.provider.wire import Props

_WAIT_S = 30.0


def _key_schema(index: Props) -> list[dict[str, str]]:
    if index.get("keySchemas"):
        return [
            {"AttributeName": key["attributeName"], "KeyType": key["keyType"]} for key in index["keySchemas"]
        ]
    keys = [(index.get("hashKey"), "HASH"), (index.get("rangeKey"), "RANGE")]
    return [{"AttributeName": name, "KeyType": kind} for name, kind in keys if name]


def _projection(index: Props) -> dict[str, Any]:
    projection: dict[str, Any] = {"ProjectionType": index["projectionType"]}
    if index.get("nonKeyAttributes"):
        projection["NonKeyAttributes"] = sorted(index["nonKeyAttributes"])
    return projection


def _throughput(props: Props) -> dict[str, int]:
    return {
        "ReadCapacityUnits": props.get("readCapacity") or 1,
        "WriteCapacityUnits": props.get("writeCapacity") or 1,
    }


def _global_index(table: Props, index: Props) -> dict[str, Any]:
    request = {"IndexName": index["name"], "KeySchema": _key_schema(index), "Projection": _projection(index)}
    if table["billingMode"] == "PROVISIONED":
        request["ProvisionedThroughput"] = _throughput(index)
    return request


def _attribute_definitions(props: Props) -> list[dict[str, str]]:
    return [
        {"AttributeName": entry["name"], "AttributeType": entry["type"]}
        for entry in props.get("attributes", [])
    ]


def _encryption(props: Props) -> dict[str, Any] | None:
    wanted = props.get("serverSideEncryption")
    if not wanted or not wanted.get("enabled"):
        return None
    key = wanted.get("kmsKeyArn")
    return {"Enabled": True, "SSEType": "KMS", **({"KMSMasterKeyId": key} if key else {})}


def _stream(props: Props) -> dict[str, Any]:
    if not props.get("streamEnabled"):
        return {"StreamEnabled": False}
    return {"StreamEnabled": True, "StreamViewType": props.get("streamViewType") or "NEW_AND_OLD_IMAGES"}


def _create(op: Operation, props: Props) -> str:
    client = op.client()
    name = str(props["name"])
    request: dict[str, Any] = {
        "TableName": name,
        "AttributeDefinitions": _attribute_definitions(props),
        "KeySchema": _key_schema(props),
        "BillingMode": props["billingMode"],
        "DeletionProtectionEnabled": bool(props.get("deletionProtectionEnabled")),
        "Tags": tag_list(props["tagsAll"]),
        "TableClass": props["tableClass"],
    }
    if props["billingMode"] == "PROVISIONED":
        request["ProvisionedThroughput"] = _throughput(props)
    if props.get("globalSecondaryIndexes"):
        request["GlobalSecondaryIndexes"] = [
            _global_index(props, index) for index in props["globalSecondaryIndexes"]
        ]
    if props.get("localSecondaryIndexes"):
        request["LocalSecondaryIndexes"] = [
            {
                "IndexName": index["name"],
                "KeySchema": _key_schema({"hashKey": props["hashKey"], "rangeKey": index["rangeKey"]}),
                "Projection": _projection(index),
            }
            for index in props["localSecondaryIndexes"]
        ]
    if encryption := _encryption(props):
        request["SSESpecification"] = encryption
    if props.get("streamEnabled"):
        request["StreamSpecification"] = _stream(props)
    client.create_table(**request)
    op.made = name
    _wait_until_active(op, name)
    _put_ttl(client, name, {}, props)
    _put_recovery(client, name, {}, props)
    return name


def _wait_until_active(op: Operation, name: str) -> None:
    deadline = time.monotonic() + _WAIT_S
    while True:
        table = op.client().describe_table(TableName=name)["Table"]
        indexes = [index.get("IndexStatus", "ACTIVE") for index in table.get("GlobalSecondaryIndexes", [])]
        if table["TableStatus"] == "ACTIVE" and all(status == "ACTIVE" for status in indexes):
            return
        if time.monotonic() > deadline:
            raise ProviderError(f"table {name} is still {table['TableStatus']} after {_WAIT_S:.0f} s")
        if op.cancelled.wait(0.1):
            raise ProviderError(f"waiting for table {name} was interrupted")


def _put_ttl(client: Any, name: str, old: Props, new: Props) -> None:
    before, after = old.get("ttl") or {}, new.get("ttl") or {}
    if bool(before.get("enabled")) != bool(after.get("enabled")):
        attribute = after.get("attributeName") or before.get("attributeName")
        client.update_time_to_live(
            TableName=name,
            TimeToLiveSpecification={"Enabled": bool(after.get("enabled")), "AttributeName": attribute},
        )


def _put_recovery(client: Any, name: str, old: Props, new: Props) -> None:
    before, after = old.get("pointInTimeRecovery") or {}, new.get("pointInTimeRecovery") or {}
    if before != after and (before.get("enabled") or after.get("enabled")):
        specification: dict[str, Any] = {"PointInTimeRecoveryEnabled": bool(after.get("enabled"))}
        if after.get("enabled") and after.get("recoveryPeriodInDays"):
            specification["RecoveryPeriodInDays"] = after["recoveryPeriodInDays"]
        client.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification=specification)


def _update(op: Operation, name: str, old: Props, new: Props) -> None:
    client = op.client()
    request: dict[str, Any] = {}
    if (old.get("billingMode"), _throughput(old)) != (new["billingMode"], _throughput(new)):
        request["BillingMode"] = new["billingMode"]
        if new["billingMode"] == "PROVISIONED":
            request["ProvisionedThroughput"] = _throughput(new)
    if bool(old.get("deletionProtectionEnabled")) != bool(new.get("deletionProtectionEnabled")):
        request["DeletionProtectionEnabled"] = bool(new.get("deletionProtectionEnabled"))
    if old.get("tableClass") != new["tableClass"]:
        request["TableClass"] = new["tableClass"]
    if _encryption(old) != _encryption(new):
        request["SSESpecification"] = _encryption(new) or {"Enabled": False}
    if _stream(old) != _stream(new):
        request["StreamSpecification"] = _stream(new)
    if request:
        client.update_table(TableName=name, **request)
        _wait_until_active(op, name)
    _update_indexes(op, name, old, new)
    _put_ttl(client, name, old, new)
    _put_recovery(client, name, old, new)


def _update_indexes(op: Operation, name: str, old: Props, new: Props) -> None:
    before = {index["name"]: _global_index(old, index) for index in old.get("globalSecondaryIndexes") or []}
    after = {index["name"]: _global_index(new, index) for index in new.get("globalSecondaryIndexes") or []}
    same_keys = ("KeySchema", "Projection")
    changed = {
        index
        for index in before.keys() & after.keys()
        if any(before[index][key] != after[index][key] for key in same_keys)
    }
    steps: list[dict[str, Any]] = [
        {"Delete": {"IndexName": index}} for index in before if index not in after or index in changed
    ]
    steps += [{"Create": after[index]} for index in after if index not in before or index in changed]
    for step in steps:
        op.client().update_table(
            TableName=name,
            AttributeDefinitions=_attribute_definitions(new),
            GlobalSecondaryIndexUpdates=[step],
        )
        _wait_until_active(op, name)


def _keys(schema: list[dict[str, str]]) -> Props:
    kinds = {"HASH": "hashKey", "RANGE": "rangeKey"}
    return {kinds[key["KeyType"]]: key["AttributeName"] for key in schema}


def _read_index(index: dict[str, Any], *, keys: tuple[str, ...]) -> Props:
    found = {key: value for key, value in _keys(index["KeySchema"]).items() if key in keys}
    found |= {"name": index["IndexName"], "projectionType": index["Projection"]["ProjectionType"]}
    if index["Projection"].get("NonKeyAttributes"):
        found["nonKeyAttributes"] = index["Projection"]["NonKeyAttributes"]
    return found


def _read(op: Operation, name: str, state: Props) -> Props:
    client = op.client()
    table = client.describe_table(TableName=name)["Table"]
    billing = table.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED")
    stream = table.get("StreamSpecification", {})
    encryption = table.get("SSEDescription", {})
    found: Props = {
        "name": name,
        "arn": table["TableArn"],
        "billingMode": billing,
        "rangeKey": None,
        **_keys(table["KeySchema"]),
        "attributes": [
            {"name": a["AttributeName"], "type": a["AttributeType"]} for a in table["AttributeDefinitions"]
        ],
        "deletionProtectionEnabled": table.get("DeletionProtectionEnabled", False),
        "tableClass": table.get("TableClassSummary", {}).get("TableClass")
        or state.get("tableClass")
        or "STANDARD",
        "streamEnabled": stream.get("StreamEnabled", False),
        "streamViewType": stream.get("StreamViewType"),
        "streamArn": table.get("LatestStreamArn"),
        "streamLabel": table.get("LatestStreamLabel"),
        "tagsAll": tag_map(client.list_tags_of_resource(ResourceArn=table["TableArn"]).get("Tags", [])),
    }
    if billing == "PROVISIONED":
        found["readCapacity"] = table["ProvisionedThroughput"]["ReadCapacityUnits"]
        found["writeCapacity"] = table["ProvisionedThroughput"]["WriteCapacityUnits"]
    indexes = [
        _read_index(index, keys=("hashKey", "rangeKey"))
        for index in table.get("GlobalSecondaryIndexes") or []
    ]
    found["globalSecondaryIndexes"] = _in_words_of(state, indexes) or None
    local = [_read_index(index, keys=("rangeKey",)) for index in table.get("LocalSecondaryIndexes") or []]
    found["localSecondaryIndexes"] = local or None
    found |= _read_ttl(client, name, state)
    recovery = client.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    enabled = recovery.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus") == "ENABLED"
    wanted = state.get("pointInTimeRecovery") or {}
    found["pointInTimeRecovery"] = wanted if wanted.get("enabled") == enabled else {"enabled": enabled}
    on = encryption.get("Status") in ("ENABLED", "ENABLING")
    wanted = state.get("serverSideEncryption") or {}
    found["serverSideEncryption"] = (
        wanted if bool(wanted.get("enabled")) == on and wanted else {"enabled": on}
    )
    return found


def _in_words_of(state: Props, indexes: list[Props]) -> list[Props]:
    """Indexes as found, in the program's own words (`keySchemas`, say) where they mean the same."""
    own = {index["name"]: index for index in state.get("globalSecondaryIndexes") or []}

    def meaning(index: Props) -> tuple[Any, Any]:
        return _key_schema(index), _projection(index)

    return [
        own[i["name"]] if i["name"] in own and meaning(own[i["name"]]) == meaning(i) else i for i in indexes
    ]


def _read_ttl(client: Any, name: str, state: Props) -> Props:
    found = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    if found.get("TimeToLiveStatus") in ("ENABLED", "ENABLING"):
        return {"ttl": {"attributeName": found["AttributeName"], "enabled": True}}
    wanted = state.get("ttl") or {}
    return {"ttl": {**wanted, "enabled": False} if wanted else {"enabled": False}}


def _tag(op: Operation, name: str, tags: dict[str, str], removed: list[str]) -> None:
    arn = op.client().describe_table(TableName=name)["Table"]["TableArn"]
    if removed:
        op.client().untag_resource(ResourceArn=arn, TagKeys=removed)
    if tags:
        op.client().tag_resource(ResourceArn=arn, Tags=tag_list(tags))


TABLE = Resource(
    kind="aws:dynamodb/table:Table",
    service="dynamodb",
    create=_create,
    read=_read,
    update=_update,
    delete=lambda op, name, _: op.client().delete_table(TableName=name),
    tag=_tag,
    implements=inputs(
        "name attributes billingMode deletionProtectionEnabled globalSecondaryIndexes hashKey localSecondaryIndexes "
        "pointInTimeRecovery rangeKey readCapacity serverSideEncryption streamEnabled streamViewType tableClass ttl "
        "writeCapacity"
    ),
    moves=lambda old, new: frozenset({"streamArn", "streamLabel"} if _stream(old) != _stream(new) else ()),
)

RESOURCES = (TABLE,)
