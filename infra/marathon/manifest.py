"""An app's JSON: read from `marathon_apps/`, checked, and filled with what the stack knows.

Marathon ignores an unknown field, so a misspelt one would be accepted in silence: it is refused here, before
any resource is registered. What else cannot work is found by `infra.marathon.lint`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from infra.errors import ManifestError
from infra.marathon.app_fields import PLACEHOLDER, AppManifest
from infra.marathon.form import problems
from infra.marathon.placeholders import Manifest, fill, nearest, placeholders, texts

__all__ = [
    "PLACEHOLDER",
    "AppManifest",
    "Loaded",
    "Manifest",
    "check_placeholders",
    "fill",
    "load",
    "placeholders",
    "read",
]


@dataclass(frozen=True)
class Loaded:
    """A file's JSON as it stands."""

    document: Any
    repeated: Sequence[str]
    """Keys that stand twice in one object: JSON's readers keep the last."""


def load(path: Path) -> Loaded:
    """The JSON of a file.

    Raises:
        ManifestError: there is no such file, or it is not JSON (RFC 8259: no NaN, no comments); names the place.
    """
    repeated: list[str] = []

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [key for key, _ in pairs]
            repeated.extend(sorted({key for key in names if names.count(key) > 1}))
        return found

    try:
        document = json.loads(path.read_text("utf-8"), object_pairs_hook=unique, parse_constant=_no_constant)
    except FileNotFoundError:
        raise ManifestError(f"{path}: no such file") from None
    except OSError as e:
        raise ManifestError(f"{path}: cannot be read: {e.strerror}") from None
    except (ValueError, RecursionError) as e:
        raise ManifestError(f"{path}: not JSON: {e}") from None
    return Loaded(document, repeated)


def read(path: Path) -> Manifest:
    """The manifest of a file, its form checked, its placeholders still in it.

    Raises:
        ManifestError: the file is not JSON, or has an unknown field or one of the wrong type; names file and field.
    """
    manifest = load(path).document
    found = problems(manifest, template=True)
    if found:
        raise ManifestError(f"{path}: " + "; ".join(str(problem) for problem in found))
    return manifest


def check_placeholders(path: Path, manifest: Manifest, known: frozenset[str]) -> None:
    """Every placeholder is one that the stack fills.

    Raises:
        ManifestError: one is not; names file, field, placeholder and the ones there are.
    """
    for where, text in texts(manifest):
        for name in PLACEHOLDER.findall(text):
            if name not in known:
                raise ManifestError(
                    f"{path}: {where}: nothing fills the placeholder '${{{name}}}'{nearest(name, known)}"
                )


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a value of JSON")
