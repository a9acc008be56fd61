"""Foreign text in a Markdown comment: shown as it is, never acted upon.

Names, values and messages come from a pull request. Inside code spans and fenced blocks GitHub renders neither
markup nor links nor mentions (GitHub Flavored Markdown, code spans and fenced code blocks); so foreign text
stands in nothing else.
"""

from __future__ import annotations

import re
import unicodedata

from markupsafe import Markup, escape

from review.machine import without_codes

NAME_LIMIT = 120
VALUE_LIMIT = 300


def visible(text: str, *, lines: bool = False) -> str:
    """The text with every character that hides, reorders or controls shown as its code point."""
    kept = "\n\t" if lines else ""
    return "".join(
        c if c in kept or unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Zl", "Zp"} else _code_point(c)
        for c in without_codes(text)
    )


def _code_point(character: str) -> str:
    return {"\n": "⏎", "\t": " "}.get(character, f"\\u{ord(character):04x}")


def shortened(text: str, limit: int) -> str:
    """At most `limit` characters, made visible, with how many there were."""
    return visible(text) if len(text) <= limit else f"{visible(text[:limit])}… ({len(text):,} characters)"


def code(text: object, limit: int = VALUE_LIMIT) -> Markup:
    """A code span that holds the text, on one line, also within a table."""
    inside = shortened(str(text), limit).replace("|", "\\|")
    run = max((len(found) for found in re.findall("`+", inside)), default=0)
    fence = "`" * (run + 1)
    padding = " " if inside[:1] in {"`", " ", ""} or inside[-1:] in {"`", " "} else ""
    return Markup(f"{fence}{padding}{inside or ' '}{padding}{fence}")  # noqa: S704  the span is the escape


def name(text: object) -> Markup:
    """A code span for a name."""
    return code(text, NAME_LIMIT)


def block(text: str, language: str = "text", limit: int = 4000) -> Markup:
    """A fenced block that holds the text, cut at whole lines."""
    inside = visible(text, lines=True)
    if len(inside) > limit:
        cut = inside[:limit].rpartition("\n")[0] or inside[:limit]
        inside = f"{cut}\n… ({len(inside):,} characters)"
    run = max((len(found) for found in re.findall("`+", inside)), default=0)
    fence = "`" * max(3, run + 1)
    return Markup(f"{fence}{language}\n{inside}\n{fence}")  # noqa: S704  the block is the escape


def html(text: object) -> Markup:
    """`<code>` for where Markdown is not read, such as a `<summary>`."""
    return Markup("<code>{}</code>").format(escape(shortened(str(text), NAME_LIMIT)))
