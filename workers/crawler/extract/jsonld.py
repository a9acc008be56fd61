"""JSON-LD: every script on its own, so that a broken one costs only itself."""

import json
import re
from typing import Any

from selectolax.lexbor import LexborHTMLParser

_MOST = 50
_LARGEST = 2_000_000
_OPENING = re.compile(r"^\s*(?:<!--|//\s*<!\[CDATA\[|/\*\s*<!\[CDATA\[\s*\*/|<!\[CDATA\[)")
_CLOSING = re.compile(r"(?:-->|//\s*\]\]>|/\*\s*\]\]>\s*\*/|\]\]>)?\s*;?\s*$")
_TRAILING_COMMA = re.compile(r",(\s*[}\]])")


def read_jsonld(tree: LexborHTMLParser) -> list[Any]:
    """What each readable JSON-LD script of the page holds.

    Comment and CDATA wrappers, raw line ends within strings and trailing commas are tolerated; numbers keep the
    digits they are written with.
    """
    blocks: list[Any] = []
    for script in tree.css("script")[:500]:
        kind = (script.attributes.get("type") or "").lower()
        if not kind.startswith("application/ld+json") or len(blocks) >= _MOST:
            continue
        text = script.text()
        if len(text) > _LARGEST:
            continue
        block = _loads(_CLOSING.sub("", _OPENING.sub("", text), count=1))
        if block is not None:
            blocks.append(block)
    return blocks


def _loads(text: str) -> Any:
    for candidate in (text, _TRAILING_COMMA.sub(r"\1", text)):
        try:
            return json.loads(candidate, strict=False, parse_float=str, parse_int=str)
        except (ValueError, RecursionError):
            continue
    return None
