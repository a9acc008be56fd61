"""Check: which inputs a resource ends up with, and why some are refused."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass, field
from typing import Any

from local.aws.provider.declaration import Resource
from local.aws.provider.facts import Rule, TypeFacts, element_type
from local.aws.provider.wire import UNKNOWN, Props, Unknown, is_known

DEFAULTS_KEY = "__defaults"
"""Checked inputs carry the names of those that Check filled in: the memory of what was automatic."""
_SUFFIX_LENGTH = 8  # "-" and seven hex digits


@dataclass(frozen=True)
class Problem:
    """One refusal; `property` is a path such as `rules[0].status`, empty when the resource as a whole is meant."""

    property: str
    reason: str


@dataclass
class Naming:
    """Where an automatic name comes from."""

    logical_name: str
    seed: bytes = b""
    proposed: str | None = None
    """What the project's `pulumi:autonaming` configuration says, if it says something."""


@dataclass
class Checked:
    """Inputs with everything filled in, and the problems found."""

    inputs: Props
    problems: list[Problem] = field(default_factory=list)


def check(
    facts: TypeFacts, resource: Resource, news: Props, olds: Props, region: str, naming: Naming
) -> Checked:
    """Inputs with defaults, region and automatic name filled in.

    Args:
        news: plain inputs of the program.
        olds: plain inputs of the last run, empty for a new resource or a replacement.
        region: the provider's.
        naming: source of the automatic name.

    Source: the rules of pulumi-terraform-bridge as `types.json` states them.
    """
    checked = Checked({})
    for key, value in news.items():
        if key not in (DEFAULTS_KEY, "tagsAll"):
            _take(facts, resource, key, value, checked)
    _require(facts, checked)
    _fill(facts, resource, olds, region, naming, checked)
    return checked


def _take(facts: TypeFacts, resource: Resource, key: str, value: Any, checked: Checked) -> None:
    rule = facts.inputs.get(key)
    if rule is None:
        close = difflib.get_close_matches(key, facts.inputs, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        checked.problems.append(Problem(key, f"{facts.python} has no input named {key}{hint}"))
        return
    conformed, problems = conform(value, rule.type, facts, key)
    checked.inputs[key] = conformed
    checked.problems += problems
    implemented = key in resource.implements or key in ("region", "tags")
    # A default spelled out, or something empty, asks for nothing that is not there anyway.
    if not implemented and conformed not in (rule.default, None, [], {}, "", False):
        checked.problems.append(
            Problem(
                key,
                f"{facts.python} takes {key}, but the local aws provider does not implement it. Leave it out of the "
                f"local stack, or implement it in local/aws/provider/resources",
            )
        )
    if rule.json and isinstance(conformed, str) and conformed:
        try:
            json.loads(conformed)
        except ValueError as error:
            checked.problems.append(Problem(key, f"not JSON: {error}"))


def _require(facts: TypeFacts, checked: Checked) -> None:
    for key, rule in facts.inputs.items():
        if rule.required and checked.inputs.get(key) is None:
            checked.problems.append(Problem(key, f"{facts.python} needs {key}, which is missing"))
        others = [other for other in rule.conflicts if checked.inputs.get(other) is not None and other > key]
        if checked.inputs.get(key) is not None and others:
            checked.problems.append(
                Problem(key, f"{key} and {others[0]} exclude each other; give one of them")
            )


def _fill(
    facts: TypeFacts, resource: Resource, olds: Props, region: str, naming: Naming, checked: Checked
) -> None:
    defaults: list[str] = []
    given = set(checked.inputs)
    for key, rule in facts.inputs.items():
        if key not in checked.inputs and rule.default is not None and not given.intersection(rule.conflicts):
            checked.inputs[key] = rule.default
            defaults.append(key)
    if facts.regional and "region" not in checked.inputs:
        checked.inputs["region"] = region
        defaults.append("region")
    autonamed = facts.autonamed
    if (
        autonamed
        and autonamed not in checked.inputs
        and not given.intersection(facts.inputs[autonamed].conflicts)
    ):
        before = olds.get(autonamed)
        if before is not None and autonamed in olds.get(DEFAULTS_KEY, []):
            checked.inputs[autonamed] = before
        else:
            checked.inputs[autonamed] = automatic_name(
                resource.kind,
                naming,
                facts.inputs[autonamed].autoname or 255,
                fifo=checked.inputs.get("fifoQueue"),
            )
        defaults.append(autonamed)
    checked.inputs[DEFAULTS_KEY] = sorted(defaults)


def automatic_name(token: str, naming: Naming, max_length: int, *, fifo: Any = False) -> Any:
    """`<logical name>-<7 hex digits>`, cut so that it fits; unknown while it is unknown whether a queue is FIFO."""
    if isinstance(fifo, Unknown):
        return UNKNOWN
    ending = ".fifo" if fifo is True else ""
    if naming.proposed is not None:
        name = naming.proposed
    else:
        digits = naming.seed.hex()[: _SUFFIX_LENGTH - 1].ljust(_SUFFIX_LENGTH - 1, "0")
        name = f"{naming.logical_name[: max_length - _SUFFIX_LENGTH - len(ending)]}-{digits}"
    if token == "aws:s3/bucket:Bucket":  # noqa: S105 - a resource type
        name = name.lower()
    return name + ending


def conform(  # noqa: PLR0911 - a case for each kind of type
    value: Any, type_name: str, facts: TypeFacts, path: str
) -> tuple[Any, list[Problem]]:
    """The value as its declared type wants it, with the coercions of AWS's provider ("3" for 3, "true" for true).

    Returns:
        the value, and a problem for each place that does not fit.
    """
    if isinstance(value, Unknown) or value is None:
        return value, []
    type_name = type_name.removesuffix("!")
    inner = element_type(type_name)
    problems: list[Problem] = []
    if inner is not None and type_name.startswith("list<"):
        if not isinstance(value, list):
            return value, [Problem(path, f"must be a list, and is {_kind(value)}")]
        elements: list[Any] = []
        for index, element in enumerate(value):
            conformed, found = conform(element, inner, facts, f"{path}[{index}]")
            elements.append(conformed)
            problems += found
        return elements, problems
    if inner is not None:
        if not isinstance(value, dict):
            return value, [Problem(path, f"must be a map, and is {_kind(value)}")]
        return _conform_fields(value, dict.fromkeys(value, inner), facts, path)
    if type_name.startswith("object:"):
        if not isinstance(value, dict):
            return value, [Problem(path, f"must be an object, and is {_kind(value)}")]
        if type_name.removeprefix("object:") not in facts.objects:
            # Left out of the table: an input that is not implemented, which is told once.
            return value, []
        return _conform_fields(value, facts.objects[type_name.removeprefix("object:")], facts, path)
    coerced = _scalar(value, type_name)
    if coerced is None:
        return value, [Problem(path, f"must be {_ARTICLE.get(type_name, type_name)}, and is {_kind(value)}")]
    return coerced, []


def _conform_fields(
    value: dict[str, Any], fields: dict[str, str], facts: TypeFacts, path: str
) -> tuple[dict[str, Any], list[Problem]]:
    problems: list[Problem] = []
    conformed: dict[str, Any] = {}
    for key, element in value.items():
        if key == DEFAULTS_KEY or element is None:
            continue
        if key not in fields:
            close = difflib.get_close_matches(key, fields, n=1)
            hint = f"; did you mean {close[0]}?" if close else f"; it has {', '.join(sorted(fields))}"
            problems.append(Problem(f"{path}.{key}", f"{path} has no property named {key}{hint}"))
            continue
        conformed[key], found = conform(element, fields[key], facts, f"{path}.{key}")
        problems += found
    problems += [
        Problem(f"{path}.{key}", f"{path} needs {key}, which is missing")
        for key, type_name in fields.items()
        if type_name.endswith("!") and conformed.get(key) is None
    ]
    return conformed, problems


_ARTICLE = {"string": "a string", "int": "a whole number", "number": "a number", "bool": "true or false"}


def _kind(value: Any) -> str:
    match value:
        case bool():
            return f"the boolean {str(value).lower()}"
        case int() | float():
            return f"the number {value}"
        case str():
            return f"the text {value!r}" if len(value) < 60 else "text"
        case list():
            return "a list"
        case _:
            return "an object"


def _scalar(value: Any, type_name: str) -> Any:  # noqa: PLR0911 - a table of cases
    match type_name, value:
        case "string", str():
            return value
        case "string", bool():
            return str(value).lower()
        case "string", int() | float():
            return str(value)
        case "bool", bool():
            return value
        case "bool", "true" | "false":
            return value == "true"
        case (("int" | "number"), bool()):
            return None
        case "int", int():
            return value
        case "number", int() | float():
            return value
        case (("int" | "number"), str()):
            return _number(value, type_name)
        case (("string" | "bool" | "int" | "number"), _):
            return None
        case _:
            return value


def _number(text: str, type_name: str) -> int | float | None:
    try:
        return int(text) if type_name == "int" else float(text)
    except ValueError:
        return None


def nested_default(facts: TypeFacts, path: str) -> Any:
    """The default of a nested property; None where there is none."""
    rule: Rule | None = facts.rules.get(path)
    return rule.default if rule else None


def all_known(inputs: Props, *keys: str) -> bool:
    """Whether each of the keys is present and wholly known."""
    return all(inputs.get(key) is not None and is_known(inputs[key]) for key in keys)
