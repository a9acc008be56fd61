"""One GET a message: robots.txt obeyed, redirects as new rows, bodies handed on to parse."""

import asyncio
from dataclasses import dataclass

from crawler.context import Context
from crawler.errors import RefusedError, UnreachableError
from crawler.frontier.rows import Row
from crawler.http import Client, Response
from crawler.messages import Fetch, Message, Parse
from crawler.outcome import Dead, Discover, Done, KeepPage, Move, Outcome, Pause, Retry, Send, Write
from crawler.pages import INLINE_LIMIT, key_of, pack
from crawler.robots import Robots
from crawler.shops import Shop
from crawler.stages.robots import fetch_robots
from crawler.urls import Scope, host_of

MAX_HOPS = 5
MAX_PAUSES = 10
"""Answers of 429 or 503 to one URL before they count as failures."""
_HTML = ("text/html", "application/xhtml+xml")
_TRY_AGAIN = {408, 425}


@dataclass(frozen=True, slots=True)
class _Visit:
    message: Fetch
    row: Row
    shop: Shop
    rules: Robots
    delay_s: float


class FetchStage:
    """The fetch stage."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def handle(self, message: Message, row: Row | None, context: Context) -> Outcome:  # noqa: PLR0911
        """Requests the URL, unless its row has moved on or robots.txt forbids it."""
        if not isinstance(message, Fetch):
            return Dead("not a fetch message", poison=True)
        shop = context.shops.get(message.shop)
        if shop is None:
            return Dead(f"no shop definition named {message.shop!r}", poison=True)
        if row is None:
            return Done(note="row unknown")
        if row.state != "queued" or row.attempts != message.attempt:
            return Done(note="already settled")
        if row.kind == "robots":
            return await fetch_robots(self._client, row, shop, context)
        known = await context.robots(row.host)
        if known is None:
            # The pump sends robots.txt first, and this row again after it.
            return Done(marks=(Move(row, "discovered", due_at=context.now()),), note="robots not known")
        host, rules = known
        if host.verdict == "unreachable":
            return Dead("robots unreachable", counters={"refused": 1})
        if not rules.allows(row.url):
            return Dead("robots", counters={"refused": 1})
        delay_s = max(shop.delay_s, host.delay_s)
        return await self._visit(_Visit(message, row, shop, rules, delay_s), context)

    async def _visit(self, visit: _Visit, context: Context) -> Outcome:
        row, delay_s = visit.row, visit.delay_s
        page = row.kind == "page"
        try:
            response = await self._client.get(
                row.url,
                accept="text/html,application/xhtml+xml;q=0.9,*/*;q=0.1" if page else "*/*",
                wants=_wants_page if page else _wants_sitemap,
            )
        except RefusedError as error:
            return Dead(str(error), cooldown_s=delay_s)
        except UnreachableError as error:
            return Retry(str(error), cooldown_s=delay_s)
        return await self._answer(visit, response, context)

    async def _answer(self, visit: _Visit, response: Response, context: Context) -> Outcome:  # noqa: PLR0911
        row, delay_s, status = visit.row, visit.delay_s, response.status
        if status in {429, 503} and row.pauses < MAX_PAUSES:
            return pause(row, response, delay_s, context)
        if status >= 500 or status in _TRY_AGAIN or status == 429:
            return Retry(f"http {status}", cooldown_s=delay_s)
        if 300 <= status < 400:
            return _redirect(visit, response, context.now())
        if status >= 400 or status < 200:
            return Dead(f"http {status}", cooldown_s=delay_s)
        if row.kind == "page" and not _is_html(response):
            kind = response.content_type.partition(";")[0].strip() or "no content type"
            return Done(
                marks=(Move(row, "done", reason=f"not HTML: {kind}"[:200]),),
                cooldown_s=delay_s,
                note="ignored",
            )
        if response.truncated:
            return Dead("body over the size limit", cooldown_s=delay_s)
        return await _hand_on(visit, response, context.now())


def pause(row: Row, response: Response, delay_s: float, context: Context) -> Pause:
    """The host's rest after 429 or 503: what it asked for, else longer each time."""
    seconds = response.retry_after_s
    if seconds is None:
        seconds = context.backoff(row.pauses)
    seconds = max(seconds, delay_s)
    mark = Move(
        row,
        "queued",
        pauses=row.pauses + 1,
        due_at=context.now() + seconds + context.settings.resend_after_s,
    )
    return Pause(seconds, f"http {response.status}", marks=(mark,))


def _wants_page(status: int, content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return status == 200 and (not kind or kind in _HTML)


def _wants_sitemap(status: int, content_type: str) -> bool:
    return status == 200 and not content_type.lower().startswith(("image/", "video/", "audio/"))


def _is_html(response: Response) -> bool:
    kind = response.content_type.partition(";")[0].strip().lower()
    if kind:
        return kind in _HTML
    return b"<html" in response.body[:1_024].lower() or b"<!doctype html" in response.body[:1_024].lower()


def _redirect(visit: _Visit, response: Response, now: float) -> Outcome:
    """The row is done; where it leads is a row of its own, in its own host's group."""
    row, cooldown_s = visit.row, visit.delay_s
    scope = Scope(visit.shop)
    target = scope.canonical(response.location) if response.location else None
    if target is None:
        return Dead(f"http {response.status} without a usable target", cooldown_s=cooldown_s)
    if target == row.url:
        return Dead("redirect to itself", cooldown_s=cooldown_s)
    if row.hops >= MAX_HOPS:
        return Dead("too many redirects", cooldown_s=cooldown_s)
    writes: tuple[Write, ...] = ()
    if scope.holds(target, page=row.kind == "page"):
        to = Row(
            row.crawl,
            target,
            host_of(target),
            kind=row.kind,
            depth=row.depth,
            hops=row.hops + 1,
            due_at=now,
        )
        writes = (Discover(row.crawl, (to,), visit.shop.max_urls, visit.shop.max_urls_per_pattern),)
    mark = Move(row, "done", reason=f"http {response.status} to {target}"[:500])
    return Done(writes=writes, marks=(mark,), cooldown_s=cooldown_s, note="redirected")


async def _hand_on(visit: _Visit, response: Response, now: float) -> Outcome:
    row = visit.row
    large = len(response.body) > 4 * INLINE_LIMIT
    packed = await asyncio.to_thread(pack, response.body) if large else pack(response.body)
    inline = len(packed) <= INLINE_LIMIT
    key = None if inline else key_of(row.crawl, row.url)
    message = Parse(
        crawl=row.crawl,
        shop=visit.shop.name,
        url=row.url,
        host=row.host,
        kind=row.kind,
        depth=row.depth,
        content_type=response.content_type[:200],
        body=packed if inline else None,
        page=key,
        fetched_at=now,
    )
    return Done(
        writes=(KeepPage(key, packed),) if key else (),
        sends=(Send("parse", message),),
        marks=(Move(row, "fetched"),),
        cooldown_s=visit.delay_s,
        note="fetched",
    )
