"""The request for robots.txt, and what each answer means. Source: RFC 9309, 2.3."""

from urllib.parse import urlsplit

from crawler.context import Context
from crawler.errors import RefusedError, UnreachableError
from crawler.frontier.rows import Host, Row
from crawler.http import Client, Response
from crawler.outcome import Discover, Done, KeepHost, Move, Outcome, Pause, Retry
from crawler.robots import FRESH_S, LONGEST, UNREACHABLE_S, Robots, compress
from crawler.shops import Shop
from crawler.urls import Scope, host_of

MAX_HOPS = 5
MAX_PAUSES = 10


async def fetch_robots(client: Client, row: Row, shop: Shop, context: Context) -> Outcome:
    """One host's robots.txt.

    2xx: its rules. 4xx: everything is allowed. 5xx or no answer: hold off, and after the last attempt nothing of the
    host is asked for. Redirects are followed at once, five at most; after that, as where there is no file.
    """
    try:
        response = await _follow(client, row.url)
    except RefusedError as error:
        return _unreachable(row, str(error), shop, context, at_once=True)
    except UnreachableError as error:
        return _unreachable(row, str(error), shop, context)
    now = context.now()
    if response is None or (400 <= response.status < 500 and response.status != 429):
        host = Host(row.host, "open", now + FRESH_S)
        return _known(row, host, (), shop, shop.delay_s)
    if response.status in {429, 503} and row.pauses < MAX_PAUSES:
        seconds = max(response.retry_after_s or context.backoff(row.pauses), shop.delay_s)
        due_at = now + seconds + context.settings.resend_after_s
        return Pause(
            seconds,
            f"http {response.status}",
            marks=(Move(row, "queued", pauses=row.pauses + 1, due_at=due_at),),
        )
    if not 200 <= response.status < 300:
        return _unreachable(row, f"http {response.status}", shop, context)
    text = response.body.decode("utf-8", "replace").removeprefix("\ufeff")
    rules = Robots(text, context.settings.user_agent)
    host = Host(row.host, "rules", now + FRESH_S, rules.delay_s, compress(text))
    return _known(row, host, _sitemaps(row, rules, shop, now), shop, max(shop.delay_s, rules.delay_s))


async def _follow(client: Client, url: str) -> Response | None:
    for _ in range(MAX_HOPS + 1):
        response = await client.get(url, accept="text/plain,*/*;q=0.1", limit=LONGEST)
        if not 300 <= response.status < 400:
            return response
        if response.location is None or urlsplit(response.location).scheme not in {"http", "https"}:
            return None
        url = response.location
    return None


def _sitemaps(row: Row, rules: Robots, shop: Shop, now: float) -> tuple[Row, ...]:
    scope = Scope(shop)
    urls = dict.fromkeys(scope.canonical(url) for url in rules.sitemaps[:100])
    return tuple(
        Row(row.crawl, url, host_of(url), kind="sitemap", due_at=now)
        for url in urls
        if url is not None and scope.holds(url, page=False)
    )


def _known(row: Row, host: Host, sitemaps: tuple[Row, ...], shop: Shop, cooldown_s: float) -> Done:
    found = (Discover(row.crawl, sitemaps, shop.max_urls, shop.max_urls_per_pattern),) if sitemaps else ()
    return Done(
        writes=(KeepHost(host), *found),
        marks=(Move(row, "done"),),
        cooldown_s=cooldown_s,
        note="robots known",
    )


def _unreachable(row: Row, reason: str, shop: Shop, context: Context, *, at_once: bool = False) -> Outcome:
    host = Host(row.host, "unreachable", context.now() + UNREACHABLE_S)
    if at_once:
        mark = Move(row, "dead", reason=reason)
        return Done(writes=(KeepHost(host),), marks=(mark,), cooldown_s=shop.delay_s, note="robots refused")
    return Retry(reason, cooldown_s=shop.delay_s, writes_at_limit=(KeepHost(host),))
