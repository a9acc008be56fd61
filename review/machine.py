"""Take a machine's traces out of what the engine wrote: paths, colours, terminal codes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_TRACES = frozenset({"stackTrace", "sourcePosition"})
"""Relative paths that climb out of the project to the interpreter and the engine."""

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])|<\{%[^%]*%\}>")
"""Terminal sequences, and the engine's own colour marks."""


def without_codes(text: str) -> str:
    """The text without terminal sequences."""
    return _ANSI.sub("", text)


def without_paths(text: str, roots: Mapping[str, str]) -> str:
    """The text with folders of this machine replaced; longer folders first, whole path components only."""
    for root in sorted(roots, key=len, reverse=True):
        text = re.sub(re.escape(root) + r"(?=[/\"'\s:,)\]]|$)", lambda _m, r=root: roots[r], text)
    return text


def machine_roots(checkout: Path, run: Path | None = None) -> dict[str, str]:
    """Folders of this machine → what stands for them in a report."""
    roots = {str(Path.home()): "~", str(checkout): "."}
    if run:
        roots[str(run)] = "<run>"
    return {root: name for root, name in roots.items() if root != "/"}


def cleaned(document: str, roots: Mapping[str, str]) -> str:
    """The engine's JSON with nothing of this machine in it, otherwise as it was."""
    return json.dumps(_cleaned(json.loads(document), roots), indent=2, ensure_ascii=False) + "\n"


def _cleaned(node: Any, roots: Mapping[str, str]) -> Any:
    if isinstance(node, dict):
        return {key: _cleaned(value, roots) for key, value in node.items() if key not in _TRACES}
    if isinstance(node, list):
        return [_cleaned(item, roots) for item in node]
    return without_paths(without_codes(node), roots) if isinstance(node, str) else node
