"""Canonical URLs, and which of them belong to a crawl."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.frontier.table import pattern_of
from crawler.shops import Shop
from crawler.urls import Scope, canonical

SHOP = Shop(name="shop", seeds=("https://shop.example/",), hosts=("shop.example",))


@pytest.mark.parametrize(
    "written",
    [
        "https://shop.example/a?x=1&y=2",
        "HTTPS://Shop.Example:443/a?y=2&x=1",
        "https://shop.example/a?x=1&y=2#reviews",
        "https://shop.example/a?utm_source=n&x=1&utm_medium=m&y=2",
        "https://shop.example/a?gclid=1&fbclid=2&x=1&y=2&PHPSESSID=abc",
        "https://shop.example/a;jsessionid=0123ABCD?x=1&y=2",
        "https://shop.example/b/../a?x=1&y=2",
        "  https://shop.example./a?x=1&y=2 ",
        "https://shop.example/a?x=1&y=2&sid=0123456789abcdef0123",
        "https://shop.example/a?x=1&y=2&ref=home",
    ],
)
def test_one_page_has_one_url(written: str) -> None:
    assert canonical(written, ("ref",)) == "https://shop.example/a?x=1&y=2"


@pytest.mark.parametrize(
    ("one", "other"),
    [("/a?sid=12", "/a?sid=13"), ("/a", "/A"), ("/a", "/a/"), ("/a?p=1", "/a?p=2"), ("/a?q=", "/a")],
)
def test_different_pages_stay_different(one: str, other: str) -> None:
    assert canonical("https://shop.example" + one) != canonical("https://shop.example" + other)


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "/relative",
        "ftp://shop.example/",
        "javascript:alert(1)",
        "http://",
        "http://user:secret@shop.example/",
        "http://shop.example:port/",
        "http://[::1/",
        "https://shop.example/" + "a" * 2_000,
    ],
)
def test_what_is_no_page_of_the_web_has_no_canonical_url(bad: str) -> None:
    assert canonical(bad) is None


@given(st.text(max_size=60), st.text(max_size=30))
def test_canonical_is_its_own_canonical(path: str, query: str) -> None:
    once = canonical(f"https://shop.example/{path}?{query}")
    if once is not None:
        assert canonical(once) == once


@pytest.mark.parametrize(
    ("url", "held"),
    [
        ("https://shop.example/p/1", True),
        ("https://shop.example/p/1?sort=price", False),
        ("https://shop.example/cart", False),
        ("https://else.example/p/1", False),
        ("http://shop.example:8080/p/1", False),
    ],
)
def test_hosts_include_and_exclude_bound_a_crawl(url: str, held: bool) -> None:
    scope = Scope(msgspec.structs.replace(SHOP, include=("^/p/",), exclude=(r"[?&]sort=",)))
    assert scope.holds(url) is held


def test_calendars_and_pages_share_a_pattern() -> None:
    assert pattern_of("https://s.example/c/2024/05?p=1") == pattern_of("https://s.example/c/1999/12?p=22")
