"""Whether an agent suits an app's placement constraints (Constraints.scala, docs/constraints.md of Marathon 1.11)."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

#: An agent as constraints see it: field name → value.
Fields = Mapping[str, str]


def fields_of(host: str, attributes: Mapping[str, str], region: str | None, zone: str | None) -> Fields:
    """``hostname``, ``@hostname``, ``@region``, ``@zone`` and every attribute of an agent."""
    fields = dict(attributes) | {"hostname": host, "@hostname": host}
    if region is not None:
        fields["@region"] = region
    if zone is not None:
        fields["@zone"] = zone
    return fields


def is_met(constraint: Sequence[str], candidate: Fields, placed: Sequence[Fields]) -> bool:  # noqa: PLR0911 - one an operator
    """Whether one more instance may go to ``candidate``, given where the app's other instances stand."""
    name, operator = constraint[0], constraint[1]
    wanted = constraint[2] if len(constraint) > 2 else ""
    value = candidate.get(name)
    if operator == "UNLIKE":
        return value is None or re.fullmatch(wanted, value) is None
    if value is None:
        return False
    taken = [fields.get(name) for fields in placed]
    match operator:
        case "LIKE":
            return re.fullmatch(wanted, value) is not None
        case "IS":
            return value == wanted
        case "UNIQUE":
            return value not in taken
        case "CLUSTER":
            return value == wanted if wanted else all(other == value for other in taken)
        case "MAX_PER":
            return taken.count(value) < int(wanted)
        case "GROUP_BY":
            return _is_least_used(value, Counter(each for each in taken if each), int(wanted or 1))
        case _:
            return False


def _is_least_used(value: str, counts: "Counter[str]", groups: int) -> bool:
    """GROUP_BY: a value with the fewest instances, or a new one while fewer than ``groups`` are in use."""
    if not counts or counts[value] == 0:
        return True
    least = min(counts.values()) if len(counts) >= groups else 0
    return counts[value] <= least


def are_met(constraints: Sequence[Sequence[str]], candidate: Fields, placed: Sequence[Fields]) -> bool:
    return all(is_met(each, candidate, placed) for each in constraints)
