"""Microdata, read by extruct and brought into the form of JSON-LD."""

from typing import Any, cast

from extruct.w3cmicrodata import MicrodataExtractor


def read_microdata(html: str, url: str) -> list[Any]:
    """The page's top-level items as JSON-LD nodes; none where the page has no product or breadcrumb in microdata.

    Reading costs an own parse of the page, so it is only done where the vocabulary is mentioned.
    """
    if "itemprop" not in html or not ("schema.org/" in html or "data-vocabulary.org/" in html):
        return []
    try:
        items = MicrodataExtractor().extract(html, base_url=url)
    except (
        ValueError,
        TypeError,
        RecursionError,
    ):  # lxml's own refusals: empty documents, control characters
        return []
    return [_node(item, 0) for item in cast("list[Any]", items)]


def _node(value: Any, depth: int) -> Any:
    if depth > 12:
        return None
    if isinstance(value, list):
        return [_node(part, depth + 1) for part in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    given = cast("dict[str, Any]", value)
    if "type" not in given and "properties" not in given:
        return given
    properties = cast("dict[str, Any]", given.get("properties", {}))
    node: dict[str, Any] = {
        name.rsplit("/", 1)[-1]: _node(part, depth + 1) for name, part in properties.items()
    }
    node["@type"] = given.get("type")
    return node
