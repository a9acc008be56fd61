"""EC2 security groups, and their rules as resources of their own.

Source: the EC2 API reference; the removal of the allow-all egress rule is what AWS's provider does on creation.
"""

from __future__ import annotations

import uuid
from typing import Any, Literal

from local.aws import differences
from local.aws.provider.declaration import Resource, inputs, tag_list
from local.aws.provider.errors import ProviderError
from local.aws.provider.resources.ec2 import ec2_tags, tag_ec2
from local.aws.provider.session import Operation
from local.aws.provider.wire import Props

Direction = Literal["ingress", "egress"]


def _permission(rule: Props) -> dict[str, Any]:
    """An inline rule as IpPermission."""
    permission: dict[str, Any] = {"IpProtocol": str(rule["protocol"])}
    if permission["IpProtocol"] != "-1":
        permission |= {"FromPort": rule["fromPort"], "ToPort": rule["toPort"]}
    text = {"Description": rule["description"]} if rule.get("description") else {}
    permission["IpRanges"] = [{"CidrIp": cidr, **text} for cidr in rule.get("cidrBlocks") or []]
    permission["Ipv6Ranges"] = [{"CidrIpv6": cidr, **text} for cidr in rule.get("ipv6CidrBlocks") or []]
    permission["UserIdGroupPairs"] = [
        {"GroupId": group, **text} for group in rule.get("securityGroups") or []
    ]
    return {key: value for key, value in permission.items() if value != []}


def _create_group(op: Operation, props: Props) -> str:
    client = op.client()
    request: dict[str, Any] = {
        "GroupName": props.get("name") or f"{props['namePrefix']}{uuid.uuid4().hex[:26]}",
        "Description": props["description"],
    }
    if props.get("vpcId"):
        differences.require_vpc(op, props["vpcId"])
        request["VpcId"] = props["vpcId"]
    if props["tagsAll"]:
        request["TagSpecifications"] = [
            {"ResourceType": "security-group", "Tags": tag_list(props["tagsAll"])}
        ]
    identity = op.made = str(client.create_security_group(**request)["GroupId"])
    group = _find_group(op, identity)
    if group and group.get("IpPermissionsEgress"):
        client.revoke_security_group_egress(GroupId=identity, IpPermissions=group["IpPermissionsEgress"])
    set_rules(op, identity, {}, props)
    return identity


def set_rules(op: Operation, identity: str, old: Props, new: Props) -> None:
    """Brings a group's inline rules from the old ones to the new ones."""
    directions: tuple[Direction, ...] = ("ingress", "egress")
    for direction in directions:
        before = [_with_self(identity, rule) for rule in old.get(direction) or []]
        after = [_with_self(identity, rule) for rule in new.get(direction) or []]
        gone = [rule for rule in before if rule not in after]
        added = [rule for rule in after if rule not in before]
        if gone:
            revoke = getattr(op.client(), f"revoke_security_group_{direction}")
            revoke(GroupId=identity, IpPermissions=[_permission(rule) for rule in gone])
        if added:
            authorize = getattr(op.client(), f"authorize_security_group_{direction}")
            authorize(GroupId=identity, IpPermissions=[_permission(rule) for rule in added])


def _with_self(identity: str, rule: Props) -> Props:
    return (
        {**rule, "securityGroups": [*(rule.get("securityGroups") or []), identity]}
        if rule.get("self")
        else rule
    )


def _find_group(op: Operation, identity: str) -> dict[str, Any] | None:
    found = op.client().describe_security_groups(Filters=[{"Name": "group-id", "Values": [identity]}])[
        "SecurityGroups"
    ]
    return found[0] if found else None


def read_group(op: Operation, identity: str, state: Props) -> Props | None:
    """A group with those of its inline rules that are still there; None when it is gone."""
    group = _find_group(op, identity)
    if group is None:
        return None
    return {
        "name": group["GroupName"],
        "description": group["Description"],
        "vpcId": group.get("VpcId"),
        "ownerId": group["OwnerId"],
        "arn": f"arn:aws:ec2:{op.region}:{group['OwnerId']}:security-group/{identity}",
        "tagsAll": ec2_tags(op, identity),
        **_read_rules(identity, group, state),
    }


def _read_rules(identity: str, group: dict[str, Any], state: Props) -> Props:
    """Inline rules, if the program keeps any: those that vanished are left out, others are not looked at."""
    found: Props = {}
    for direction, key in (("ingress", "IpPermissions"), ("egress", "IpPermissionsEgress")):
        own = state.get(direction)
        if own:
            there = {source for permission in group.get(key, []) for source in _sources(permission)}
            found[direction] = [
                rule for rule in own if _sources(_permission(_with_self(identity, rule))) <= there
            ]
    return found


def _sources(permission: dict[str, Any]) -> set[tuple[Any, ...]]:
    ports = (permission["IpProtocol"], permission.get("FromPort"), permission.get("ToPort"))
    return {
        (*ports, entry[field])
        for kind, field in (
            ("IpRanges", "CidrIp"),
            ("Ipv6Ranges", "CidrIpv6"),
            ("UserIdGroupPairs", "GroupId"),
        )
        for entry in permission.get(kind, [])
    }


SECURITY_GROUP = Resource(
    kind="aws:ec2/securityGroup:SecurityGroup",
    service="ec2",
    create=_create_group,
    read=read_group,
    update=set_rules,
    delete=lambda op, identity, _: op.client().delete_security_group(GroupId=identity),
    tag=tag_ec2,
    implements=inputs("name namePrefix description vpcId ingress egress revokeRulesOnDelete"),
)


def _rule(direction: Direction) -> Resource:
    """A rule of a group as a resource; its id is the rule's."""
    title = direction.capitalize()

    def permission(props: Props) -> dict[str, Any]:
        text = {"Description": props["description"]} if props.get("description") else {}
        kinds = {
            "cidrIpv4": ("IpRanges", "CidrIp"),
            "cidrIpv6": ("Ipv6Ranges", "CidrIpv6"),
            "prefixListId": ("PrefixListIds", "PrefixListId"),
            "referencedSecurityGroupId": ("UserIdGroupPairs", "GroupId"),
        }
        given = [key for key in kinds if props.get(key)]
        if len(given) != 1:
            raise ProviderError(f"a security group rule has exactly one of {', '.join(kinds)}")
        kind, field = kinds[given[0]]
        ports = {
            api: props[key]
            for key, api in (("fromPort", "FromPort"), ("toPort", "ToPort"))
            if props.get(key) is not None
        }
        return {"IpProtocol": str(props["ipProtocol"]), **ports, kind: [{field: props[given[0]], **text}]}

    def create(op: Operation, props: Props) -> str:
        authorize = getattr(op.client(), f"authorize_security_group_{direction}")
        tags = (
            [{"ResourceType": "security-group-rule", "Tags": tag_list(props["tagsAll"])}]
            if props["tagsAll"]
            else []
        )
        answer = authorize(
            GroupId=props["securityGroupId"], IpPermissions=[permission(props)], TagSpecifications=tags
        )
        return str(answer["SecurityGroupRules"][0]["SecurityGroupRuleId"])

    def read(op: Operation, identity: str, state: Props) -> Props | None:
        found = op.client().describe_security_group_rules(SecurityGroupRuleIds=[identity])[
            "SecurityGroupRules"
        ]
        rule = next((entry for entry in found if entry["SecurityGroupRuleId"] == identity), None)
        if rule is None:
            return None
        every_port = rule["IpProtocol"] == "-1"
        return {
            "arn": f"arn:aws:ec2:{op.region}:{rule.get('GroupOwnerId', '123456789012')}:security-group-rule/{identity}",
            "securityGroupRuleId": identity,
            "securityGroupId": rule["GroupId"],
            "ipProtocol": rule["IpProtocol"],
            "fromPort": None if every_port else rule.get("FromPort"),
            "toPort": None if every_port else rule.get("ToPort"),
            "cidrIpv4": rule.get("CidrIpv4"),
            "cidrIpv6": rule.get("CidrIpv6"),
            "prefixListId": rule.get("PrefixListId"),
            "referencedSecurityGroupId": rule.get("ReferencedGroupInfo", {}).get("GroupId"),
            # moto forgets it where the source is a group (group-rule-description).
            "description": rule.get("Description") or state.get("description"),
            "tagsAll": ec2_tags(op, identity),
        }

    def update(op: Operation, identity: str, old: Props, new: Props) -> None:
        keys = (
            "ipProtocol",
            "fromPort",
            "toPort",
            "cidrIpv4",
            "cidrIpv6",
            "prefixListId",
            "referencedSecurityGroupId",
        )
        if all(old.get(key) == new.get(key) for key in (*keys, "description")):
            return
        names = {
            "ipProtocol": "IpProtocol",
            "fromPort": "FromPort",
            "toPort": "ToPort",
            "description": "Description",
        }
        names |= {"cidrIpv4": "CidrIpv4", "cidrIpv6": "CidrIpv6", "prefixListId": "PrefixListId"}
        names |= {"referencedSecurityGroupId": "ReferencedGroupId"}
        request = {api: new[key] for key, api in names.items() if new.get(key) is not None}
        if request["IpProtocol"] == "-1":
            # All ports; moto wants to be told.
            request |= {"FromPort": -1, "ToPort": -1}
        op.client().modify_security_group_rules(
            GroupId=new["securityGroupId"],
            SecurityGroupRules=[{"SecurityGroupRuleId": identity, "SecurityGroupRule": request}],
        )

    def delete(op: Operation, identity: str, state: Props) -> None:
        revoke = getattr(op.client(), f"revoke_security_group_{direction}")
        revoke(GroupId=state["securityGroupId"], SecurityGroupRuleIds=[identity])

    return Resource(
        kind=f"aws:vpc/securityGroup{title}Rule:SecurityGroup{title}Rule",
        service="ec2",
        create=create,
        read=read,
        update=update,
        delete=delete,
        tag=tag_ec2,
        implements=inputs(
            "ipProtocol securityGroupId cidrIpv4 cidrIpv6 description fromPort prefixListId "
            "referencedSecurityGroupId toPort"
        ),
    )


RESOURCES = (SECURITY_GROUP, _rule("ingress"), _rule("egress"))
