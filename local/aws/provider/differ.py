"""Diff: what changed between two sets of checked inputs, and whether that replaces the resource."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from local.aws.provider.check import DEFAULTS_KEY
from local.aws.provider.facts import Rule, TypeFacts
from local.aws.provider.wire import Props, Unknown, is_known

_ABSENT: Final = object()


class Kind(StrEnum):
    """How a property changed."""

    ADD = "ADD"
    DELETE = "DELETE"
    UPDATE = "UPDATE"


@dataclass(frozen=True)
class Change:
    """One changed property."""

    path: str
    kind: Kind
    replaces: bool

    @property
    def top(self) -> str:
        """The top-level property the path starts with."""
        return re.split(r"[.\[]", self.path, maxsplit=1)[0]


@dataclass
class Difference:
    """All changes of a resource."""

    changes: list[Change] = field(default_factory=list)
    delete_first: bool = False

    @property
    def replaces(self) -> bool:
        """Whether any change needs a new resource."""
        return any(change.replaces for change in self.changes)


def diff(token: str, facts: TypeFacts, old: Props, new: Props) -> Difference:
    """The difference of two sets of plain checked inputs, `tagsAll` among them.

    Source: `types.json`; the delete-first rule is that of pulumi-terraform-bridge.
    """
    comparison = _Comparison(token, facts, old, new)
    result = Difference(list(comparison.all_changes()))
    if facts.tags:
        result.changes += comparison.changes(
            "tagsAll", "tagsAll", old.get("tagsAll") or {}, new.get("tagsAll") or {}
        )
    if result.replaces:
        named = facts.autonamed is not None and facts.autonamed in new
        automatic = facts.autonamed in new.get(DEFAULTS_KEY, [])
        result.delete_first = facts.deleteFirst == "always" or (
            facts.deleteFirst == "when named" and named and not automatic
        )
    return result


def same_value(facts: TypeFacts, key: str, old: Any, new: Any) -> bool:
    """Whether a property's two values are no difference: by meaning for JSON, in any order for sets."""
    return not any(_Comparison("", facts, {}, {}).changes(key, key, old, new))


def same_json(old: str, new: str) -> bool:
    """Whether two JSON texts mean the same; in a policy a list of one element is that element."""
    try:
        return _canonical(json.loads(old)) == _canonical(json.loads(new))
    except ValueError:
        return old == new


def _canonical(value: Any) -> Any:
    match value:
        case [str() as single]:
            return single
        case list():
            elements = [_canonical(element) for element in value]
            return sorted(elements) if all(isinstance(element, str) for element in elements) else elements
        case dict():
            return {key: _canonical(element) for key, element in value.items()}
        case _:
            return value


@dataclass(frozen=True)
class _Comparison:
    token: str
    facts: TypeFacts
    old: Props
    new: Props

    def all_changes(self) -> Iterator[Change]:
        for key, rule in self.facts.inputs.items():
            old, new = self.old.get(key, _ABSENT), self.new.get(key, _ABSENT)
            if new is _ABSENT and rule.computed:
                continue
            condition = _NO_DIFFERENCE.get((self.token, key))
            if condition is not None and condition(self.old, self.new):
                continue
            yield from self.changes(key, key, old, new)

    def changes(self, path: str, place: str, old: Any, new: Any) -> Iterator[Change]:
        """Changes at a path; `place` is the path without indexes, as the rules name it."""
        rule = self.facts.rule(place)
        if "." in place:
            old = rule.default if old is _ABSENT and rule.default is not None else old
            new = rule.default if new is _ABSENT and rule.default is not None else new
        if _is_empty(old, rule) and _is_empty(new, rule):
            return
        if isinstance(old, Unknown) or isinstance(new, Unknown):
            yield self._change(path, place, old, new)
        elif isinstance(old, dict) and isinstance(new, dict):
            for key in sorted(old.keys() | new.keys()):
                if key != DEFAULTS_KEY:
                    yield from self.changes(
                        f"{path}{_step(key)}", f"{place}.{key}", old.get(key, _ABSENT), new.get(key, _ABSENT)
                    )
        elif isinstance(old, list) and isinstance(new, list):
            yield from self._list_changes(path, place, old, new, as_set=rule.set)
        elif rule.json and isinstance(old, str) and isinstance(new, str):
            if not same_json(old, new):
                yield self._change(path, place, old, new)
        elif old is _ABSENT or new is _ABSENT or old != new:
            yield self._change(path, place, old, new)

    def _list_changes(
        self, path: str, place: str, old: list[Any], new: list[Any], *, as_set: bool
    ) -> Iterator[Change]:
        indexes = range(max(len(old), len(new)))
        pairs = [(n, _at(old, n), _at(new, n)) for n in indexes]
        if as_set:
            pairs = list(self._unmatched(path, place, old, new))
        for index, before, after in pairs:
            yield from self.changes(f"{path}[{index}]", place, before, after)

    def _unmatched(
        self, path: str, place: str, old: list[Any], new: list[Any]
    ) -> Iterator[tuple[int, Any, Any]]:
        """Elements of two sets that have no equal on the other side, paired as far as they go."""
        left = list(enumerate(old))
        right: list[tuple[int, Any]] = []
        for index, element in enumerate(new):
            equal = next(
                (
                    n
                    for n, (_, other) in enumerate(left)
                    if not any(self.changes(path, place, other, element))
                ),
                None,
            )
            if equal is None:
                right.append((index, element))
            else:
                del left[equal]
        for n in range(max(len(left), len(right))):
            old_index, before = left[n] if n < len(left) else (0, _ABSENT)
            new_index, after = right[n] if n < len(right) else (old_index, _ABSENT)
            yield new_index, before, after

    def _change(self, path: str, place: str, old: Any, new: Any) -> Change:
        kind = Kind.ADD if old is _ABSENT else Kind.DELETE if new is _ABSENT else Kind.UPDATE
        return Change(path, kind, self._replaces(place))

    def _replaces(self, place: str) -> bool:
        parts = place.split(".")
        for length in range(len(parts), 0, -1):
            prefix = ".".join(parts[:length])
            match self.facts.rule(prefix).replace:
                case "always":
                    return True
                case "conditional":
                    condition = _REPLACES_WHEN.get((self.token, prefix))
                    return condition(self.old, self.new) if condition else True
                case _:
                    continue
        return False


def _is_empty(value: Any, rule: Rule) -> bool:
    # A false flag is an unset one, unless AWS would set it to true by itself.
    return (
        value is _ABSENT or value is None or value in ([], {}, "") or (value is False and not rule.computed)
    )


def _at(values: list[Any], index: int) -> Any:
    return values[index] if index < len(values) else _ABSENT


def _step(key: str) -> str:
    return f".{key}" if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key) else f'["{key}"]'


_RULE_SOURCES = ("cidrIpv4", "cidrIpv6", "prefixListId", "referencedSecurityGroupId")


def _kind_of_source_changes(old: Props, new: Props) -> bool:
    """A security group rule is replaced only when it changes from one kind of source to another."""
    return [key for key in _RULE_SOURCES if key in old] != [key for key in _RULE_SOURCES if key in new]


def _not_an_interface(_old: Props, new: Props) -> bool:
    return new.get("vpcEndpointType") != "Interface"


_ARM = re.compile(r"(a1|mac2|[a-z]+\d+g[a-z]*)[.-]")
"""Instance types with AWS's own processors (EC2 user guide, Instance type naming conventions)."""


def _architecture_changes(old: Props, new: Props) -> bool:
    """An instance is stopped and started as another type, unless its image does not run there."""
    types = (old.get("instanceType"), new.get("instanceType"))
    return all(isinstance(each, str) for each in types) and len({bool(_ARM.match(str(t))) for t in types}) > 1


def _user_data_replaces(_old: Props, new: Props) -> bool:
    return new.get("userDataReplaceOnChange") is True


def _primary_address_goes(old: Props, new: Props) -> bool:
    """The first address of an interface is its own for life; others come and go."""
    before: list[Any] = old.get("privateIps") or []
    after: Any = new.get("privateIps") or []
    return not new.get("privateIpListEnabled") and bool(before) and before[0] not in after


def _network_groups(old: Props, new: Props) -> bool:
    """A network load balancer that was made without security groups never gets any."""
    if new.get("loadBalancerType") != "network":
        return False
    return bool(old.get("securityGroups")) != bool(new.get("securityGroups"))


def _network_subnets(old: Props, new: Props) -> bool:
    return new.get("loadBalancerType") == "network" and len(new.get("subnets") or []) <= len(
        old.get("subnets") or []
    )


_REPLACES_WHEN: dict[tuple[str, str], Callable[[Props, Props], bool]] = {
    ("aws:ec2/vpc:Vpc", "instanceTenancy"): lambda old, new: (
        not (old.get("instanceTenancy") == "dedicated" and new.get("instanceTenancy") == "default")
    ),
    ("aws:ec2/vpcEndpoint:VpcEndpoint", "privateDnsEnabled"): _not_an_interface,
    ("aws:ec2/instance:Instance", "instanceType"): _architecture_changes,
    ("aws:ec2/instance:Instance", "userData"): _user_data_replaces,
    ("aws:ec2/instance:Instance", "userDataBase64"): _user_data_replaces,
    ("aws:ec2/networkInterface:NetworkInterface", "privateIps"): _primary_address_goes,
    ("aws:lb/loadBalancer:LoadBalancer", "securityGroups"): _network_groups,
    ("aws:lb/loadBalancer:LoadBalancer", "subnets"): _network_subnets,
    ("aws:ssm/parameter:Parameter", "tier"): lambda old, new: (
        old.get("tier") == "Advanced" and new.get("tier") == "Standard"
    ),
    **{
        (f"aws:vpc/securityGroup{side}Rule:SecurityGroup{side}Rule", source): _kind_of_source_changes
        for side in ("Ingress", "Egress")
        for source in _RULE_SOURCES
    },
}
"""Conditions of the replace rules that are marked conditional; one that is not listed counts as a replacement."""


def _same_indexes(old: Props, new: Props) -> bool:
    keys = ("globalSecondaryIndexes", "localSecondaryIndexes", "hashKey", "rangeKey")
    return all(is_known(new.get(key)) and old.get(key) == new.get(key) for key in keys)


_NO_DIFFERENCE: dict[tuple[str, str], Callable[[Props, Props], bool]] = {
    # A change of the attribute list counts only together with the indexes that use it.
    ("aws:dynamodb/table:Table", "attributes"): _same_indexes,
}
