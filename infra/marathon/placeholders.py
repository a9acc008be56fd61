"""`${name}` in an app's JSON: which there are, and what takes their place."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from infra.marathon.app_fields import PLACEHOLDER

Manifest = dict[str, Any]


def placeholders(manifest: Manifest) -> frozenset[str]:
    """The names that a manifest asks for by `${name}`."""
    return frozenset(name for _, text in texts(manifest) for name in PLACEHOLDER.findall(text))


def fill(manifest: Manifest, values: Mapping[str, Any]) -> Manifest:
    """The manifest with every placeholder replaced.

    A text that is nothing but a placeholder takes the value with its type (a count stays a number); inside a
    longer text the value's text is put in. Values are data: they cannot add fields, whatever they hold.

    Raises:
        KeyError: a placeholder has no value.
    """
    return _filled(manifest, values, strict=True)


def fill_known(document: Any, values: Mapping[str, Any]) -> Any:
    """As `fill`, of any JSON; a placeholder without a value stays."""
    return _filled(document, values, strict=False)


def texts(node: Any, where: str = "") -> list[tuple[str, str]]:
    """Every text of a JSON document (not its keys), with its JSON pointer (RFC 6901)."""
    if isinstance(node, dict):
        return [text for key, value in node.items() for text in texts(value, pointer(where, key))]
    if isinstance(node, list):
        return [text for i, value in enumerate(node) for text in texts(value, pointer(where, i))]
    return [(where, node)] if isinstance(node, str) else []


def pointer(where: str, key: object) -> str:
    """The JSON pointer one step down (RFC 6901)."""
    return f"{where}/{str(key).replace('~', '~0').replace('/', '~1')}"


def steps(where: str) -> list[str]:
    """The keys and indices of a JSON pointer (RFC 6901)."""
    return [step.replace("~1", "/").replace("~0", "~") for step in where.split("/")[1:]]


def nearest(given: str, known: Iterable[str]) -> str:
    """`; did you mean '…'?`, or nothing where none is near."""
    close = difflib.get_close_matches(given, sorted(known), n=1, cutoff=0.5)
    return f"; did you mean '{close[0]}'?" if close else ""


def _filled(node: Any, values: Mapping[str, Any], *, strict: bool) -> Any:
    if isinstance(node, dict):
        return {key: _filled(value, values, strict=strict) for key, value in node.items()}
    if isinstance(node, list):
        return [_filled(value, values, strict=strict) for value in node]
    if not isinstance(node, str):
        return node
    whole = PLACEHOLDER.fullmatch(node)
    if whole and (strict or whole[1] in values):
        return values[whole[1]]
    return PLACEHOLDER.sub(
        lambda match: str(values[match[1]]) if strict or match[1] in values else match[0], node
    )
