"""What a refusal is made of."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from local.aws.provider.check import Problem
from local.aws.provider.wire import Props, is_known


class Rule(NamedTuple):
    """Inputs that AWS refuses and moto accepts: a function of inputs that may be unknown in part."""

    key: str
    """Of the entry in the catalogue."""
    find: Callable[[Props], Iterator[Problem]]


def known(inputs: Props, path: str) -> Any:
    """The value at a dotted path; None when it, or anything above it, is absent or unknown."""
    value: Any = inputs
    for part in path.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    return value if is_known(value) else None


def known_json(inputs: Props, path: str) -> Any:
    """The JSON document at a path; None where it is absent, unknown or no JSON."""
    text = known(inputs, path)
    if not isinstance(text, str) or not text:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return None


def within(inputs: Props, path: str, low: float, high: float, unit: str = "") -> Iterator[Problem]:
    """A problem when the number at a path is out of [low, high]."""
    value = known(inputs, path)
    if isinstance(value, int | float) and not low <= value <= high:
        yield Problem(path, f"{value} is out of range: AWS takes {low} to {high}{unit and ' ' + unit}")


def one_of(inputs: Props, path: str, *values: str) -> Iterator[Problem]:
    """A problem when the text at a path is none of the values."""
    value = known(inputs, path)
    if isinstance(value, str) and value not in values:
        yield Problem(path, f"{value!r} is not a value AWS takes: use one of {', '.join(values)}")


def items(inputs: Props, path: str) -> Iterator[tuple[str, Props]]:
    """(path with index, object) for each object of a list, those that are unknown left out."""
    value: Any = inputs
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, list):
        for index, element in enumerate(value):
            if isinstance(element, dict):
                yield f"{path}[{index}]", element


def inside(path: str, problems: Iterator[Problem]) -> Iterator[Problem]:
    """Problems of an element, told from the resource's point of view."""
    for problem in problems:
        yield Problem(f"{path}.{problem.property}" if problem.property else path, problem.reason)
