"""A file of `marathon_apps/` taken apart: what of it can be judged, and what is wrong with its form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from infra.errors import ManifestError
from infra.marathon.app_fields import PLACEHOLDER, AppManifest
from infra.marathon.form import problems
from infra.marathon.lint.facts import Facts
from infra.marathon.lint.rule import App, Finding, Rule
from infra.marathon.manifest import load
from infra.marathon.placeholders import fill_known, nearest, pointer, steps, texts

_RAML = "Marathon 1.11, docs/docs/rest-api/public/api/v2/types/app.raml"
_REFUSED = "Marathon refuses it (422), when the apps before it have been changed already."


def _form(id_: str, what: str, why: str, reference: str = _RAML) -> Rule:
    return Rule(id_, "error", what, why, reference, fixed=True)


FORM: tuple[Rule, ...] = (
    _form(
        "json",
        "A file is JSON, and no key stands twice in an object.",
        "Readers keep the last of two.",
        "RFC 8259, 4",
    ),
    _form("one-app", "A file is one app: an object with an `id`.", "Each file is deployed by itself."),
    _form(
        "unknown-field",
        "Every field is one that Marathon knows.",
        "Marathon ignores any other in silence, so that a misspelt one has no effect.",
    ),
    _form(
        "legacy-field",
        "No field of old Marathons is used.",
        "Marathon rewrites or refuses it, so that what it answers is not what was written.",
        "Marathon 1.11, AppNormalization.scala",
    ),
    _form(
        "read-only-field",
        "Nothing that only a read shows is written.",
        "`version` beside other fields is refused (422), the rest is ignored.",
        "Marathon 1.11, AppValidation.scala, validateAppUpdateVersion",
    ),
    _form(
        "unused-field",
        "No field is used that this project's apps do not need.",
        "Its meaning is checked by nothing here.",
    ),
    _form("missing-field", "What a part of an app cannot do without is there.", _REFUSED),
    _form(
        "wrong-type", "Each value has Marathon's type: a number is no text, a count no fraction.", _REFUSED
    ),
    _form("out-of-range", "Each value is one that Marathon allows.", _REFUSED),
    _form(
        "id-grammar",
        "Each part of an id is lower case letters, digits, inner hyphens and dots.",
        _REFUSED,
        "Marathon 1.11, PathId.scala",
    ),
    _form(
        "placeholder-unknown",
        "Every `${placeholder}` is one that the stack fills.",
        "The text would reach Marathon as it stands.",
        "infra/environment.py, PLACEHOLDERS",
    ),
    _form(
        "placeholder-form",
        "A placeholder is `${name}` in a value, never in a key.",
        "Nothing else is filled: the text would reach Marathon as it stands.",
        "infra/marathon/placeholders.py",
    ),
)
"""Rules on the form of a file, whose findings `taken_apart` makes."""


@dataclass(frozen=True)
class TakenApart:
    """A file of which what has the right form can be judged."""

    app: App | None
    """None: not even its id is known."""

    findings: list[Finding]


def taken_apart(path: Path, shown: Path, facts: Facts) -> TakenApart:
    """A file's app, and every finding on its form.

    Args:
        path: the file.
        shown: how findings name it.
        facts: which placeholders there are, and what is known of them.
    """

    def finding(rule: str, where: str, what: str, do: str) -> Finding:
        return Finding(shown, where, rule, "error", what, do)

    try:
        loaded = load(path)
    except ManifestError as e:
        return TakenApart(None, [finding("json", "", str(e).removeprefix(f"{path}: "), "correct the file")])
    found = [
        finding("json", "", f"'{key}' stands twice in one object", "keep one") for key in loaded.repeated
    ]
    document = loaded.document
    if not isinstance(document, dict) or "id" not in document:
        what = "is a list" if isinstance(document, list) else "has no `id`"
        do = "write one app a file: an object with an `id`"
        return TakenApart(None, [*found, finding("one-app", "", what, do)])
    document = cast("dict[str, Any]", document)
    found += [finding(rule, where, what, do) for rule, where, what, do in _placeholders(document, facts)]
    filled = fill_known(document, facts.known)
    written = dict(texts(document))
    wrong = problems(filled, template=False)
    broken = frozenset(steps(problem.pointer)[0] for problem in wrong)
    for problem in wrong:
        lone = PLACEHOLDER.fullmatch(written.get(problem.pointer, ""))
        if lone and lone[1] not in facts.names:
            continue  # told as unknown already
        if lone:
            what = f"'{lone[0]}' is a {'number' if lone[1] in facts.known else 'text'}, and this is not"
            found.append(finding(problem.kind, problem.pointer, what, problem.do))
        else:
            found.append(finding(problem.kind, problem.pointer, problem.what, problem.do))
    if "id" in broken:
        return TakenApart(None, found)
    sound = {key: value for key, value in filled.items() if key not in broken}
    return TakenApart(App(shown, document, AppManifest.model_validate(sound), broken), found)


def _placeholders(document: dict[str, Any], facts: Facts) -> Iterator[tuple[str, str, str, str]]:
    """Rule, pointer, what is there and what to do, of each placeholder that nothing fills."""
    for where, text in texts(document):
        shell = where == "/cmd"
        for name in PLACEHOLDER.findall(text):
            if name not in facts.names:
                what = f"nothing fills the placeholder '${{{name}}}'{nearest(name, facts.names)}"
                do = f"correct it; for a variable of the shell write ${name}" if shell else "correct it"
                yield "placeholder-unknown", where, what, do
        if not shell and "${" in PLACEHOLDER.sub("", text):
            yield "placeholder-form", where, f"'{text[:60]}' has no placeholder's form", "write ${name}"
    for where, key in _keys(document):
        if "${" in key:
            yield "placeholder-form", where, f"the key '{key[:60]}' is never filled", "write the name itself"


def _keys(node: Any, where: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(node, dict):
        for key, value in cast("dict[str, Any]", node).items():
            below = pointer(where, key)
            yield below, key
            yield from _keys(value, below)
    elif isinstance(node, list):
        for i, value in enumerate(cast("list[Any]", node)):
            yield from _keys(value, pointer(where, i))


def shown_as(path: Path) -> Path:
    """The file as a reader of the repository names it: folder and file, whatever leads there."""
    return (
        Path(re.sub(r"^(\.\./)+", "", path.as_posix())) if not path.is_absolute() else Path(*path.parts[-2:])
    )
