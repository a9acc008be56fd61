"""Links and items of one page; URLs of one sitemap."""

import asyncio

from crawler.context import Context
from crawler.extract.page import Found, read_page
from crawler.extract.sitemap import read_sitemap
from crawler.frontier.rows import Kind, Row
from crawler.http import BODY_LIMIT
from crawler.messages import Message, Parse, Store
from crawler.outcome import Dead, Discover, Done, Move, Outcome, Send, Write
from crawler.pages import unpack
from crawler.shops import Shop
from crawler.urls import Scope, host_of

SITEMAP_DEPTH = 3
"""An index may name indexes, so deep."""


class ParseStage:
    """The parse stage."""

    async def handle(self, message: Message, row: Row | None, context: Context) -> Outcome:  # noqa: PLR0911
        """New rows for the page's links; its items for store; done at once where it has none."""
        if not isinstance(message, Parse):
            return Dead("not a parse message", poison=True)
        shop = context.shops.get(message.shop)
        if shop is None:
            return Dead(f"no shop definition named {message.shop!r}", poison=True)
        if row is None:
            return Done(note="row unknown")
        if row.state not in {"queued", "fetched"}:
            return Done(note="already settled")
        body = message.body
        if body is None:
            if message.page is None or context.pages is None:
                return Dead("neither body nor page", poison=True)
            body = await asyncio.to_thread(context.pages.get, message.page)
        now = context.now()
        mark = Move(row, "done", also=frozenset({"queued", "fetched"}))
        if row.kind == "sitemap":
            rows = await asyncio.to_thread(_sitemap_rows, unpack(body, BODY_LIMIT), row, shop, now)
            return Done(writes=_discover(rows, row, shop), marks=(mark,), note="parsed")
        found = await asyncio.to_thread(
            read_page, unpack(body, BODY_LIMIT), message.content_type, row.url, shop
        )
        writes = _discover(_page_rows(found, row, shop, now), row, shop)
        if not found.items:
            return Done(writes=writes, marks=(mark,), note="parsed")
        store = Store(
            crawl=message.crawl,
            shop=message.shop,
            url=message.url,
            host=message.host,
            kind=message.kind,
            depth=message.depth,
            items=list(found.items),
            fetched_at=message.fetched_at,
        )
        # With items the row stays open until they are stored.
        return Done(writes=writes, sends=(Send("store", store),), note="parsed")


def _discover(rows: list[Row], row: Row, shop: Shop) -> tuple[Write, ...]:
    if not rows:
        return ()
    return (Discover(row.crawl, tuple(rows), shop.max_urls, shop.max_urls_per_pattern),)


def _new_row(row: Row, url: str, kind: Kind, depth: int, now: float) -> Row:
    return Row(row.crawl, url, host_of(url), kind=kind, depth=depth, due_at=now)


def _page_rows(found: Found, row: Row, shop: Shop, now: float) -> list[Row]:
    if row.depth >= shop.max_depth:
        return []
    scope = Scope(shop)
    urls = dict.fromkeys(scope.canonical(link) for link in found.links)
    return [
        _new_row(row, url, "page", row.depth + 1, now)
        for url in urls
        if url is not None and url != row.url and scope.holds(url)
    ]


def _sitemap_rows(body: bytes, row: Row, shop: Shop, now: float) -> list[Row]:
    """Pages of a sitemap count as seeds do: depth 0. Sitemaps of an index are one deeper than it."""
    scope = Scope(shop)
    pages, sitemaps = read_sitemap(body, row.url)
    rows: dict[str, Row] = {}
    by_kind: dict[Kind, list[str]] = {"page": pages, "sitemap": sitemaps if row.depth < SITEMAP_DEPTH else []}
    for kind, urls in by_kind.items():
        for given in urls:
            url = scope.canonical(given)
            if url is not None and scope.holds(url, page=kind == "page"):
                depth = 0 if kind == "page" else row.depth + 1
                rows.setdefault(url, _new_row(row, url, kind, depth, now))
    return list(rows.values())
