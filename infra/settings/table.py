"""Every key of a stack file as one Markdown table, from the code: `make docs` writes `docs/settings.md`."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from typing import Annotated, Any, Literal, cast, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from infra.settings.reading import sections_of, tag_of
from infra.settings.stack import Settings

HEAD = """# Settings

Every key of a `Pulumi.<stack>.yaml`, made from the code by `make docs`; a test holds the two together. Keys live
in the project's namespace (`trawler:fleet`); `aws:region` is required beside them. An unknown key is refused with
the nearest real one. Rules across keys are in `infra/settings/rules.py`; each is told by the key that breaks it.
No value is a secret: where one is needed, the key is the name of a Secrets Manager entry.

| key | value | default | what it is |
| --- | --- | --- | --- |
"""


def markdown() -> str:
    """The page: one row a key, sections in the order of the model, the options of a section by their `mode`."""
    return HEAD + "".join(_rows(Settings, "trawler:"))


def _rows(section: type[BaseModel], prefix: str) -> Iterator[str]:
    words = _docstrings(section)
    for name, field in section.model_fields.items():
        if name == "mode":
            continue
        key = f"{prefix}{field.alias}"
        inner = list(sections_of(field.annotation))
        what = " ".join(words.get(name, "").split())
        if not inner:
            yield _row(key, _form(field), field, what)
            continue
        many = get_origin(field.annotation) is list
        value = "list of sections" if many else "section"
        yield _row(key, value, field, what)
        for option in inner:
            place = f"{key}[]." if many else f"{key}."
            if len(inner) > 1:
                mode = tag_of(option)
                yield f"| `{place}mode` | `{mode}` | | {_first_line(option)} |\n"
                place = f"{key}({mode})."
            yield from _rows(option, place)


def _row(key: str, value: str, field: FieldInfo, what: str) -> str:
    return f"| `{key}` | {value} | {_default(field)} | {what} |\n"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True)
    if isinstance(default, BaseModel):
        return ""
    if default is None or default in ([], {}):
        return "none"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _form(field: FieldInfo) -> str:
    """The value's kind with its bounds, in a reader's words."""
    kind = _kind(field.annotation)
    return kind + _bounds(field.metadata)


def _bounds(metadata: list[Any]) -> str:
    low = next((m.ge for m in metadata if hasattr(m, "ge")), None)
    above = next((m.gt for m in metadata if hasattr(m, "gt")), None)
    high = next((m.le for m in metadata if hasattr(m, "le")), None)
    if above is not None:
        return f" > {above}" + (f", ≤ {high}" if high is not None else "")
    if low is None:
        return ""
    return f" {low} to {high}" if high is not None else f" ≥ {low}"


def _kind(annotation: Any) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        pattern = next((m.pattern for m in inner[1:] if getattr(m, "pattern", None)), None)
        bounds = _bounds([m for field in inner[1:] for m in getattr(field, "metadata", [field])])
        return f"`{pattern}`".replace("|", "\\|") if pattern else _kind(inner[0]) + bounds
    if origin is Literal:
        return " / ".join(f"`{value}`" for value in inner)
    if origin is list:
        return f"list of {_kind(inner[0])}"
    if origin is dict:
        return f"{_kind(inner[0])} → {_kind(inner[1])}"
    if inner:
        return " / ".join(_kind(option) for option in inner if option is not type(None))
    return {str: "text", int: "number", float: "number", bool: "true / false"}.get(
        annotation, str(annotation)
    )


def _first_line(section: type[BaseModel]) -> str:
    return (inspect.getdoc(section) or "").partition("\n")[0]


def _docstrings(section: type[BaseModel]) -> dict[str, str]:
    """Field → the text below it, of the section and what it inherits."""
    found: dict[str, str] = {}
    for owner in reversed(section.__mro__):
        if not issubclass(owner, BaseModel) or owner is BaseModel:
            continue
        body = cast(ast.ClassDef, ast.parse(textwrap.dedent(inspect.getsource(owner))).body[0])
        for field, text in zip(body.body, body.body[1:], strict=False):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
            ):
                found[field.target.id] = str(text.value.value)
    return found


if __name__ == "__main__":
    print(markdown(), end="")
