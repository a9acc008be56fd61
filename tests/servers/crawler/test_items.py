"""The items table holds the newest state; only a change is a revision."""

from typing import Any

import msgspec

from crawler.items import Items, content_hash
from crawler.messages import Item
from crawler.outcome import KeepItems
from tests.servers.crawler.support import Cloud

URL = "https://tiny.example/a"
CHAIR = Item(
    url=URL, name="Chair", sku="C", price="9.99", currency="EUR", images=["https://tiny.example/a.jpg"]
)


def page(*items: Item, at: float = 1_000.0, crawl: str = "one", row: str = "url#1") -> KeepItems:
    return KeepItems(crawl, "tiny", row, items, at)


def keep(cloud: Cloud, *pages: KeepItems) -> list[int]:
    return list(Items(cloud.dynamodb, cloud.items).keep(pages).values())


def stored(cloud: Cloud, key: str = "sku#C") -> dict[str, Any]:
    return cloud.stored()[key]


def test_an_item_is_stored_under_its_sku_or_else_its_url(cloud: Cloud) -> None:
    assert keep(cloud, page(CHAIR, msgspec.structs.replace(CHAIR, sku=None))) == [2]
    assert {key.partition("#")[0] for key in cloud.stored()} == {"sku", "url"}
    chair = stored(cloud)
    assert (chair["price"], chair["revision"], chair["crawl"]) == ("9.99", 1, "one")
    assert chair["images"] == ["https://tiny.example/a.jpg"]
    assert {"brand", "category", "availability"}.isdisjoint(chair)


def test_the_same_content_moves_last_seen_and_a_change_is_a_revision(cloud: Cloud) -> None:
    keep(cloud, page(CHAIR, at=1_000))
    assert keep(cloud, page(msgspec.structs.replace(CHAIR, url=URL + "?x"), at=2_000, crawl="two")) == [1]
    again = stored(cloud)
    assert (again["revision"], again["first_seen"][:19], again["last_seen"][:19], again["crawl"]) == (
        1,
        "1970-01-01T00:16:40",
        "1970-01-01T00:33:20",
        "two",
    )
    keep(cloud, page(msgspec.structs.replace(CHAIR, price="8.99"), at=3_000, crawl="three"))
    cheaper = stored(cloud)
    assert (cheaper["revision"], cheaper["price"], cheaper["first_seen"]) == (2, "8.99", again["first_seen"])
    assert cheaper["content_hash"] != again["content_hash"] == content_hash(CHAIR)


def test_an_older_page_never_overwrites_a_newer(cloud: Cloud) -> None:
    keep(cloud, page(CHAIR, at=2_000))
    before = stored(cloud)
    assert keep(cloud, page(msgspec.structs.replace(CHAIR, price="1.00"), at=1_000, crawl="old")) == [0]
    assert stored(cloud) == before


def test_an_item_on_two_pages_of_a_crawl_counts_once_and_newest_wins(cloud: Cloud) -> None:
    newer = page(msgspec.structs.replace(CHAIR, price="2.00"), at=2_000, row="url#2")
    assert sum(keep(cloud, newer, page(CHAIR, at=1_000))) == 1
    assert stored(cloud)["price"] == "2.00"


def test_a_page_stored_again_counts_its_own_items_again(cloud: Cloud) -> None:
    # Its mark did not happen the first time, or the page would not come again.
    assert [keep(cloud, page(CHAIR)), keep(cloud, page(CHAIR))] == [[1], [1]]
    assert keep(cloud, page(CHAIR, at=1_001, row="url#2")) == [0]
    assert stored(cloud)["revision"] == 1
