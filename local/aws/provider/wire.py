"""Properties as the engine sends them (google.protobuf.Struct) and as Python values.

Numbers that are whole become int. Unknown values become `UNKNOWN`, secrets become `Secret`. Everything else is
dict, list, str, bool, float or None.

Source: the special keys are those of sdk/go/common/resource/properties.go in pulumi/pulumi.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from google.protobuf import struct_pb2

Props: TypeAlias = dict[str, Any]
"""Properties by wire name."""

UNKNOWN_TEXT: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
SECRET_SIGNATURE: Final = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a marker, not a password


class Unknown:
    """The type of `UNKNOWN`, a value that only an apply will know."""

    def __repr__(self) -> str:
        return "<unknown>"


UNKNOWN: Final = Unknown()


@dataclass(frozen=True)
class Secret:
    """A value that the engine encrypts in state and masks on screen."""

    value: Any

    def __repr__(self) -> str:
        return "<secret>"


def from_struct(struct: struct_pb2.Struct) -> Props:
    """The properties of a Struct; keys that hold null are left out."""
    return {
        key: _decode(value)
        for key, value in struct.fields.items()
        if value.WhichOneof("kind") != "null_value"
    }


def _decode(value: struct_pb2.Value) -> Any:  # noqa: PLR0911 - a case for each kind of value
    match value.WhichOneof("kind"):
        case "string_value":
            return UNKNOWN if value.string_value == UNKNOWN_TEXT else value.string_value
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() else number
        case "bool_value":
            return value.bool_value
        case "list_value":
            return [_decode(element) for element in value.list_value.values]
        case "struct_value":
            fields = value.struct_value.fields
            if SIGNATURE in fields and fields[SIGNATURE].string_value == SECRET_SIGNATURE:
                return Secret(_decode(fields["value"])) if "value" in fields else Secret(None)
            return from_struct(value.struct_value)
        case _:
            return None


def to_struct(properties: Mapping[str, Any]) -> struct_pb2.Struct:
    """The Struct of properties; keys that hold None are left out."""
    struct = struct_pb2.Struct()
    for key, value in properties.items():
        if value is not None:
            _encode(value, struct.fields[key])
    return struct


def _encode(value: Any, into: struct_pb2.Value) -> None:
    match value:
        case None:
            into.null_value = struct_pb2.NULL_VALUE
        case Unknown():
            into.string_value = UNKNOWN_TEXT
        case Secret():
            into.struct_value.fields[SIGNATURE].string_value = SECRET_SIGNATURE
            _encode(value.value, into.struct_value.fields["value"])
        case bool():
            into.bool_value = value
        case int() | float():
            into.number_value = value
        case str():
            into.string_value = value
        case dict():
            into.struct_value.CopyFrom(to_struct(value))
        case list() | tuple():
            into.list_value.SetInParent()
            for element in value:
                _encode(element, into.list_value.values.add())
        case _:
            raise TypeError(f"a {type(value).__name__} cannot be sent to the engine: {value!r}")


def plain(value: Any) -> Any:
    """The value with every secret opened."""
    match value:
        case Secret():
            return plain(value.value)
        case dict():
            return {key: plain(element) for key, element in value.items()}
        case list():
            return [plain(element) for element in value]
        case _:
            return value


def wrapped_like(value: Any, model: Any) -> Any:
    """`value` with secrets where `model` has them, element by element."""
    match model:
        case Secret():
            return value if isinstance(value, Secret) else Secret(value)
        case dict() if isinstance(value, dict):
            return {key: wrapped_like(element, model.get(key)) for key, element in value.items()}
        case list() if isinstance(value, list):
            padded = [*model, *[None] * len(value)]
            return [wrapped_like(element, like) for element, like in zip(value, padded, strict=False)]
        case _:
            return value


def any_leaf(value: Any, test: Callable[[Any], bool]) -> bool:
    """Whether any value inside satisfies the test; containers and secrets are looked into, and tested themselves."""
    if test(value):
        return True
    match value:
        case Secret():
            return any_leaf(value.value, test)
        case dict():
            return any(any_leaf(element, test) for element in value.values())
        case list():
            return any(any_leaf(element, test) for element in value)
        case _:
            return False


def is_known(value: Any) -> bool:
    """Whether no part of the value is unknown."""
    return not any_leaf(value, lambda leaf: isinstance(leaf, Unknown))


def has_secret(value: Any) -> bool:
    """Whether any part of the value is secret."""
    return any_leaf(value, lambda leaf: isinstance(leaf, Secret))


def secret_texts(value: Any) -> set[str]:
    """Every non-empty text inside a secret: what must not show up in clear in anything derived."""
    match value:
        case Secret():
            return _texts(plain(value.value))
        case dict():
            return {text for element in value.values() for text in secret_texts(element)}
        case list():
            return {text for element in value for text in secret_texts(element)}
        case _:
            return set()


def _texts(value: Any) -> set[str]:
    match value:
        case str():
            return {value} - {""}
        case dict():
            return {text for element in value.values() for text in _texts(element)}
        case list():
            return {text for element in value for text in _texts(element)}
        case _:
            return set()


def conceal(outputs: Props, secrets: set[str]) -> Props:
    """`outputs` with each value wrapped that holds one of the secret texts (an ARN made of a secret name, say)."""
    if not secrets:
        return outputs

    def leaks(leaf: Any) -> bool:
        return isinstance(leaf, str) and any(secret in leaf for secret in secrets)

    return {
        key: Secret(value) if not has_secret(value) and any_leaf(value, leaks) else value
        for key, value in outputs.items()
    }
