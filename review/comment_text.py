"""The text of a pull request comment: within GitHub's limit, and harmless where strangers wrote it."""

from __future__ import annotations

import re

from review.errors import ReviewError

LIMIT = 65_536
"""Characters that GitHub takes in a comment (REST API, Issue comments)."""

_MARKER = re.compile(r"<!-- trawler-preview:([a-z][a-z0-9-]{0,39}) -->")
_CUT = "\n\n*The report is longer than a comment may be; the rest is in the log of the run.*\n"
_STRANGER = (
    "> **This report was made by code of a fork**, in a job without credentials. That code may have written "
    "anything here: judge the diff, not this text.\n\n"
)

# Characters that are not shown, or that change the order in which others are (Unicode Bidirectional Algorithm).
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_FOLDS = re.compile(r"&lt;(/?(?:details|summary))&gt;")
_BREAK = "\u200b"
_LINKING = (
    (re.compile(r"@(?=\w)"), "@" + _BREAK),  # mentions
    (re.compile(r"#(?=\d)"), "#" + _BREAK),  # references, which write into other threads
    (re.compile(r"\bGH-(?=\d)", re.IGNORECASE), "GH" + _BREAK + "-"),
    (re.compile(r"!\["), "!" + _BREAK + "["),  # images, which tell their server who looks
    (re.compile(r"\](?=[(:\[])"), "]" + _BREAK),  # links that say one thing and lead to another
    (re.compile(r":(?=//)"), ":" + _BREAK),
    (re.compile(r"\bwww(?=\.)", re.IGNORECASE), "www" + _BREAK),
)


def marker(stack: str) -> str:
    """The first line of a stack's comment, by which the next run finds it."""
    return f"<!-- trawler-preview:{stack} -->"


def stack_of(text: str) -> str:
    """The stack whose report a text is.

    Raises:
        ReviewError: its first line is not the marker of a stack.
    """
    match = _MARKER.fullmatch(text.partition("\n")[0].strip())
    if not match:
        raise ReviewError("not a preview report: its first line must be '<!-- trawler-preview:STACK -->'")
    return match[1]


def comment(text: str, *, untrusted: bool = False) -> str:
    """A report as a comment.

    Args:
        text: a report that begins with its marker.
        untrusted: strangers may have written it: no HTML but folds, no link, image, mention or reference works.

    Returns:
        The marker and the report, at most `LIMIT` characters, cut at a line's end with a word about it.

    Raises:
        ReviewError: it is no report.
    """
    stack = stack_of(text)
    body = text.partition("\n")[2]
    if untrusted:
        body = _STRANGER + disarmed(body)
    # A second marker would be found by the next run of another stack.
    return within(f"{marker(stack)}\n{_MARKER.sub('', body)}", LIMIT)


def disarmed(text: str) -> str:
    """Text in which nothing works but Markdown's own emphasis, code, tables and folds."""
    text = _UNSEEN.sub("", text.replace("\r\n", "\n"))
    text = text.replace("<", "&lt;").replace(">", "&gt;")
    # Quotations begin a line with it; no tag does.
    text = re.sub(r"(?m)^((?:&gt; ?)+)", lambda m: m[1].replace("&gt;", ">"), text)
    text = _FOLDS.sub(r"<\1>", text)
    for pattern, harmless in _LINKING:
        text = pattern.sub(harmless, text)
    return text


def within(text: str, limit: int) -> str:
    """The text, cut at the end of a line where it is longer, its open folds and code closed."""
    if len(text) <= limit:
        return text
    closing = "\n```" + "\n</details>" * 10
    kept = text[: limit - len(_CUT) - len(closing)]
    kept = kept[: kept.rfind("\n")] if "\n" in kept else kept
    if len(re.findall(r"(?m)^\s*```", kept)) % 2:
        kept += "\n```"
    open_folds = max(0, kept.count("<details>") - kept.count("</details>"))
    return kept + "\n</details>" * min(open_folds, 10) + _CUT
