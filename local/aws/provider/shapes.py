"""Between wire properties (lowerCamel, Pulumi's types) and the parameters of an AWS call, by botocore's own model.

A property goes to the member of the same name, capitalised; only what differs is listed. The call's model says what a
value must become: "true" for a boolean, a map of tags for a list of Key and Value, one object for a list of one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local.aws.provider.facts import TypeFacts, element_type
from local.aws.provider.wire import Props


def parameters(
    client: Any, operation: str, path: str, value: Any, names: Mapping[str, str] | None = None
) -> Any:
    """`value` as the member at `path` of an operation's input.

    Args:
        operation: in the API's spelling, `CreateLaunchTemplate`.
        path: members from the operation's input on, dotted: `LaunchTemplateData`; empty for the input itself.
        names: API member by dotted wire place (no indexes, from `value` on), where it is not just capitalised.
    """
    shape = client.meta.service_model.operation_model(operation).input_shape
    for member in path.split(".") if path else []:
        shape = shape.members[member]
    return _to_api(value, shape, names or {}, "")


def _to_api(value: Any, shape: Any, names: Mapping[str, str], place: str) -> Any:  # noqa: PLR0911 - cases
    match shape.type_name:
        case "structure":
            return _structure(value, shape, names, place)
        case "list":
            if isinstance(value, dict) and {"Key", "Value"} <= shape.member.members.keys():
                return [{"Key": key, "Value": text} for key, text in value.items()]
            elements: list[Any] = value if isinstance(value, list) else [value]
            return [_to_api(element, shape.member, names, place) for element in elements]
        case "map":
            return dict(value)
        case "boolean":
            return value if isinstance(value, bool) else str(value).lower() == "true"
        case "integer" | "long":
            return int(value)
        case "double" | "float":
            return float(value)
        case "string":
            return str(value).lower() if isinstance(value, bool) else str(value)
        case _:
            return value


def _structure(value: Any, shape: Any, names: Mapping[str, str], place: str) -> dict[str, Any]:
    # The upstream schema spells a nested block as a list of one here and there.
    fields: dict[str, Any] = value[0] if isinstance(value, list) else value
    result: dict[str, Any] = {}
    for key, element in fields.items():
        inner = f"{place}.{key}" if place else key
        member = names.get(inner) or key[0].upper() + key[1:]
        if element is None or element == "":
            continue
        if member not in shape.members:
            raise LookupError(f"{shape.name} has no member {member} for the property {inner}")
        result[member] = _to_api(element, shape.members[member], names, inner)
    return result


def properties(
    found: Mapping[str, Any],
    facts: TypeFacts,
    object_name: str,
    names: Mapping[str, str] | None = None,
    place: str = "",
) -> Props:
    """The reverse: an object of `types.json` from what AWS answered; members that AWS left out are left out."""
    result: Props = {}
    for key, type_name in facts.objects[object_name].items():
        inner = f"{place}.{key}" if place else key
        member = (names or {}).get(inner) or key[0].upper() + key[1:]
        if found.get(member) is not None:
            result[key] = _from_api(found[member], type_name.removesuffix("!"), facts, names or {}, inner)
    return result


def _from_api(value: Any, type_name: str, facts: TypeFacts, names: Mapping[str, str], place: str) -> Any:
    inner = element_type(type_name)
    if type_name.startswith("list<") and inner is not None:
        return [_from_api(element, inner, facts, names, place) for element in value]
    if type_name.startswith("map<"):
        return {tag["Key"]: tag["Value"] for tag in value} if isinstance(value, list) else dict(value)
    if type_name.startswith("object:"):
        found: dict[str, Any] = value[0] if isinstance(value, list) else value
        return properties(found, facts, type_name.removeprefix("object:"), names, place)
    match type_name:
        case "string":
            return str(value).lower() if isinstance(value, bool) else str(value)
        case "int":
            return int(value)
        case _:
            return value


def covers(found: Any, sent: Any) -> bool:
    """Whether an answer holds everything that was sent; what AWS filled in besides is no difference."""
    match sent:
        case dict():
            return isinstance(found, dict) and all(
                covers(found.get(key), value) for key, value in sent.items()
            )
        case list():
            if not isinstance(found, list) or len(found) != len(sent):
                return False
            left = list(found)
            for element in sent:
                match_at = next((n for n, other in enumerate(left) if covers(other, element)), None)
                if match_at is None:
                    return False
                del left[match_at]
            return True
        case bool() | None:
            return found == sent or (not sent and not found)
        case _:
            return str(found) == str(sent)
