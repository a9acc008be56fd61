"""Whether a JSON document has the form of an app: known fields, right types, values within Marathon's bounds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError

from infra.marathon.app_fields import LEGACY, READ_ONLY, TEMPLATE, UNUSED, AppManifest, Part
from infra.marathon.placeholders import nearest, pointer

Kind = Literal[
    "unknown-field",
    "legacy-field",
    "read-only-field",
    "unused-field",
    "missing-field",
    "wrong-type",
    "out-of-range",
    "id-grammar",
]


@dataclass(frozen=True)
class Problem:
    """One place at which a document is not an app."""

    pointer: str
    """JSON pointer (RFC 6901)."""

    kind: Kind
    what: str
    do: str

    def __str__(self) -> str:
        return f"{self.pointer}: {self.what}; {self.do}"


def problems(document: Any, *, template: bool) -> list[Problem]:
    """Every problem of an app's JSON, in the order of its fields.

    Args:
        document: parsed JSON.
        template: whether placeholders stand where numbers will.
    """
    try:
        AppManifest.model_validate(document, context={TEMPLATE: template})
    except ValidationError as e:
        found: dict[str, Problem] = {}
        for error in e.errors(include_url=False):
            problem = _problem(document, dict(error))
            # The options of a union complain each: the first speaks for a place, and the innermost place for all.
            found.setdefault(problem.pointer, problem)
        return [p for p in found.values() if not any(q.startswith(f"{p.pointer}/") for q in found)]
    return []


def _problem(document: Any, error: Mapping[str, Any]) -> Problem:
    where, value = _place(document, error["loc"], absent=error["type"] == "missing")
    name, kind = str(error["loc"][-1]), str(error["type"])
    if kind == "extra_forbidden":
        return _unknown(where, name)
    if kind == "missing":
        return Problem(where, "missing-field", "is missing", f"add `{name}`")
    if kind == "string_pattern_mismatch":
        do = "write /group/app: lower case letters, digits, inner hyphens and dots"
        return Problem(where, "id-grammar", f"{_shown(value)} is no app id", do)
    if kind in _WANTED:
        return Problem(
            where, "wrong-type", f"{_shown(value)} is not {_WANTED[kind]}", f"write {_WANTED[kind]}"
        )
    return Problem(
        where, "out-of-range", f"{_shown(value)} is not allowed", _bound(kind, error.get("ctx", {}))
    )


def _bound(kind: str, bounds: Mapping[str, Any]) -> str:
    unit = " characters" if kind.startswith("string") else " entries"
    match bounds:
        case {"min_length": least}:
            return f"write at least {least}{unit}"
        case {"max_length": most}:
            return f"write at most {most}{unit}"
        case {"ge": least}:
            return f"write {least} or more"
        case {"le": most}:
            return f"write {most} or less"
        case {"expected": values}:
            return f"write {values}"
        case _:
            return "write what Marathon's documentation names"


_WANTED = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
}


def _unknown(where: str, name: str) -> Problem:
    if where in LEGACY:
        return Problem(where, "legacy-field", "is a field of old Marathons", LEGACY[where])
    if where.count("/") == 1 and name in READ_ONLY:
        return Problem(where, "read-only-field", "is what only a read shows", "remove it")
    if re.sub(r"/\d+(?=/)", "/*", where) in UNUSED:
        what = "is a field of Marathon that no app here uses"
        return Problem(where, "unused-field", what, "remove it, or add it to infra/marathon/app_fields.py")
    near = nearest(name, _fields())
    do = near.removeprefix("; ") if near else "remove it"
    return Problem(where, "unknown-field", "Marathon knows no such field", do)


def _place(document: Any, loc: tuple[str | int, ...], *, absent: bool) -> tuple[str, Any]:
    """JSON pointer and value of an error's place; pydantic puts a union's option between two keys of the file."""
    where, node = "", document
    for i, part in enumerate(loc):
        last = i == len(loc) - 1
        below: dict[Any, Any] = (
            dict(enumerate(node)) if isinstance(node, list) else node if isinstance(node, dict) else {}
        )
        if part in below:
            node = below[part]
        elif not (last and absent):
            continue
        where = pointer(where, part)
    return where, node


def _shown(value: Any) -> str:
    """A value for a message: short, and never a whole object."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    shown = "null" if value is None else repr(value) if isinstance(value, str) else str(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}…"


def _fields() -> Iterator[str]:
    for model in Part.__subclasses__():
        yield from model.model_fields
