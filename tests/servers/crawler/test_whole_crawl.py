"""One shop, from its seed to its items, by the four workers on a real (mocked) AWS."""

from aiohttp import web

from tests.servers.crawler.support import Cloud, TinyShop, crawl, define, links, product


async def test_a_shop_is_crawled_to_the_last_item(cloud: Cloud) -> None:
    shop = TinyShop(
        {
            "/": links("/a", "/b?utm_source=x#top", "/b", "/gone", "/moved", "/secret/c"),
            "/a": product("A"),
            "/b": product("B", more='<a href="/">home</a>'),
            "/moved": lambda _request, _before: web.HTTPMovedPermanently("/new"),
            "/new": product("N"),
            "/secret/c": product("C"),
        },
        robots=lambda _request, _before: web.Response(text="User-agent: *\nDisallow: /secret/"),
    )
    async with shop.serve():
        define(cloud, "tiny", shop.base + "/", hosts=[shop.host])
        await crawl(cloud, private_hosts=frozenset({shop.host}))
    assert shop.paths()[0] == "/robots.txt"
    assert sorted(shop.paths()) == ["/", "/a", "/b", "/gone", "/moved", "/new", "/robots.txt"]
    assert set(cloud.stored()) == {"sku#A", "sku#B", "sku#N"}
    [row] = cloud.crawls()
    assert {name: int(row[name]) for name in ("discovered", "queued", "fetched")} == {
        "discovered": 0,
        "queued": 0,
        "fetched": 0,
    }
    assert (int(row["done"]), int(row["dead"]), int(row["refused"]), int(row["items"])) == (6, 2, 1, 3)
