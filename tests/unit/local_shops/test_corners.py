"""The hostile corners, over real HTTP."""

import time
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin, urlsplit

import pytest
import requests
from protego import Protego

from tests.unit.local_shops.conftest import Street
from tests.unit.local_shops.walk import links

GENERATED = ("demo-jsonld", "demo-microdata", "demo-selectors")
TIMEOUT_S = 10


def get(url: str) -> requests.Response:
    return requests.get(url, allow_redirects=False, timeout=TIMEOUT_S)


@pytest.mark.parametrize("shop", GENERATED)
def test_links_lead_to_pages_that_are_gone(calm: Street, shop: str) -> None:
    url = calm.corner(shop, "404")
    assert url in links(calm.bases[shop], get(calm.bases[shop]).content)
    assert get(url).status_code == 404


@pytest.mark.parametrize("shop", ["demo-jsonld", "demo-microdata"])
def test_a_page_fails_once_then_is_fine(street: Street, shop: str) -> None:
    url = street.corner(shop, "fails-once")
    assert [get(url).status_code for _ in range(3)] == [500, 200, 200]


def test_a_failing_page_counts_as_the_same_under_another_tracking_parameter(street: Street) -> None:
    url = street.corner("demo-jsonld", "fails-once", 1)
    assert get(f"{url}?utm_source=mail").status_code == 502
    assert get(f"{url}?sid=1").status_code == 200


@pytest.mark.parametrize("shop", GENERATED)
def test_a_moved_product_is_linked_by_its_old_address_only(calm: Street, shop: str) -> None:
    old = calm.corner(shop, "moved")
    answer = get(old)
    assert answer.status_code == 301
    new = urljoin(old, answer.headers["Location"])
    assert new in {item.url for item in calm.truth(shop).items}
    assert get(new).status_code == 200


def test_a_chain_of_redirects_ends_at_a_product(calm: Street) -> None:
    answer = requests.get(calm.corner("demo-jsonld", "redirect-chain"), timeout=TIMEOUT_S)
    assert [one.status_code for one in answer.history] == [302, 307, 302]
    assert answer.url in {item.url for item in calm.truth("demo-jsonld").items}


@pytest.mark.parametrize("shop", GENERATED)
def test_a_loop_of_redirects_never_ends(calm: Street, shop: str) -> None:
    with pytest.raises(requests.TooManyRedirects):
        requests.get(calm.corner(shop, "redirect-loop"), timeout=TIMEOUT_S)


def test_a_redirect_leads_to_the_metadata_address(calm: Street) -> None:
    assert get(calm.corner("demo-jsonld", "away")).headers["Location"].startswith("http://169.254.169.254/")


@pytest.mark.parametrize(("shop", "refusals"), [("demo-jsonld", 1), ("demo-selectors", 2)])
def test_too_many_requests_asks_for_two_seconds_and_the_log_tells_it(
    street: Street, shop: str, refusals: int
) -> None:
    url = street.corner(shop, "too-many-requests")
    answers = [get(url) for _ in range(refusals + 1)]
    assert [one.status_code for one in answers] == [429] * refusals + [200]
    assert answers[0].headers["Retry-After"] == "2"
    logged = [one for one in street.log(shop) if url.endswith(one.path)]
    assert [one.retry_after for one in logged] == [2.0] * refusals + [None]


def test_an_unavailable_page_names_the_date_to_come_back(street: Street) -> None:
    before = time.time()
    url = street.corner("demo-microdata", "unavailable")
    answer = get(url)
    assert answer.status_code == 503
    until = parsedate_to_datetime(answer.headers["Retry-After"]).timestamp()
    assert 2 <= until - before < 3.5
    (logged,) = [one for one in street.log("demo-microdata") if url.endswith(one.path)]
    assert logged.retry_after == pytest.approx(until - logged.at, abs=0.1)


def test_a_slow_page_takes_its_time_and_holds_nobody_else_up(calm: Street) -> None:
    url = calm.corner("demo-jsonld", "slow")
    started = time.monotonic()
    with requests.get(url, stream=True, timeout=TIMEOUT_S) as answer:
        assert time.monotonic() - started >= 1.5
        assert answer.status_code == 200


@pytest.mark.parametrize("shop", GENERATED)
def test_the_wrong_charset_header_lies_about_utf_8(calm: Street, shop: str) -> None:
    url = calm.corner(shop, "wrong-charset")
    answer = get(url)
    assert answer.encoding == "ISO-8859-1"
    name = next(item.name for item in calm.truth(shop).items if item.url == url)
    assert not name.isascii()
    assert "<title>" + name.split()[0] in answer.content.decode("utf-8")
    assert b'<meta charset="utf-8">' in answer.content


def test_the_old_charset_is_as_its_header_says(calm: Street) -> None:
    answer = get(calm.corner("demo-selectors", "old-charset"))
    assert answer.encoding == "windows-1252"
    assert "€" in answer.text
    with pytest.raises(UnicodeDecodeError):
        answer.content.decode("utf-8")


def test_a_cut_answer_is_an_error_then_fine(street: Street) -> None:
    url = street.corner("demo-selectors", "cut")
    with pytest.raises(requests.exceptions.RequestException):
        get(url)
    assert get(url).status_code == 200


def test_robots_txt_fails_once_where_a_crawler_must_hold_off(street: Street) -> None:
    url = urljoin(street.bases["demo-selectors"], "/robots.txt")
    assert [get(url).status_code for _ in range(2)] == [500, 200]


def test_the_calendar_has_no_end(calm: Street) -> None:
    url = urljoin(calm.bases["demo-jsonld"], "/calendar/2025/11")
    for month in ("/2025/12", "/2026/01", "/2026/02"):
        found = links(url, get(url).content)
        (url,) = [link for link in found if "/calendar/" in link and not link.startswith(url)]
        assert url.endswith(month)


def test_the_catalogue_file_is_large_and_no_html(calm: Street) -> None:
    url = calm.corner("demo-jsonld", "binary")
    with requests.get(url, stream=True, timeout=TIMEOUT_S) as answer:
        assert answer.headers["Content-Type"] == "application/pdf"
        assert int(answer.headers["Content-Length"]) > 32 * 1024 * 1024
        assert len(next(answer.iter_content(1 << 16))) > 0
    # Whoever leaves in the middle harms nobody.
    assert get(calm.bases["demo-jsonld"]).status_code == 200


@pytest.mark.parametrize("shop", GENERATED)
def test_robots_txt_forbids_a_folder_that_the_home_page_links_to(calm: Street, shop: str) -> None:
    base = calm.bases[shop]
    robots_url = urljoin(base, "/robots.txt")
    answers = [get(robots_url) for _ in range(2)]
    robots = Protego.parse(answers[-1].text)
    (folder,) = calm.truth(shop).disallowed
    forbidden = [link for link in links(base, get(base).content) if urlsplit(link).path.startswith(folder)]
    assert len(forbidden) == 3
    known = {item.url for item in calm.truth(shop).items}
    for url in forbidden:
        assert get(url).status_code == 200
        assert not robots.can_fetch(url, "trawler")
        assert url not in known
    assert all(robots.can_fetch(url, "trawler") for url in known)


def test_the_crawl_delay_of_robots_txt_is_the_shops_delay(calm: Street) -> None:
    robots = Protego.parse(get(urljoin(calm.bases["demo-microdata"], "/robots.txt")).text)
    assert robots.crawl_delay("trawler") == calm.truth("demo-microdata").delay_s == 0.2
    assert calm.truth("demo-jsonld").delay_s == 0.1


def test_products_are_linked_more_than_once_with_parameters_that_name_no_other_page(calm: Street) -> None:
    for shop in GENERATED:
        base = calm.bases[shop]
        listings = [link for link in links(base, get(base).content) if "/calendar" not in link]
        hrefs = [
            link for url in set(listings) if url.startswith(base) for link in links(url, get(url).content)
        ]
        assert any("utm_source=" in href for href in hrefs), shop
        assert any("sid=" in href for href in hrefs), shop
        assert any("#reviews" in href for href in hrefs), shop
        assert len(hrefs) > len(set(hrefs)), shop
