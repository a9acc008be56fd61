"""What AWS's provider knows about each resource type, from `types.json`."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any, Literal

import msgspec


class Rule(msgspec.Struct, frozen=True):
    """How one property is filled in and compared."""

    replace: Literal["never", "always", "conditional"] = "never"
    default: Any = None
    computed: bool = False
    sensitive: bool = False
    set: bool = False
    """Order of the elements is no difference."""
    json: bool = False
    """JSON text, compared by meaning."""


class Input(Rule, frozen=True, kw_only=True):
    """One top-level input of a type."""

    type: str
    required: bool = False
    conflicts: tuple[str, ...] = ()
    autoname: int | None = None
    """Greatest length of the automatic name; None where the input gets none."""


class TypeFacts(msgspec.Struct, frozen=True):
    """All facts of one resource type; property names are wire names (lowerCamel)."""

    python: str
    regional: bool
    tags: bool
    deleteFirst: Literal["never", "always", "when named"]  # noqa: N815 - a key of types.json
    outputs: tuple[str, ...]
    """Output-only properties, without `id` and `tagsAll`."""
    inputs: dict[str, Input]
    rules: dict[str, Rule] = {}
    """Rules of nested properties, by dotted path without indexes."""
    objects: dict[str, dict[str, str]] = {}
    """Fields of each nested object type: name to type; a type that ends in `!` is required."""

    @property
    def autonamed(self) -> str | None:
        """The input that gets an automatic name, if any."""
        return next((name for name, rule in self.inputs.items() if rule.autoname is not None), None)

    def rule(self, path: str) -> Rule:
        """The rule at a dotted path without indexes; one that says nothing where none is listed."""
        return self.inputs.get(path) or self.rules.get(path) or Rule()


class _Table(msgspec.Struct, frozen=True):
    types: dict[str, TypeFacts]


@cache
def all_facts() -> dict[str, TypeFacts]:
    """Facts by type token, such as `aws:sqs/queue:Queue`."""
    text = resources.files("local.aws.provider").joinpath("types.json").read_bytes()
    return msgspec.json.decode(text, type=_Table).types


def element_type(type_name: str) -> str | None:
    """The type inside `list<…>` or `map<…>`; None for other types."""
    for opening in ("list<", "map<"):
        if type_name.startswith(opening):
            return type_name.removeprefix(opening).removesuffix(">")
    return None
