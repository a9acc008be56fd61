"""What the pages say, read by other people's parsers, is what the truth says."""

import functools
import html
import re
import tomllib
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
import requests
from extruct.jsonld import JsonLdExtractor
from extruct.w3cmicrodata import MicrodataExtractor
from lxml import html as lxml_html
from price_parser import Price
from selectolax.lexbor import LexborHTMLParser

import local.shops.definitions
from local.shops.truth import ItemTruth
from tests.unit.local_shops.conftest import Street
from tests.unit.local_shops.walk import walk

CODES = {"£": "GBP", "pln": "PLN"}
SELECTORS = Path(local.shops.definitions.__file__).parent / "demo-selectors.toml"

Walked = Callable[[str], Mapping[str, requests.Response]]
Read = Callable[[requests.Response], dict[str, Any]]


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def text(value: str) -> str:
    return " ".join(html.unescape(value).split())


def decoded(page: requests.Response) -> str:
    charset = page.headers["Content-Type"].partition("charset=")[2]
    return page.content.decode("windows-1252" if charset == "windows-1252" else "utf-8")


def product_facts(product: Mapping[str, Any], url: str) -> dict[str, Any]:
    """The facts of a schema.org product in the shape of the truth."""
    outer = as_list(product["offers"])
    offers = [inner for offer in outer for inner in as_list(offer.get("offers", offer))]
    buyable = [offer for offer in offers if not offer["availability"].endswith(("OutOfStock", "SoldOut"))]
    prices = [price(str(offer["price"])) for offer in buyable or offers]
    for offer in outer:
        if "lowPrice" in offer:
            assert price(str(offer["lowPrice"])) == min(prices)
    brand = product.get("brand")
    images = [image["url"] if isinstance(image, dict) else image for image in as_list(product["image"])]
    return {
        "sku": product["sku"],
        "name": text(product["name"]),
        "brand": brand["name"] if isinstance(brand, dict) else brand,
        "price": min(prices),
        "currency": CODES.get(offers[0]["priceCurrency"], offers[0]["priceCurrency"]),
        "availability": "in_stock" if buyable else "out_of_stock",
        "images": [urljoin(url, image) for image in images],
        "category": product["category"],
    }


def price(shown: str) -> Decimal:
    amount = Price.fromstring(shown).amount
    assert amount is not None
    return amount


def read_jsonld(page: requests.Response) -> dict[str, Any]:
    found: list[Any] = []
    for script in lxml_html.fromstring(decoded(page)).xpath("//script[@type='application/ld+json']"):
        one = f"<script type='application/ld+json'>{script.text}</script>"
        try:
            found += JsonLdExtractor().extract(one)
        except ValueError:  # the broken block that stands beside the good one
            continue
    nodes = [node for one in found for node in as_list(one.get("@graph", one))]
    (product,) = [node for node in nodes if "Product" in as_list(node["@type"])]
    return product_facts(product, page.url)


def flat(node: Any) -> Any:
    """A microdata item with its properties beside its type, as JSON-LD has them."""
    if isinstance(node, list):
        return [flat(one) for one in node]
    if isinstance(node, dict):
        return {name: flat(value) for name, value in node.get("properties", node).items()}
    return node


def read_microdata(page: requests.Response) -> dict[str, Any]:
    items = MicrodataExtractor().extract(decoded(page), base_url=page.url)
    (product,) = [item for item in items if item["type"].endswith("schema.org/Product")]
    return product_facts(flat(product), page.url)


def read_selectors(page: requests.Response) -> dict[str, Any]:
    selectors = tomllib.loads(SELECTORS.read_text(encoding="utf-8"))["selectors"]
    document = LexborHTMLParser(decoded(page))

    def values(field: str) -> list[str]:
        css, _, attribute = selectors[field].partition("::attr(")
        found = document.css(css)
        return [
            one.attributes[attribute.rstrip(")")] or "" if attribute else text(one.text()) for one in found
        ]

    stocked = re.search(selectors["in_stock"], values("availability")[0])
    return {
        "sku": values("sku")[0],
        "name": values("name")[0],
        "brand": next(iter(values("brand")), None),
        "price": price(values("price")[0]),
        "currency": "EUR",
        "availability": "in_stock" if stocked else "out_of_stock",
        "images": [urljoin(page.url, image) for image in values("image")],
        "category": values("category")[0],
    }


def expected(item: ItemTruth) -> dict[str, Any]:
    assert item.price is not None
    fields = ("sku", "brand", "currency", "availability", "category")
    facts: dict[str, Any] = {field: getattr(item, field) for field in fields}
    return {**facts, "name": text(item.name), "price": Decimal(item.price), "images": list(item.images)}


@pytest.fixture(scope="module")
def walked(calm: Street) -> Walked:
    """The pages of a shop, fetched once."""

    @functools.cache
    def pages(shop: str) -> Mapping[str, requests.Response]:
        return walk(calm.truth(shop))

    return pages


@pytest.mark.parametrize(
    ("shop", "read"),
    [("demo-jsonld", read_jsonld), ("demo-microdata", read_microdata), ("demo-selectors", read_selectors)],
)
def test_every_product_is_reached_and_its_page_says_what_the_truth_says(
    calm: Street, walked: Walked, shop: str, read: Read
) -> None:
    truth = calm.truth(shop)
    pages = walked(shop)
    assert len(pages) == truth.pages
    for item in truth.items:
        assert read(pages[item.url]) == expected(item), item.url


def test_some_products_of_the_sitemap_are_linked_nowhere(calm: Street) -> None:
    truth = calm.truth("demo-microdata")
    linked = walk(truth, sitemaps=False)
    hidden = [item.sku for item in truth.items if item.url not in linked]
    assert len(hidden) == 8


@pytest.mark.parametrize("shop", ["demo-jsonld", "demo-microdata", "demo-selectors"])
def test_only_product_pages_hold_what_makes_a_product(calm: Street, walked: Walked, shop: str) -> None:
    truth = calm.truth(shop)
    products = {item.url for item in truth.items}
    for url, page in walked(shop).items():
        if url not in products:
            assert b"ld+json" not in page.content
            assert b'itemprop="offers"' not in page.content
            assert b'class="artikel"' not in page.content
