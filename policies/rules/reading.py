"""Typed reading of a resource's properties as the engine hands them to a policy: camelCase, partly unknown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import cast

from pulumi_policy.proxy import UnknownValueError


class Props:
    """Properties of a resource, or of an object within them.

    Whoever reads a value that a preview cannot know gets the SDK's UnknownValueError: the rule is then reported
    as one that was not evaluated. Ask `is_unknown` first where a rule can do without the value.
    """

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values

    def is_unknown(self, key: str) -> bool:
        """Whether the value is one that only an update can know."""
        try:
            self._values.get(key)
        except UnknownValueError:
            return True
        return False

    def value(self, key: str) -> object:
        """The raw value; None where it is absent.

        Raises:
            UnknownValueError: only an update can know it.
        """
        return self._values.get(key)

    def text(self, key: str) -> str:
        """The value as text; empty where it is absent."""
        value = self.value(key)
        return "" if value is None else str(value)

    def number(self, key: str) -> float | None:
        """The value as a number; None where it is absent or is no number."""
        value = self.value(key)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    def flag(self, key: str) -> bool:
        """Whether the value is true; some types of the provider spell booleans as text."""
        return self.text(key).lower() == "true"

    def one(self, key: str) -> Props:
        """The object under the key; an empty one where it is absent.

        JSON text is parsed (the default provider's configuration is text), and of a list the first is taken
        (single blocks of the underlying provider).
        """
        found = self.many(key)
        return found[0] if found else Props({})

    def many(self, key: str) -> list[Props]:
        """The objects under the key, each of a list or the one that stands there."""
        value = self.value(key)
        if isinstance(value, str):
            value = parsed(value)
        if isinstance(value, Mapping):
            return [Props(cast("Mapping[str, object]", value))]
        return [Props(cast("Mapping[str, object]", v)) for v in listed(value) if isinstance(v, Mapping)]

    def texts(self, key: str) -> list[str]:
        """The values under the key as texts, each of a list or the one that stands there."""
        value = self.value(key)
        return [] if value is None else [str(v) for v in listed(value)]

    def any(self) -> bool:
        """Whether any value is more than empty."""
        return any(self.value(key) for key in self._values)


def listed(value: object) -> Sequence[object]:
    """The value as a list: itself, or a list of it alone; an absent one is an empty list."""
    if value is None:
        return []
    if isinstance(value, Sequence) and not isinstance(value, str):
        return cast("Sequence[object]", value)
    return [value]


def parsed(text: str) -> object:
    """The JSON value that a text holds; None where it holds none."""
    try:
        return cast("object", json.loads(text))
    except ValueError:
        return None


def leaves(value: object) -> set[str]:
    """Every text in a value; of JSON text, every text in what it holds."""
    if isinstance(value, str):
        inside = parsed(value)
        return leaves(inside) if isinstance(inside, dict | list) else {value} - {""}
    if isinstance(value, Mapping):
        return {text for v in cast("Mapping[str, object]", value).values() for text in leaves(v)}
    if isinstance(value, Sequence):
        return {text for v in cast("Sequence[object]", value) for text in leaves(v)}
    return set()
