"""One page: its links, and the product it is about."""

from dataclasses import dataclass
from urllib.parse import urljoin

import msgspec
from selectolax.lexbor import LexborHTMLParser

from crawler.charset import decode_html
from crawler.extract.jsonld import read_jsonld
from crawler.extract.microdata import read_microdata
from crawler.extract.nodes import Node, breadcrumbs, text_of, top_products, value_of
from crawler.extract.opengraph import read_opengraph
from crawler.extract.product import has_offer, item_of, same_product
from crawler.extract.selectors import read_selectors
from crawler.messages import Item
from crawler.shops import Shop
from crawler.urls import Scope

_MOST_LINKS = 5_000


@dataclass(frozen=True, slots=True)
class Found:
    """What a page gives."""

    links: tuple[str, ...]
    """Absolute URLs, as written, in order."""
    items: tuple[Item, ...]


def read_page(body: bytes, content_type: str, url: str, shop: Shop) -> Found:
    """The links and the product of a page.

    Args:
        body: as served, without its content encoding.
        content_type: the header's value.
        url: the page's canonical URL.
        shop: whose page it is.
    """
    html = decode_html(body, content_type)
    if not html.strip():
        return Found((), ())
    tree = LexborHTMLParser(html)
    base = _base(tree, url)
    item = _item(tree, html, url, base, shop)
    return Found(_links(tree, base), (item,) if item else ())


def _base(tree: LexborHTMLParser, url: str) -> str:
    node = tree.css_first("base[href]")
    try:
        return urljoin(url, (node.attributes.get("href") or "").strip()) if node else url
    except ValueError:
        return url


def _links(tree: LexborHTMLParser, base: str) -> tuple[str, ...]:
    """What a polite crawler may follow: `nofollow`, on a link or for the page, asks it not to, and is honoured."""
    for meta in tree.css("meta[name][content]"):
        if (meta.attributes.get("name") or "").lower() == "robots":
            rules = (meta.attributes.get("content") or "").lower().replace(",", " ").split()
            if "nofollow" in rules or "none" in rules:
                return ()
    links: dict[str, None] = {}
    for node in tree.css("a[href], area[href], link[rel=next][href]"):
        href = (node.attributes.get("href") or "").strip()
        if not href or href.startswith(("#", "javascript:", "mailto:", "tel:", "data:")):
            continue
        if "nofollow" in (node.attributes.get("rel") or "").lower().split():
            continue
        try:
            links[urljoin(base, href)] = None
        except ValueError:
            continue
        if len(links) >= _MOST_LINKS:
            break
    return tuple(links)


def _item(tree: LexborHTMLParser, html: str, url: str, base: str, shop: Shop) -> Item | None:
    own_url = _own_url(tree, url, base, shop)
    heading = tree.css_first("h1")
    title = text_of(heading.text(separator=" ")) if heading else None
    item: Item | None = None
    crumbs: list[list[str]] = []
    for data in (read_jsonld(tree), read_microdata(html, base)):
        crumbs += list(breadcrumbs(data))
        node = _main_product(list(top_products(data)), url, base, title)
        found = item_of(node, own_url, base, shop.currency) if node is not None else None
        if found is not None:
            item = found if item is None else _fill(item, found)
    if item is None:
        item = read_opengraph(tree, own_url, base, shop.currency)
    if shop.selectors is not None:
        by_css = read_selectors(tree, shop.selectors, own_url, base, shop.currency)
        item = by_css if item is None else _fill(item, by_css) if by_css else item
    if item is not None and item.category is None:
        item = msgspec.structs.replace(item, category=_category(crumbs, item.name))
    return item


def _own_url(tree: LexborHTMLParser, url: str, base: str, shop: Shop) -> str:
    """The page's own idea of its address, where it stays within the shop; an item may be linked under several."""
    node = tree.css_first("link[rel=canonical][href]")
    if node is None:
        return url
    scope = Scope(shop)
    try:
        given = scope.canonical(urljoin(base, node.attributes.get("href") or ""))
    except ValueError:
        return url
    return given if given and scope.holds(given, page=False) else url


def _main_product(nodes: list[Node], url: str, base: str, title: str | None) -> Node | None:
    """The product a page is about.

    A single product is it, if it is offered. Of several, the one that names this page's address or its heading; a
    page with several and no such one is a listing, whose teasers are no items: each has a page of its own.
    """
    offered = [node for node in nodes if has_offer(node)]
    if not offered:
        return nodes[0] if len(nodes) == 1 and text_of(value_of(nodes[0], "name")) == title else None
    distinct: list[Node] = []
    for node in offered:
        if not any(same_product(node, other) for other in distinct):
            distinct.append(node)
    if len(distinct) == 1:
        return distinct[0]
    for node in distinct:
        own = value_of(node, "url") or node.get("@id")
        if isinstance(own, str) and urljoin(base, own).partition("#")[0].rstrip("/") == url.rstrip("/"):
            return node
    named = [node for node in distinct if title and text_of(value_of(node, "name")) == title]
    return named[0] if len(named) == 1 else None


def _fill(item: Item, other: Item) -> Item:
    """The item, with what it lacks from another reading of the same page. Price and currency come together."""
    values = msgspec.structs.asdict(item)
    for name, value in msgspec.structs.asdict(other).items():
        if values[name] in (None, []) and name != "currency":
            values[name] = value
    if item.price is None:
        values["currency"] = other.currency
    return Item(**values)


def _category(crumbs: list[list[str]], name: str) -> str | None:
    """The last step of the breadcrumbs that is neither the product itself nor the shop's front page."""
    for trail in crumbs:
        steps = [step for step in trail if step != name and step.lower() not in {"home", "start", "homepage"}]
        if steps:
            return steps[-1][:500]
    return None
