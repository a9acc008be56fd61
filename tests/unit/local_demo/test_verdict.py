"""The verdict's rules, each broken once by hand."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from local.demo.verdict import Item, ShopVerdict, judge
from local.shops.access_log import Access
from local.shops.truth import ItemTruth, ShopTruth

BASE = "http://127.0.0.1:8101/"

LAMP = ItemTruth(
    sku="L-1",
    url=BASE + "p/lamp",
    name="Nørrebro Lamp & Shade",
    brand="Fen & Ferry",
    price="1234.50",
    currency="GBP",
    availability="in_stock",
    images=(BASE + "media/1.jpg", BASE + "media/2.jpg"),
    category="Lighting",
)
MUG = ItemTruth(
    sku="M-1", url=BASE + "p/mug", name="Mug", price="5.00", currency="GBP", availability="out_of_stock"
)
TRUTH = ShopTruth(
    shop="demo", base=BASE, delay_s=0.1, pages=3, items=(LAMP, MUG), disallowed=("/private/",), corners=()
)


def stored(truth: ItemTruth, **changes: Any) -> dict[str, Any]:
    """A row of the items table for `truth`; a change to None takes the attribute away."""
    row: dict[str, Any] = {
        "shop": "demo",
        "item": f"sku#{truth.sku}",
        "sku": truth.sku,
        "url": truth.url,
        "name": truth.name,
        "brand": truth.brand,
        "price": truth.price,
        "currency": truth.currency,
        "availability": truth.availability,
        "images": list(truth.images),
        "category": truth.category,
        **changes,
    }
    return {name: value for name, value in row.items() if value is not None}


def access(
    at_s: float, path: str, status: int = 200, retry_after: float | None = None, ms: float = 1.0
) -> Access:
    return Access(
        at=1_800_000_000 + at_s,
        monotonic=50 + at_s,
        method="GET",
        path=path,
        status=status,
        ms=ms,
        user_agent="trawler",
        retry_after=retry_after,
    )


ITEMS = [stored(LAMP), stored(MUG)]
LOG = [access(0.0, "/robots.txt"), access(0.1, "/"), access(0.2, "/p/lamp"), access(0.3, "/gone", 404)]


def verdict(items: list[dict[str, Any]] | None = None, log: list[Access] | None = None) -> ShopVerdict:
    rows: list[Item] = list(ITEMS if items is None else items)
    return judge(TRUTH, rows, LOG if log is None else log, refused_by_robots=2)


def test_a_perfect_crawl_is_passed_with_its_numbers() -> None:
    found = verdict()
    assert found.ok
    assert (found.name, found.expected_items, found.stored_items) == ("demo", 2, 2)
    assert (found.requests, found.pages, found.refused_by_robots) == (4, 3, 2)
    assert (found.requests_per_s, found.limit_per_s) == (10.0, 10.0)


def test_items_of_another_shop_are_none_of_its_business() -> None:
    assert verdict([*ITEMS, stored(LAMP, shop="other")]).ok


def test_an_item_that_is_not_stored_is_missing() -> None:
    found = verdict([stored(LAMP)])
    assert not found.ok
    assert found.missing == ("M-1",)


def test_nothing_stored_and_nothing_asked_for_is_no_success() -> None:
    found = verdict([], [])
    assert not found.ok
    assert found.missing == ("L-1", "M-1")
    assert found.requests_per_s == 0.0


def test_items_without_a_single_request_in_the_log_are_no_success() -> None:
    found = verdict(log=[])
    assert not found.missing
    assert not found.ok


def test_an_item_stored_under_two_keys_is_a_duplicate() -> None:
    found = verdict([*ITEMS, stored(LAMP, item="url#abc", sku=None)])
    assert not found.ok
    assert (found.duplicated, found.missing, found.stored_items) == (("L-1",), (), 3)


def test_an_item_that_the_shop_does_not_show_is_unexpected() -> None:
    secret = stored(LAMP, item="sku#S-1", sku="S-1", url=BASE + "private/s")
    found = verdict([*ITEMS, secret])
    assert not found.ok
    assert found.unexpected == ("sku#S-1",)


@pytest.mark.parametrize(
    ("field", "found"),
    [
        ("name", "Norrebro Lamp & Shade"),
        ("name", None),
        ("brand", "Fen"),
        ("brand", None),
        ("price", "1.2345"),
        ("price", "1,234.50"),
        ("price", None),
        ("currency", "£"),
        ("availability", "out_of_stock"),
        ("availability", None),
        ("category", "Kitchen"),
        ("url", BASE + "p/lamp?utm_source=listing"),
        ("images", []),
        ("images", [BASE + "media/1.jpg"]),
        ("images", [BASE + "media/2.jpg", BASE + "media/1.jpg"]),
    ],
)
def test_a_wrong_field_is_named_with_both_values(field: str, found: object) -> None:
    (wrong,) = verdict([stored(LAMP, **{field: found}), stored(MUG)]).wrong_fields
    assert (wrong.sku, wrong.field) == ("L-1", field)
    assert wrong.found == found


@pytest.mark.parametrize(
    ("field", "found"),
    [
        ("name", "  Nørrebro \N{NO-BREAK SPACE}Lamp &amp; Shade\n"),
        ("name", "Nørrebro Lamp & Shade".replace("ø", "\u00f8")),
        ("price", "1234.5"),
        ("images", [BASE + "media/1.jpg", BASE + "media/x.jpg", BASE + "media/2.jpg"]),
    ],
)
def test_what_a_reader_would_not_notice_is_right(field: str, found: object) -> None:
    assert verdict([stored(LAMP, **{field: found}), stored(MUG)]).ok


def test_a_fact_that_the_page_does_not_state_must_not_be_invented() -> None:
    (wrong,) = verdict([stored(LAMP), stored(MUG, brand="Fen & Ferry")]).wrong_fields
    assert (wrong.sku, wrong.field, wrong.expected, wrong.found) == ("M-1", "brand", None, "Fen & Ferry")


def test_an_item_found_by_its_address_has_a_wrong_sku() -> None:
    (wrong,) = verdict([stored(LAMP, item="url#x", sku=None), stored(MUG)]).wrong_fields
    assert (wrong.sku, wrong.field, wrong.found) == ("L-1", "sku", None)


SAVED = ItemTruth(
    sku="a",
    sku_also=("b",),
    url=BASE + "p/saved",
    name="Saved",
    name_also=("Saved (hardback)",),
    price=None,
    images=("http://shop.example/media/1.jpg",),
    images_also=("http://shop.example/media/9.jpg",),
    unscored=("brand", "currency", "availability", "category"),
)


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({}, []),
        ({"sku": "b", "item": "sku#b"}, []),
        ({"name": "Saved (hardback)"}, []),
        ({"brand": "Whoever", "category": "Any", "currency": "GBP", "availability": "in_stock"}, []),
        ({"images": [BASE + "cache/9.jpg"]}, []),
        ({"price": "1.00"}, ["price"]),
        ({"images": [BASE + "cache/2.jpg"]}, ["images"]),
    ],
    ids=str,
)
def test_saved_pages_accept_what_their_truth_accepts(changes: dict[str, Any], wrong: list[str]) -> None:
    truth = msgspec.structs.replace(TRUTH, items=(SAVED,), images_by="file_name")
    found = judge(truth, [stored(SAVED, **changes)], LOG)
    assert [one.field for one in found.wrong_fields] == wrong
    assert not found.missing


def test_a_request_under_a_disallowed_prefix_breaks_robots_txt() -> None:
    (broken,) = verdict(log=[*LOG, access(0.5, "/private/lamp")]).robots_violations
    assert (broken.path, broken.at_s) == ("/private/lamp", 0.5)
    assert "/private/" in broken.rule


def test_an_escaped_path_does_not_hide_the_prefix() -> None:
    assert verdict(log=[*LOG, access(0.5, "/%70rivate/lamp")]).robots_violations


def test_a_request_before_robots_txt_breaks_it() -> None:
    (broken,) = verdict(log=[access(-0.1, "/"), *LOG]).robots_violations
    assert (broken.path, broken.at_s) == ("/", 0.0)


def test_a_failing_robots_txt_is_no_permission() -> None:
    log = [access(0, "/robots.txt", 500), access(1, "/"), access(2, "/robots.txt"), access(3, "/p/lamp")]
    (broken,) = verdict(log=log).robots_violations
    assert broken.path == "/"


def test_a_missing_robots_txt_is_permission() -> None:
    assert not verdict(log=[access(0, "/robots.txt", 404), access(1, "/")]).robots_violations


def test_a_crawl_that_never_asked_for_robots_txt_breaks_it_with_every_request() -> None:
    assert len(verdict(log=LOG[1:]).robots_violations) == 3


def test_requests_closer_than_the_delay_are_too_soon() -> None:
    (early,) = verdict(log=[*LOG, access(0.35, "/p/mug")]).rate_violations
    assert early.path == "/p/mug"
    assert "0.050 s after" in early.rule


@pytest.mark.parametrize(("gap_s", "count"), [(0.0985, 0), (0.0975, 1)])
def test_two_milliseconds_are_forgiven(gap_s: float, count: int) -> None:
    log = [access(0, "/robots.txt"), access(gap_s, "/")]
    assert len(verdict(log=log).rate_violations) == count


@pytest.mark.parametrize("status", [429, 503])
def test_a_request_to_any_page_within_retry_after_is_too_soon(status: int) -> None:
    log = [*LOG, access(1, "/p/mug", status, 2.0), access(2.5, "/p/lamp"), access(3.1, "/p/mug")]
    (early,) = verdict(log=log).rate_violations
    assert early.path == "/p/lamp"
    assert "Retry-After" in early.rule


def test_one_request_is_one_violation() -> None:
    log = [*LOG, access(1, "/p/mug", 429, 2.0), access(1.01, "/p/lamp")]
    assert len(verdict(log=log).rate_violations) == 1


def test_the_logs_order_does_not_matter() -> None:
    assert verdict(log=list(reversed(LOG))) == verdict()


@pytest.mark.parametrize(
    "broken",
    [
        lambda: verdict([stored(LAMP)]),
        lambda: verdict([*ITEMS, stored(LAMP, item="x")]),
        lambda: verdict([stored(LAMP, price="1"), stored(MUG)]),
        lambda: verdict(log=LOG[1:]),
        lambda: verdict(log=[*LOG, access(0.31, "/p/mug")]),
    ],
)
def test_each_fault_alone_fails_the_shop(broken: Callable[[], ShopVerdict]) -> None:
    assert not broken().ok
