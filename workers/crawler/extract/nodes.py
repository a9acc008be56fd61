"""Schema.org nodes: dicts as JSON-LD has them; microdata is brought into the same form."""

import html
import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

Node = Mapping[str, Any]

_PRODUCTS = {"product", "productgroup", "productmodel", "individualproduct", "someproducts", "vehicle", "car"}
_DEEPEST = 12


def type_names(node: Node) -> set[str]:
    """The node's types, lower case, without their vocabulary."""
    given = node.get("@type")
    values = cast("list[object]", given) if isinstance(given, list) else [given]
    return {re.split(r"[/#:]", str(value))[-1].lower() for value in values if value}


def is_product(node: Node) -> bool:
    """Whether the node describes something for sale."""
    return bool(type_names(node) & _PRODUCTS)


def value_of(node: Node, name: str) -> Any:
    """A property by its name in any case; None where it is absent or empty."""
    value = node.get(name)
    if value in (None, "", [], {}):
        for key, other in node.items():
            if key.lower() == name.lower() and other not in (None, "", [], {}):
                return other
        return None
    return value


def listed(value: Any) -> list[Any]:
    """The value as a list."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def text_of(value: Any) -> str | None:
    """The value as one line of text: entities resolved, white space folded; of an object its name."""
    if isinstance(value, list | tuple):
        return next((text for text in map(text_of, value) if text), None)
    if isinstance(value, dict):
        node = cast("Node", value)
        return text_of(value_of(node, "name") or node.get("@value"))
    if value is None or isinstance(value, bool):
        return None
    text = html.unescape(html.unescape(str(value)))
    text = re.sub(r"<[^<>]{1,200}>", " ", text) if "<" in text else text
    return " ".join(text.split()) or None


def top_products(data: Any, depth: int = 0) -> Iterator[Node]:
    """Products that stand for themselves, not those nested in another (variants, related ones, reviewed items)."""
    if depth > _DEEPEST:
        return
    if isinstance(data, list):
        for part in cast("list[Any]", data):
            yield from top_products(part, depth + 1)
    elif isinstance(data, dict):
        node = cast("Node", data)
        if is_product(node):
            yield node
            return
        for key in (
            "@graph",
            "mainEntity",
            "mainEntityOfPage",
            "itemListElement",
            "item",
            "itemOffered",
            "about",
        ):
            yield from top_products(node.get(key), depth + 1)


def breadcrumbs(data: Any, depth: int = 0) -> Iterator[list[str]]:
    """Names along each breadcrumb trail, in order."""
    if depth > _DEEPEST:
        return
    if isinstance(data, list):
        for part in cast("list[Any]", data):
            yield from breadcrumbs(part, depth + 1)
    elif isinstance(data, dict):
        node = cast("Node", data)
        if "breadcrumblist" in type_names(node):
            yield _trail(node)
            return
        for key in ("@graph", "breadcrumb", "mainEntity"):
            yield from breadcrumbs(node.get(key), depth + 1)


def _trail(node: Node) -> list[str]:
    steps: list[tuple[float, str]] = []
    for number, step in enumerate(listed(value_of(node, "itemListElement"))):
        if not isinstance(step, dict):
            continue
        entry = cast("Node", step)
        name = text_of(value_of(entry, "name")) or text_of(value_of(entry, "item"))
        try:
            position = float(str(value_of(entry, "position") or number))
        except ValueError:
            position = float(number)
        if name:
            steps.append((position, name))
    return [name for _, name in sorted(steps, key=lambda step: step[0])]
