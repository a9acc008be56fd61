"""Property values of a preview: unknown ones, secrets, text in text, and what differs between two of them."""

from __future__ import annotations

import base64
import difflib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, TypeGuard

SECRET = "[secret]"  # noqa: S105  the engine's own word for a value it does not show


class Unknown(Enum):
    """A value that is known only after the update."""

    KNOWN_AFTER_UP = "known after up"


UNKNOWN: Final = Unknown.KNOWN_AFTER_UP

_SENTINELS = frozenset(
    {
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",  # string
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",  # bool
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",  # number
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",  # array
        "030794c1-ac77-496b-92df-f27374a8bd58",  # asset
        "e48ece36-62e2-4504-bad9-02848725956a",  # archive
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",  # object
    }
)
"""How the engine writes an unknown value (pulumi/pulumi, sdk/go/common/resource/plugin/rpc.go)."""

_INTERNAL = ("__", "tagsAll")
"""Keys that repeat others (`tagsAll`) or that no person set (`__defaults`, `__provider`)."""


_PATH = re.compile(r"([^.\[\]\"]+)|\[(\d+)\]|\[\"([^\"]+)\"\]")
"""Steps of a property path: a key, an index, a quoted key."""


@dataclass(frozen=True)
class Difference:
    """One property that is not what it was. An absent side is None."""

    path: str
    before: Any
    after: Any


def known(value: Any) -> Any:
    """The value with the engine's sentinels replaced by `UNKNOWN`, at any depth."""
    if isinstance(value, str):
        return UNKNOWN if value in _SENTINELS else value
    if isinstance(value, dict):
        return {key: known(item) for key, item in value.items()}
    if isinstance(value, list):
        return [known(item) for item in value]
    return value


def has_unknown(value: Any) -> bool:
    """Whether anything in the value is known only after the update."""
    if isinstance(value, dict):
        return any(has_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(has_unknown(item) for item in value)
    return value is UNKNOWN


def document(value: Any) -> Any:
    """A JSON text as what it says (an IAM document, a redrive policy); anything else as it is."""
    if isinstance(value, str) and value[:1] in {"{", "["}:
        try:
            return known(json.loads(value))
        except ValueError:
            return value
    return value


def decoded(value: Any) -> str | None:
    """The text of a base64 value, such as a launch template's user data; None where it is no such thing."""
    if not isinstance(value, str) or len(value) < 16:
        return None
    try:
        text = base64.b64decode(value, validate=True).decode()
    except ValueError:
        return None
    return text if text.isprintable() or "\n" in text else None


def line_diff(before: str, after: str) -> list[str]:
    """The lines that differ, with one line of context, as a unified diff without its header."""
    return list(difflib.unified_diff(before.splitlines(), after.splitlines(), n=1, lineterm=""))[2:]


def differences(before: Any, after: Any, path: str = "") -> Iterator[Difference]:
    """Every property that differs, outermost key first; JSON texts are compared by what they say.

    Items of a list are matched by content, so one added in the middle is one difference.
    """
    before, after = document(before), document(after)
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        yield from _of_objects(before, after, path)
    elif _is_list_of_objects(before) and _is_list_of_objects(after):
        yield from _of_lists(before, after, path)
    elif _is_long_list(before) and _is_long_list(after):
        yield from _of_scalars(before, after, path)
    else:
        yield Difference(path, before, after)


def _of_objects(before: Mapping[str, Any], after: Mapping[str, Any], path: str) -> Iterator[Difference]:
    for key in sorted({*before, *after}):
        if key.startswith(_INTERNAL):
            continue
        step = f"{path}.{key}" if path else key
        if "." in key or "/" in key or ":" in key:
            step = f'{path}["{key}"]'
        yield from differences(before.get(key), after.get(key), step)


def _of_lists(before: list[Any], after: list[Any], path: str) -> Iterator[Difference]:
    matcher = difflib.SequenceMatcher(None, [_key(v) for v in before], [_key(v) for v in after], False)
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag == "equal":
            continue
        if tag == "replace" and i2 - i1 == j2 - j1:
            for i, j in zip(range(i1, i2), range(j1, j2), strict=True):
                yield from differences(before[i], after[j], f"{path}[{j}]")
            continue
        for i in range(i1, i2):
            yield Difference(f"{path}[{i}]", before[i], None)
        for j in range(j1, j2):
            yield Difference(f"{path}[{j}]", None, after[j])


def _of_scalars(before: list[Any], after: list[Any], path: str) -> Iterator[Difference]:
    """Only what came and went; another order alone is a difference of the whole."""
    gone = list((Counter(before) - Counter(after)).elements())
    come = list((Counter(after) - Counter(before)).elements())
    if gone or come:
        yield Difference(f"{path}[]", gone or None, come or None)
    else:
        yield Difference(path, before, after)


def _is_long_list(value: Any) -> TypeGuard[list[Any]]:
    return isinstance(value, list) and len(value) > 2 and all(isinstance(v, str | int | float) for v in value)


def _is_list_of_objects(value: Any) -> TypeGuard[list[Any]]:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def at(node: Any, path: str) -> Any:
    """The value at a property path such as `a.b[0]["c.d"]`; None where there is none."""
    for key, index, quoted in _PATH.findall(path):
        node = document(node)
        if isinstance(node, dict):
            node = node.get(quoted or key)
        elif isinstance(node, list) and index and int(index) < len(node):
            node = node[int(index)]
        else:
            return None
    return node


def shown(value: Any) -> str:
    """A value as one line of text: texts bare, the rest as JSON, numbers without a needless `.0`."""
    if value is None:
        return "(none)"
    if isinstance(value, str):
        return value or '""'
    if value is UNKNOWN:
        return UNKNOWN.value
    return json.dumps(_plain(value), sort_keys=True, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if not key.startswith(_INTERNAL)}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if value is UNKNOWN:
        return UNKNOWN.value
    return int(value) if isinstance(value, float) and value.is_integer() else value
