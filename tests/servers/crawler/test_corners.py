"""What shops do to crawlers, and what the crawler answers: whole crawls of small hostile shops."""

import gzip
import time
from typing import Any

from aiohttp import web

from crawler.frontier.rows import row_key
from tests.servers.crawler.support import (
    Answer,
    Cloud,
    TinyShop,
    crawl,
    define,
    links,
    product,
    until,
    workers,
)


def text(body: str, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    return lambda _request, _before: web.Response(text=body, status=status, headers=headers)


def sometimes(first: Answer, then: str) -> Answer:
    """One answer the first time, a page after that."""
    return lambda request, before: (
        web.Response(text=then, content_type="text/html") if before else first(request, before)
    )


def states(cloud: Cloud, shop: TinyShop) -> dict[str, tuple[str, str | None]]:
    return {
        url.removeprefix(shop.base): (row["state"], row.get("reason"))
        for url, row in cloud.rows().items()
        if not url.endswith("/robots.txt")
    }


async def test_every_corner_of_a_hostile_shop_has_its_answer(cloud: Cloud) -> None:
    pages: dict[str, str | bytes | Answer] = {
        "/": links(
            "/broken",
            "/flaky",
            "/busy",
            "/gone",
            "/loop",
            "/chain1",
            "/self",
            "/away",
            "/photo",
            "/big",
            "/trap/0",
        ),
        "/broken": text("no", 500),
        "/flaky": sometimes(text("oops", 500), product("FLAKY")),
        "/busy": sometimes(text("later", 429, headers={"Retry-After": "1"}), product("BUSY")),
        "/loop": lambda _r, _n: web.HTTPFound("/pool"),
        "/pool": lambda _r, _n: web.HTTPFound("/loop"),
        "/chain1": lambda _r, _n: web.HTTPFound("/chain2"),
        "/chain2": lambda _r, _n: web.HTTPMovedPermanently("/end?utm_source=chain"),
        "/end": product("END"),
        "/self": lambda _r, _n: web.HTTPFound("/self#again"),
        "/away": lambda _r, _n: web.HTTPFound("http://169.254.169.254/latest/meta-data/"),
        "/photo": lambda _r, _n: web.Response(body=b"\xff\xd8", content_type="image/jpeg"),
        # Does not compress: it must travel through the bucket.
        "/big": product("BIG", more="".join(f"<p>{row_key(str(n))}</p>" for n in range(8_000))),
        **{f"/trap/{n}": links(f"/trap/{n + 1}") for n in range(20)},
        "/only-in-sitemap": product("MAPPED"),
        "/index.xml": text(
            "<sitemapindex xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'><sitemap>"
            "<loc>SITE/inner.xml.gz</loc></sitemap></sitemapindex>"
        ),
    }
    shop = TinyShop(pages)
    async with shop.serve():
        inner = f"<urlset><url><loc>{shop.base}/only-in-sitemap</loc></url></urlset>".encode()
        pages["/inner.xml.gz"] = lambda _r, _n: web.Response(
            body=gzip.compress(inner), content_type="application/octet-stream"
        )
        index = f"<sitemapindex><sitemap><loc>{shop.base}/inner.xml.gz</loc></sitemap></sitemapindex>"
        pages["/index.xml"] = text(index, headers={"Content-Type": "application/xml"})
        shop.robots = text(f"Sitemap: {shop.base}/index.xml\nUser-agent: *\nDisallow:")
        define(cloud, "tiny", shop.base + "/", max_depth=3)
        await crawl(cloud, private_hosts=frozenset({shop.host}), max_attempts=3)
    assert set(cloud.stored()) == {"sku#FLAKY", "sku#BUSY", "sku#END", "sku#BIG", "sku#MAPPED"}
    found = states(cloud, shop)
    assert found["/broken"] == ("dead", "http 500")
    assert shop.paths().count("/broken") == 3
    assert found["/gone"] == ("dead", "http 404")
    assert found["/self"] == ("dead", "redirect to itself")
    assert found["/away"][0] == found["/loop"][0] == found["/pool"][0] == "done"
    assert found["/photo"] == ("done", "not HTML: image/jpeg")
    assert not any("169.254" in url for url in cloud.rows())
    assert max(int(path[6:]) for path in found if path.startswith("/trap/")) == 2
    refused, repeated = [visit for visit in shop.visits if visit.path == "/busy"]
    assert repeated.began - refused.ended >= 1
    assert not [visit for visit in shop.visits if refused.began < visit.began < refused.ended + 1]
    [row] = cloud.crawls()
    assert (int(row["items"]), int(row["done"]) + int(row["dead"])) == (5, len(cloud.rows()))


async def test_a_host_rests_between_requests_as_long_as_it_asks(cloud: Cloud) -> None:
    paths = [f"/{n}" for n in range(12)]
    shop = TinyShop(
        {"/": links(*paths), **{path: product(path) for path in paths}},
        robots=text("User-agent: TrawlerTest\nCrawl-delay: 0.1"),
    )
    async with shop.serve():
        define(cloud, "tiny", shop.base + "/", delay_s=0.05)
        local: dict[str, Any] = {"private_hosts": frozenset({shop.host})}
        # A second fetch worker waits for the same host all the time, and more than one batch of messages comes.
        async with workers(cloud.settings("fetch", **local)):
            await crawl(cloud, **local)
    assert len(cloud.stored()) == 12
    gaps = [after.began - before.ended for before, after in zip(shop.visits, shop.visits[1:], strict=False)]
    assert min(gaps) >= 0.099


async def test_hosts_are_crawled_at_the_same_time(cloud: Cloud) -> None:
    slow: dict[str, Any] = {
        "/": links("/a", "/b", "/c"),
        **{path: product(path) for path in ("/a", "/b", "/c")},
    }
    one, other = TinyShop(dict(slow)), TinyShop(dict(slow))
    async with one.serve(), other.serve():
        for name, shop in (("one", one), ("other", other)):
            define(cloud, name, shop.base + "/", delay_s=0.15)
        await crawl(cloud, crawls=2, private_hosts=frozenset({one.host, other.host}))
    assert one.visits[0].began < other.visits[-1].ended
    assert other.visits[0].began < one.visits[-1].ended


async def test_nothing_is_asked_of_a_host_whose_robots_txt_fails(cloud: Cloud) -> None:
    shop = TinyShop({"/": links("/a")}, robots=text("down", 500))
    async with shop.serve():
        define(cloud, "tiny", shop.base + "/")
        await crawl(cloud, private_hosts=frozenset({shop.host}), max_attempts=2)
    assert shop.paths() == ["/robots.txt", "/robots.txt"]
    assert states(cloud, shop) == {"/": ("dead", "robots unreachable")}
    assert int(cloud.crawls()[0]["refused"]) == 1


async def test_a_private_host_is_refused_where_nobody_let_it_through(cloud: Cloud) -> None:
    shop = TinyShop({"/": links("/a")})
    async with shop.serve():
        define(cloud, "tiny", shop.base + "/")
        await crawl(cloud)
    assert shop.visits == []
    assert cloud.rows()[shop.base + "/robots.txt"]["reason"] == "private address 127.0.0.1"


async def test_a_message_lost_after_its_row_was_queued_is_sent_again(cloud: Cloud) -> None:
    shop = TinyShop({"/": product("A")})
    async with shop.serve():
        define(cloud, "tiny", shop.base + "/")
        local: dict[str, Any] = {"private_hosts": frozenset({shop.host})}
        async with workers(cloud.settings("plan", resend_after_s=1)):
            await until(
                lambda: any(row["state"] == "queued" for row in cloud.rows().values()), "robots.txt is queued"
            )
            while messages := cloud.sqs.receive_message(QueueUrl=cloud.queues["fetch"]).get("Messages"):
                for message in messages:
                    receipt = message.get("ReceiptHandle", "")
                    cloud.sqs.delete_message(QueueUrl=cloud.queues["fetch"], ReceiptHandle=receipt)
            lost_at = time.monotonic()
            async with workers(*(cloud.settings(stage, **local) for stage in ("fetch", "parse", "store"))):
                await until(lambda: "finished_at" in cloud.crawls()[0], "the crawl is finished")
    assert set(cloud.stored()) == {"sku#A"}
    assert shop.visits[0].began - lost_at < 10
