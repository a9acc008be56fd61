"""Label selectors: ``a``, ``a==b``, ``a!=b``, ``a in (x,y)``, ``a notin (x)``, a comma for and (LabelSelector)."""

import re
from collections.abc import Mapping

from local.mesos.marathon.errors import IllegalArgumentError

_TERM = re.compile(
    r"\s*(?P<key>[A-Za-z0-9_./-]+)\s*"
    r"(?:(?P<compare>==|!=)\s*(?P<value>[^\s,()]+)|(?P<within>in|notin)\s*\((?P<values>[^()]*)\))?\s*(?:,|$)"
)


def matches(selector: str, labels: Mapping[str, str]) -> bool:
    """Whether labels meet every term of a selector.

    Raises:
        IllegalArgumentError: the selector does not parse.
    """
    at, met = 0, True
    while at < len(selector):
        term = _TERM.match(selector, at)
        if term is None:
            raise IllegalArgumentError(f"Can not parse label selector '{selector}' at character {at}")
        at = term.end()
        met = met and _holds(term, labels)
    return met


def _holds(term: re.Match[str], labels: Mapping[str, str]) -> bool:
    value = labels.get(term["key"])
    if term["compare"]:
        return (value == term["value"]) is (term["compare"] == "==")
    if term["within"]:
        inside = value in {each.strip() for each in term["values"].split(",")}
        return inside is (term["within"] == "in")
    return value is not None
