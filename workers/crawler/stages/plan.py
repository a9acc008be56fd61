"""Starts crawls that are due, and keeps a small window of each host's URLs in the fetch queue.

A pump message comes back every few seconds for each crawl. Its turn is taken by a conditional write first, so that
copies die out; a crawl whose pump was lost is revived by any idle planner.
"""

import asyncio
import hashlib
import math
from collections.abc import Sequence

from crawler.context import Context
from crawler.frontier.crawls import Schedule, View, crawl_id
from crawler.frontier.rows import Host, Kind, Row
from crawler.frontier.table import Frontier
from crawler.messages import Fetch, Message, Pump
from crawler.outcome import (
    Advance,
    Dead,
    Discover,
    Done,
    Finish,
    Move,
    Moves,
    Outcome,
    Send,
    StartCrawl,
    Write,
)
from crawler.settings import Settings
from crawler.shops import Shop
from crawler.urls import Scope, host_of

_REFUSED_AT_ONCE = 90


def deduplication_id(crawl: str, url: str, attempt: int) -> str:
    """What SQS remembers for five minutes: the same attempt is never queued twice, the next one is."""
    return hashlib.sha256(f"{crawl}\n{url}\n{attempt}".encode()).hexdigest()


def window(settings: Settings, delay_s: float) -> int:
    """URLs of a host that may wait at once: enough to keep it busy until after the next pump."""
    return max(settings.window, math.ceil(2 * settings.pump_interval_s / max(delay_s, 0.02)))


def is_due(shop: Shop, schedule: Schedule, now: float) -> bool:
    """Whether a crawl of the shop is to start: none is under way, and the last is old enough or one was asked for."""
    if schedule.last_crawl is None:
        return True
    if schedule.crawl is not None and schedule.crawl.finished_at is None:
        return False
    return (
        schedule.requested_at > schedule.last_started_at
        or now >= schedule.last_started_at + shop.every_hours * 3_600
    )


class Plan:
    """The plan stage."""

    idle_every_s = 3.0

    def __init__(self, frontier: Frontier) -> None:
        self._frontier = frontier

    # ---- idle: crawls to start or to revive

    async def idle(self, context: Context) -> Sequence[Done]:
        """Crawls that are due start; those whose pump was lost get it back."""
        now = context.now()
        schedules = await asyncio.to_thread(context.crawls.schedules, list(context.shops))
        outcomes: list[Done] = []
        for name, schedule in schedules.items():
            shop, crawl = context.shops[name], schedule.crawl
            if is_due(shop, schedule, now):
                started = crawl_id(name, now)
                start = StartCrawl(started, name, now, schedule.last_crawl)
                first = Send("plan", Pump(crawl=started, shop=name, turn=0))
                outcomes.append(Done(writes=(start,), sends=(first,), note="crawl started"))
            elif (
                crawl is not None and crawl.finished_at is None and now - crawl.pump_at > _lost_after(context)
            ):
                again = Send("plan", Pump(crawl=crawl.id, shop=name, turn=crawl.turn))
                outcomes.append(Done(sends=(again,), note="pump revived"))
        return outcomes

    # ---- the pump

    async def handle(self, message: Message, row: Row | None, context: Context) -> Outcome:  # noqa: ARG002, PLR0911
        """One turn of a crawl's pump."""
        if not isinstance(message, Pump):
            return Dead("not a pump message", poison=True)
        shop = context.shops.get(message.shop)
        if shop is None:
            return Dead(f"no shop definition named {message.shop!r}", poison=True)
        robots_urls = {host: shop.robots_url(host) for host in shop.hosts}
        view = await asyncio.to_thread(
            context.crawls.view, message.crawl, list(shop.hosts), list(robots_urls.values())
        )
        crawl = view.crawl
        if crawl is None:
            return Done(note="crawl unknown")
        if crawl.finished_at is not None or crawl.turn != message.turn:
            return Done(note="stale turn")
        now = context.now()
        advance = Advance(message.crawl, message.turn, now)
        if message.turn == 0:
            return Done(
                writes=(advance, _seeds(message.crawl, shop, view, now)),
                sends=(_next(message, 0.0),),
                note="crawl seeded",
            )
        if crawl.open == 0:
            return Done(writes=(Finish(message.crawl, now),), note="crawl finished")
        writes: list[Write] = [advance]
        sends: list[Send] = []
        for host in shop.hosts:
            some_writes, some_sends = await self._host(message, shop, host, view, context)
            writes += some_writes
            sends += some_sends
        # With nothing left in the fetch queue the next rows are awaited more closely.
        interval = context.settings.pump_interval_s
        hungry = crawl.counters["queued"] + len(sends) < len(shop.hosts) * 5
        return Done(
            writes=tuple(writes),
            sends=(*sends, _next(message, min(1.0, interval) if hungry else interval)),
            note="pumped",
        )

    async def _host(
        self, message: Pump, shop: Shop, host: str, view: View, context: Context
    ) -> tuple[list[Write], list[Send]]:
        settings, now = context.settings, context.now()
        known = view.hosts.get(host)
        if known is None or known.expires_at <= now:
            return await self._robots(message, shop, host, view, context)
        if known.verdict == "unreachable":
            rows = await self._due(message.crawl, host, now, _REFUSED_AT_ONCE)
            refused = tuple(
                Move(row, "dead", reason="robots unreachable", counters={"refused": 1}) for row in rows
            )
            return ([Moves(refused)] if refused else []), []
        size = window(settings, max(shop.delay_s, known.delay_s))
        again = await self._resend(message, host, view, context, size)
        if len(shop.hosts) == 1 and view.crawl is not None:
            waiting = view.crawl.counters["queued"]
        else:
            waiting = await asyncio.to_thread(self._frontier.count, message.crawl, host, "queued")
        rows = await self._due(message.crawl, host, now, size - waiting) if waiting < size else []
        return _queue([*rows, *again], now + settings.resend_after_s)

    async def _due(self, crawl: str, host: str, now: float, limit: int) -> list[Row]:
        return await asyncio.to_thread(self._frontier.pending, crawl, host, "discovered", now, limit)

    async def _resend(self, message: Pump, host: str, view: View, context: Context, limit: int) -> list[Row]:
        """Rows whose message should have come long ago; looked for every few turns."""
        settings = context.settings
        every = max(1, int(settings.resend_after_s / max(settings.pump_interval_s, 0.1) / 4))
        if message.turn % every or view.crawl is None or not view.crawl.counters["queued"]:
            return []
        return await asyncio.to_thread(
            self._frontier.pending, message.crawl, host, "queued", context.now(), limit
        )

    async def _robots(
        self, message: Pump, shop: Shop, host: str, view: View, context: Context
    ) -> tuple[list[Write], list[Send]]:
        """Before a host's rules are known nothing but its robots.txt is sent."""
        now = context.now()
        url = shop.robots_url(host)
        row = view.robots.get(url)
        if row is None:
            return [_robots_row(message.crawl, shop, url, now)], []
        if row.state in {"done", "dead"}:
            waiting = await self._due(message.crawl, host, now, 1)
            if not waiting:
                return [], []
            return [Moves((Move(row, "discovered", attempts=0, due_at=now),))], []
        if row.due_at > now:
            return [], []  # a retry that rests, or a message on its way
        return _queue([row], now + context.settings.resend_after_s)


def _lost_after(context: Context) -> float:
    return 3 * context.settings.pump_interval_s + context.settings.visibility_s


def _next(message: Pump, delay_s: float) -> Send:
    return Send("plan", Pump(crawl=message.crawl, shop=message.shop, turn=message.turn + 1), delay_s=delay_s)


def _queue(rows: Sequence[Row], resend_at: float) -> tuple[list[Write], list[Send]]:
    """Rows as queued first, their messages after: what is lost in between is sent again later."""
    if not rows:
        return [], []
    moves = tuple(Move(row, "queued", due_at=resend_at) for row in rows)
    return [Moves(moves)], [fetch_message(row) for row in rows]


def fetch_message(row: Row) -> Send:
    """The message that has a row's URL fetched."""
    shop = row.crawl.rpartition("-")[0]
    message = Fetch(
        crawl=row.crawl,
        shop=shop,
        url=row.url,
        host=row.host,
        kind=row.kind,
        depth=row.depth,
        attempt=row.attempts,
    )
    return Send(
        "fetch", message, group=row.host, deduplication=deduplication_id(row.crawl, row.url, row.attempts)
    )


def _robots_row(crawl: str, shop: Shop, url: str, now: float) -> Discover:
    row = Row(crawl, url, host_of(url), kind="robots", due_at=now)
    return Discover(crawl, (row,), shop.max_urls, shop.max_urls_per_pattern)


def _seeds(crawl: str, shop: Shop, view: View, now: float) -> Discover:
    """Seeds, the definition's own sitemaps, and robots.txt of every host that is not known well enough."""
    scope = Scope(shop)
    rows = [
        Row(crawl, url, host_of(url), kind="robots", due_at=now)
        for host in shop.hosts
        for url in [shop.robots_url(host)]
        if not _is_fresh(view.hosts.get(host), now)
    ]
    given_urls: dict[Kind, tuple[str, ...]] = {"page": shop.seeds, "sitemap": shop.sitemaps}
    for kind, urls in given_urls.items():
        for given in urls:
            url = scope.canonical(given)
            if url is not None and scope.holds(url, page=False):
                rows.append(Row(crawl, url, host_of(url), kind=kind, due_at=now))
    return Discover(crawl, tuple(rows), shop.max_urls, shop.max_urls_per_pattern)


def _is_fresh(host: Host | None, now: float) -> bool:
    return host is not None and host.expires_at > now
