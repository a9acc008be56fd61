"""What is read from a page: one small page for each trap met on real ones."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crawler.charset import decode_html
from crawler.extract.money import currency_code, marked_price, text_price
from crawler.extract.page import Found, read_page
from crawler.messages import Item
from crawler.shops import Selectors, Shop, read_shop

URL = "https://shop.example/p/1"
SHOP = Shop(name="shop", seeds=("https://shop.example/",), hosts=("shop.example",))


def read(html: str | bytes, content_type: str = "text/html", shop: Shop = SHOP, url: str = URL) -> Found:
    return read_page(html if isinstance(html, bytes) else html.encode(), content_type, url, shop)


def item_of(html: str, **changes: Any) -> Item:
    [item] = read(html, shop=msgspec.structs.replace(SHOP, **changes)).items
    return item


def ld(*blocks: object, more: str = "") -> str:
    scripts = "".join(
        f'<script type="application/ld+json">{block if isinstance(block, str) else json.dumps(block)}</script>'
        for block in blocks
    )
    return f"<html><head>{scripts}</head><body>{more}</body></html>"


def offer(price: object = "10.00", stock: str = "InStock", **more: object) -> dict[str, object]:
    return {
        "@type": "Offer",
        "price": price,
        "priceCurrency": "EUR",
        "availability": f"https://schema.org/{stock}",
        **more,
    }


def thing(**more: object) -> dict[str, object]:
    return {"@type": "Product", "name": "Chair", "sku": "C1", "offers": offer(), **more}


def test_every_field_of_a_json_ld_product_is_read() -> None:
    item = item_of(
        ld(thing(brand={"name": "Åsa"}, image=["/a.jpg", {"url": "/b.jpg"}], category="Furniture"))
    )
    assert item == Item(
        url=URL,
        name="Chair",
        sku="C1",
        brand="Åsa",
        price="10.00",
        currency="EUR",
        availability="in_stock",
        images=["https://shop.example/a.jpg", "https://shop.example/b.jpg"],
        category="Furniture",
    )


@pytest.mark.parametrize(
    "broken",
    ['{"@type": "Product", "name": "oops', "", "<!-- nothing -->", '{"a": [1, 2}', "[" * 100_000],
    ids=["cut off", "empty", "a comment", "unbalanced", "deep"],
)
def test_a_broken_block_loses_no_other(broken: str) -> None:
    assert item_of(ld(broken, thing(), broken)).sku == "C1"


@pytest.mark.parametrize(
    "wrapped",
    [
        "//<![CDATA[\n{}\n//]]>",
        "/*<![CDATA[*/{}/*]]>*/",
        "<!--\n{}\n-->",
        "{};",
        "{}\n",
    ],
)
def test_wrappers_around_json_ld_are_tolerated(wrapped: str) -> None:
    assert item_of(ld(wrapped.replace("{}", json.dumps(thing())))).sku == "C1"


def test_raw_line_ends_and_trailing_commas_are_tolerated() -> None:
    text = json.dumps(thing(description="two\nlines", extra=[1])).replace("\\n", "\n").replace("1]", "1,]")
    assert item_of(ld(text)).sku == "C1"


@pytest.mark.parametrize(
    "data",
    [
        {"@graph": [{"@type": "WebSite", "name": "x"}, thing()]},
        [{"@type": "WebSite"}, thing()],
        {"@type": "ItemPage", "mainEntity": thing()},
        thing(**{"@type": ["Product", "Car"]}),
        thing(**{"@type": "http://schema.org/Product"}),
    ],
    ids=["graph", "list", "main entity", "several types", "type as URL"],
)
def test_a_product_is_found_wherever_it_stands(data: object) -> None:
    assert item_of(ld(data)).sku == "C1"


def test_a_sold_out_first_offer_does_not_sell_out_the_product() -> None:
    item = item_of(ld(thing(offers=[offer("8.00", "OutOfStock"), offer("12.00"), offer("11.00")])))
    assert (item.availability, item.price) == ("in_stock", "11.00")


def test_an_aggregate_is_read_by_its_offers_and_else_by_its_low_price() -> None:
    offers = {
        "@type": "AggregateOffer",
        "lowPrice": "5",
        "priceCurrency": "GBP",
        "offers": [{"price": "9"}, {"price": 8}],
    }
    assert (item_of(ld(thing(offers=offers))).price, item_of(ld(thing(offers=offers))).currency) == (
        "8.00",
        "GBP",
    )
    assert (
        item_of(
            ld(thing(offers={"@type": "AggregateOffer", "lowprice": "5.5", "priceCurrency": "GBP"}))
        ).price
        == "5.50"
    )


def test_variants_of_a_group_count_as_its_offers() -> None:
    group = {
        "@type": "ProductGroup",
        "name": "Shirt",
        "productGroupID": "S",
        "hasVariant": [
            thing(name="Shirt S", sku="S-1", offers=offer("20", "OutOfStock"), image="/s.jpg"),
            thing(name="Shirt M", sku="S-2", offers=offer("22")),
        ],
    }
    item = item_of(ld(group))
    assert (item.name, item.sku, item.price, item.availability) == ("Shirt", "S", "22.00", "in_stock")
    assert item.images == ["https://shop.example/s.jpg"]


def test_all_sold_out_is_out_of_stock_and_a_price_of_zero_is_none() -> None:
    item = item_of(ld(thing(offers=offer("0.00", "SoldOut"))))
    assert (item.availability, item.price, item.currency) == ("out_of_stock", None, None)


def test_a_struck_through_price_is_not_the_price() -> None:
    specifications = [
        {"price": "30", "priceType": "https://schema.org/StrikethroughPrice", "priceCurrency": "EUR"},
        {"price": "20", "priceCurrency": "EUR"},
    ]
    assert (
        item_of(ld(thing(offers={"@type": "Offer", "priceSpecification": specifications}))).price == "20.00"
    )


def test_texts_are_unescaped_and_folded() -> None:
    assert item_of(ld(thing(name="  Tom &amp;amp; Ann&#39;s\n <b>Box</b> "))).name == "Tom & Ann's Box"


@pytest.mark.parametrize(
    ("value", "currency", "expected"),
    [
        ("51.77", "EUR", "51.77"),
        (10, "EUR", "10.00"),
        ("1.299", "EUR", "1299.00"),
        ("1,299", "USD", "1299.00"),
        ("1.234.567", "EUR", "1234567.00"),
        ("1.299", "KWD", "1.299"),
        ("1299", "JPY", "1299"),
        ("1.234,50", "EUR", "1234.50"),
        ("1,234.50", "USD", "1234.50"),
        ("£51.77", "GBP", "51.77"),
        ("0.125", "USD", "0.125"),
        ("0", "EUR", None),
        ("call us", "EUR", None),
        (None, "EUR", None),
        (True, "EUR", None),
        ("9" * 30, "EUR", None),
    ],
)
def test_prices_in_markup_become_decimal_strings(value: object, currency: str, expected: str | None) -> None:
    assert marked_price(value, currency) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.234,50 €", ("1234.50", "€")),
        ("€ 1 234,50", ("1234.50", "€")),
        ("£51.77", ("51.77", "£")),
        ("12,- Kč", ("12.00", "Kč")),
        ("1.299 zł", ("1299.00", "zł")),
        ("", (None, None)),
        ("sold out", (None, None)),
    ],
)
def test_prices_shown_to_people_are_read(text: str, expected: tuple[str | None, str | None]) -> None:
    assert text_price(text) == expected


@pytest.mark.parametrize(
    ("text", "default", "expected"),
    [
        ("£", None, "GBP"),
        ("pln", None, "PLN"),
        ("zł", "EUR", "PLN"),
        ("$", None, "USD"),
        ("$", "ARS", "ARS"),
        ("kr", "NOK", "NOK"),
        ("", "GBP", "GBP"),
        ("whatever", None, None),
    ],
)
def test_currencies_become_iso_codes(text: str, default: str | None, expected: str | None) -> None:
    assert currency_code(text, default) == expected


MICRODATA = """<html><body><h1>Lamp</h1>
<ol itemscope itemtype="https://schema.org/BreadcrumbList">
 <li itemprop="itemListElement" itemscope itemtype="https://schema.org/ListItem">
  <a itemprop="item" href="/"><span itemprop="name">Home</span></a><meta itemprop="position" content="1"></li>
 <li itemprop="itemListElement" itemscope itemtype="https://schema.org/ListItem">
  <a itemprop="item" href="/l"><span itemprop="name">Lamps</span></a><meta itemprop="position" content="2"></li>
 <li itemprop="itemListElement" itemscope itemtype="https://schema.org/ListItem">
  <span itemprop="name">Lamp</span><meta itemprop="position" content="3"></li></ol>
<div itemscope itemtype="http://schema.org/Product"><span itemprop="name">Lamp</span>
 <meta itemprop="sku" content="L9"><img itemprop="image" src="l.jpg">
 <span itemprop="brand" itemscope itemtype="http://schema.org/Brand"><span itemprop="name">Lux</span></span>
 <div itemprop="offers" itemscope itemtype="http://schema.org/Offer"><meta itemprop="priceCurrency" content="pln">
 <span itemprop="price">1 299,00</span><link itemprop="availability" href="http://schema.org/InStock"></div>
</div>%s</body></html>"""
TEASER = """<div itemscope itemtype="http://schema.org/Product"><a itemprop="url" href="/p/%d">x</a>
 <span itemprop="name">Other %d</span><div itemprop="offers" itemscope itemtype="http://schema.org/Offer">
 <span itemprop="price">%d.00</span></div></div>"""


def test_microdata_is_read_with_its_breadcrumbs() -> None:
    assert item_of(MICRODATA % "") == Item(
        url=URL,
        name="Lamp",
        sku="L9",
        brand="Lux",
        price="1299.00",
        currency="PLN",
        availability="in_stock",
        images=["https://shop.example/p/l.jpg"],
        category="Lamps",
    )


def test_related_products_do_not_hide_the_one_the_page_is_about() -> None:
    assert item_of(MICRODATA % (TEASER % (7, 7, 7) + TEASER % (8, 8, 8))).sku == "L9"


def test_a_listing_has_no_items() -> None:
    assert read("<h1>All</h1>" + "".join(TEASER % (n, n, n) for n in (2, 3, 4))).items == ()


def test_a_product_that_is_not_offered_is_an_item_only_under_its_own_heading() -> None:
    node = {"@type": "Product", "name": "Chair"}
    assert read(ld(node)).items == ()
    assert item_of(ld(node, more="<h1>Chair</h1>")).name == "Chair"


def test_microdata_fills_what_json_ld_lacks() -> None:
    html = (MICRODATA % "").replace(
        "<body>", f'<body><script type="application/ld+json">{json.dumps(thing(name="Lamp"))}</script>'
    )
    item = item_of(html)
    assert (item.sku, item.price, item.currency, item.brand) == ("C1", "10.00", "EUR", "Lux")


def test_opengraph_is_the_last_resort() -> None:
    tags = {
        "og:type": "product",
        "og:title": "Mug",
        "og:image": "/m.jpg",
        "product:price:amount": "7.5",
        "product:price:currency": "GBP",
        "product:availability": "in stock",
    }
    html = "".join(f'<meta property="{name}" content="{value}">' for name, value in tags.items())
    item = item_of(f"<head>{html}</head>")
    assert (item.name, item.price, item.currency, item.availability) == ("Mug", "7.50", "GBP", "in_stock")
    assert item_of(ld(thing()).replace("<head>", f"<head>{html}")).name == "Chair"


SELECTORS = Selectors(
    item="main.p",
    sku="main::attr(data-sku)",
    name="h1",
    price=".price",
    image="img::attr(src)",
    availability=".stock",
    in_stock="(?i)lieferbar",
)
PLAIN = """<main class=p data-sku=" 77 "><h1>Stuhl &amp; Tisch</h1><b class=price>1.234,50&nbsp;€</b>
<img src="/1.jpg"><img src="/2.jpg"><i class=stock>Sofort lieferbar</i></main>"""


def test_selectors_read_pages_without_markup() -> None:
    assert item_of(PLAIN, selectors=SELECTORS) == Item(
        url=URL,
        name="Stuhl & Tisch",
        sku="77",
        price="1234.50",
        currency="EUR",
        availability="in_stock",
        images=["https://shop.example/1.jpg", "https://shop.example/2.jpg"],
    )
    assert item_of(PLAIN.replace("lieferbar", "weg"), selectors=SELECTORS).availability == "out_of_stock"


def test_a_page_that_the_item_selector_does_not_match_is_no_product() -> None:
    shop = msgspec.structs.replace(SHOP, selectors=SELECTORS)
    assert read(PLAIN.replace("class=p", "class=q"), shop=shop).items == ()


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("<p>Käse 10 €</p>".encode(), "text/html; charset=iso-8859-1"),
        ("<p>Käse 10 €</p>".encode("cp1252"), "text/html; charset=windows-1252"),
        ("<p>Käse 10 €</p>".encode("cp1252"), "text/html; charset=utf-8"),
        (b"\xef\xbb\xbf" + "<p>Käse 10 €</p>".encode(), "text/html; charset=iso-8859-1"),
        ("<meta charset=iso-8859-15><p>Käse 10 €</p>".encode("iso-8859-15"), "text/html"),
        ("<p>Käse 10 €</p>".encode("utf-16"), "text/html"),
    ],
    ids=["wrong header", "right header", "header says UTF-8", "byte order mark", "meta", "UTF-16"],
)
def test_a_charset_is_a_claim_that_bytes_can_refute(body: bytes, content_type: str) -> None:
    assert "Käse 10 €" in decode_html(body, content_type)


def test_links_are_absolute_resolved_against_base_and_polite() -> None:
    html = """<base href="/shop/"><a href="a">1</a><a href="../b#x">2</a><a rel="nofollow" href="c">3</a>
    <a href="mailto:x@y">4</a><a href="javascript:void(0)">5</a><a href="http://[bad">6</a><a href="#top">7</a>
    <area href="d"><a href=" e ">8</a>"""
    assert read(html).links == (
        "https://shop.example/shop/a",
        "https://shop.example/b#x",
        "https://shop.example/shop/d",
        "https://shop.example/shop/e",
    )
    assert read('<meta name="robots" content="noindex, nofollow"><a href="a">1</a>').links == ()


def test_the_items_address_is_the_page_s_canonical_one_within_the_shop() -> None:
    own = '<link rel="canonical" href="/chair?utm_source=x">'
    other = '<link rel="canonical" href="https://else.example/chair">'
    assert item_of(ld(thing()).replace("<head>", "<head>" + own)).url == "https://shop.example/chair"
    assert item_of(ld(thing()).replace("<head>", "<head>" + other)).url == URL


@pytest.mark.parametrize("body", [b"", b"\x00\xff\xfe", b"<", b"<html" * 5_000, b"\xff" * 1_000])
def test_nonsense_gives_nothing_and_raises_nothing(body: bytes) -> None:
    assert read(body).items == ()


def test_the_bundled_definitions_are_right() -> None:
    folder = Path(__file__).resolve().parents[3] / "workers" / "shops"
    shops = [read_shop(path) for path in folder.glob("*.toml")]
    assert [shop.name for shop in shops] == ["books-toscrape"]
