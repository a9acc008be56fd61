"""Hosted zones of Route 53 and their records.

Source: the Amazon Route 53 API reference.
"""

from __future__ import annotations

import uuid
from typing import Any

from local.aws import differences
from local.aws.provider.declaration import Resource, inputs, tag_list, tag_map
from local.aws.provider.errors import RefusedError
from local.aws.provider.session import Operation
from local.aws.provider.wire import Props

# Zone


def _vpc(op: Operation, entry: dict[str, Any]) -> dict[str, str]:
    return {"VPCId": entry["vpcId"], "VPCRegion": entry.get("vpcRegion") or op.region}


def _create_zone(op: Operation, props: Props) -> str:
    vpcs: list[dict[str, Any]] = props.get("vpcs") or []
    for entry in vpcs:
        differences.require_vpc(op, entry["vpcId"], "zone-vpc-exists")
    answer = op.client().create_hosted_zone(
        Name=props["name"],
        CallerReference=uuid.uuid4().hex,
        HostedZoneConfig={"Comment": props.get("comment") or "", "PrivateZone": bool(vpcs)},
        **({"VPC": _vpc(op, vpcs[0])} if vpcs else {}),
    )
    identity = op.made = str(answer["HostedZone"]["Id"]).rsplit("/", 1)[-1]
    for entry in vpcs[1:]:
        op.client().associate_vpc_with_hosted_zone(HostedZoneId=identity, VPC=_vpc(op, entry))
    _tag_zone(op, identity, props["tagsAll"], [])
    return identity


def _read_zone(op: Operation, identity: str, state: Props) -> Props | None:
    found = op.client().get_hosted_zone(Id=identity)
    zone, vpcs = found["HostedZone"], found.get("VPCs", [])
    tags = op.client().list_tags_for_resource(ResourceType="hostedzone", ResourceId=identity)
    there = {entry["VPCId"] for entry in vpcs}
    same = {entry.get("vpcId") for entry in state.get("vpcs") or []} == there
    return {
        "arn": f"arn:aws:route53:::hostedzone/{identity}",
        "zoneId": identity,
        "name": str(zone["Name"]).rstrip("."),
        "comment": zone.get("Config", {}).get("Comment"),
        "nameServers": found.get("DelegationSet", {}).get("NameServers", []),
        "primaryNameServer": next(iter(found.get("DelegationSet", {}).get("NameServers", [])), None),
        "vpcs": state.get("vpcs") if same else [{"vpcId": vpc} for vpc in sorted(there)],
        "tagsAll": tag_map(tags["ResourceTagSet"]["Tags"]),
    }


def _update_zone(op: Operation, identity: str, old: Props, new: Props) -> None:
    if old.get("comment") != new.get("comment"):
        op.client().update_hosted_zone_comment(Id=identity, Comment=new.get("comment") or "")
    before = {entry["vpcId"]: entry for entry in old.get("vpcs") or []}
    after = {entry["vpcId"]: entry for entry in new.get("vpcs") or []}
    # New ones first: a private zone is never without a VPC.
    for name in after.keys() - before.keys():
        differences.require_vpc(op, name, "zone-vpc-exists")
        op.client().associate_vpc_with_hosted_zone(HostedZoneId=identity, VPC=_vpc(op, after[name]))
    for name in before.keys() - after.keys():
        op.client().disassociate_vpc_from_hosted_zone(HostedZoneId=identity, VPC=_vpc(op, before[name]))


def _tag_zone(op: Operation, identity: str, tags: dict[str, str], removed: list[str]) -> None:
    changes: dict[str, Any] = {}
    if tags:
        changes["AddTags"] = tag_list(tags)
    if removed:
        changes["RemoveTagKeys"] = removed
    if changes:
        op.client().change_tags_for_resource(ResourceType="hostedzone", ResourceId=identity, **changes)


def _delete_zone(op: Operation, identity: str, state: Props) -> None:
    if state.get("forceDestroy"):
        pages = op.client().get_paginator("list_resource_record_sets").paginate(HostedZoneId=identity)
        for entry in [entry for page in pages for entry in page["ResourceRecordSets"]]:
            if entry["Type"] not in ("NS", "SOA"):
                change_record(op, identity, "DELETE", entry)
    op.client().delete_hosted_zone(Id=identity)


ZONE = Resource(
    kind="aws:route53/zone:Zone",
    service="route53",
    create=_create_zone,
    read=_read_zone,
    update=_update_zone,
    delete=_delete_zone,
    tag=_tag_zone,
    implements=inputs("comment forceDestroy name vpcs"),
)

# Record


def change_record(op: Operation, zone: str, action: str, record_set: dict[str, Any]) -> None:
    """One change of one record set, as ChangeResourceRecordSets takes it."""
    change = {"Action": action, "ResourceRecordSet": record_set}
    op.client().change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": [change]})


def _full_name(op: Operation, props: Props) -> str:
    """AWS's provider takes a name within the zone for one below it."""
    zone = str(op.client().get_hosted_zone(Id=props["zoneId"])["HostedZone"]["Name"]).rstrip(".")
    name = str(props["name"]).rstrip(".").lower()
    if name == zone or name.endswith(f".{zone}"):
        return name
    return f"{name}.{zone}" if name else zone


def _record_set(name: str, props: Props) -> dict[str, Any]:
    record: dict[str, Any] = {"Name": name, "Type": props["type"]}
    aliases: list[dict[str, Any]] = props.get("aliases") or []
    if aliases:
        [alias] = aliases
        return record | {
            "AliasTarget": {
                "DNSName": alias["name"],
                "HostedZoneId": alias["zoneId"],
                "EvaluateTargetHealth": bool(alias["evaluateTargetHealth"]),
            }
        }
    return record | {"TTL": props["ttl"], "ResourceRecords": [{"Value": v} for v in props["records"]]}


def _create_record(op: Operation, props: Props) -> str:
    name = _full_name(op, props)
    action = "UPSERT" if props.get("allowOverwrite") else "CREATE"
    change_record(op, props["zoneId"], action, _record_set(name, props))
    return f"{props['zoneId']}_{props['name']}_{props['type']}"


def _find_record(op: Operation, identity: str) -> tuple[str, dict[str, Any]] | None:
    """(full name, record set) of a record's id."""
    zone, name, kind = identity.split("_", 2)
    full = _full_name(op, {"zoneId": zone, "name": name})
    pages = op.client().get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone)
    for page in pages:
        for entry in page["ResourceRecordSets"]:
            if entry["Name"].rstrip(".") == full and entry["Type"] == kind:
                return full, entry
    return None


def _read_record(op: Operation, identity: str, state: Props) -> Props | None:
    found = _find_record(op, identity)
    if found is None:
        return None
    full, entry = found
    zone, name, kind = identity.split("_", 2)
    result: Props = {"zoneId": zone, "name": name, "type": kind, "fqdn": full}
    alias = entry.get("AliasTarget")
    if alias is None:
        values = [value["Value"] for value in entry.get("ResourceRecords", [])]
        return {**result, "aliases": None, "ttl": entry.get("TTL"), "records": values}
    own = state.get("aliases") or [{}]
    target = str(alias["DNSName"]).rstrip(".")
    same = target.lower() == str(own[0].get("name", "")).rstrip(".").lower()
    found_alias = {
        "name": own[0]["name"] if same else target,
        "zoneId": alias["HostedZoneId"],
        "evaluateTargetHealth": alias["EvaluateTargetHealth"],
    }
    return {**result, "aliases": [found_alias], "ttl": None, "records": None}


def _update_record(op: Operation, _identity: str, old: Props, new: Props) -> None:
    if old["type"] != new["type"]:
        raise RefusedError(
            f"record {new['name']} changes its type, which is a new id: give it another logical name"
        )
    change_record(op, new["zoneId"], "UPSERT", _record_set(_full_name(op, new), new))


def _delete_record(op: Operation, identity: str, _state: Props) -> None:
    """What is there goes: Route 53 wants a record set named exactly as it is."""
    found = _find_record(op, identity)
    if found is not None:
        change_record(op, identity.split("_", 1)[0], "DELETE", found[1])


RECORD = Resource(
    kind="aws:route53/record:Record",
    service="route53",
    create=_create_record,
    read=_read_record,
    update=_update_record,
    delete=_delete_record,
    implements=inputs("aliases allowOverwrite name records ttl type zoneId"),
)

RESOURCES = (ZONE, RECORD)
