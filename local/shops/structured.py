"""The JSON-LD of a product page, in the variants met in the wild."""

import html
import json
from typing import Any, Final, TypeAlias

from local.shops import money
from local.shops.model import Offer, Product

Node: TypeAlias = dict[str, Any]

IN_STOCK: Final = (
    "https://schema.org/InStock",
    "http://schema.org/InStock",
    "InStock",
    "https://schema.org/LimitedAvailability",
)
SOLD_OUT: Final = ("https://schema.org/OutOfStock", "http://schema.org/SoldOut", "OutOfStock")

#: A block that no JSON reader takes: whoever gives up here loses the good block beside it.
BROKEN_BLOCK: Final = (
    '{"@context": "https://schema.org", "@type": "Organization", "name": "Fen & Ferry", "sameAs": [,]'
)


def scripts(product: Product, base: str, currency: str) -> list[str]:
    """The texts of the page's JSON-LD scripts, one of them broken on every fourth page."""
    node = _product(product, base, currency)
    match product.index % 5:
        case 1:
            document: Any = {"@context": "https://schema.org", "@graph": [_breadcrumb(product, base), node]}
        case 3:
            document = [_breadcrumb(product, base), {"@context": "https://schema.org", **node}]
        case _:
            document = {"@context": "https://schema.org/", **node}
    # "</script>" inside a name would end the script: shops escape the slash or the bracket.
    good = json.dumps(document, ensure_ascii=product.index % 2 == 0, indent=2).replace("</", "<\\/")
    return [BROKEN_BLOCK, good] if product.index % 4 == 2 else [good]


def _product(product: Product, base: str, currency: str) -> Node:
    # Many shops escape for HTML first and put the result into JSON: the name then holds "&amp;".
    name = html.escape(product.name) if product.index % 10 == 4 else product.name
    node: Node = {
        "@type": ["Product", "Thing"] if product.index % 10 == 7 else "Product",
        "sku": product.sku,
        "name": name,
        "category": product.category,
        "description": product.description,
        "image": _images(product, base),
        "offers": _offers(product, base, currency),
        "aggregateRating": {"@type": "AggregateRating", "ratingValue": "4.8", "reviewCount": 1204},
    }
    if product.brand is not None:
        node["brand"] = product.brand if product.index % 3 == 1 else {"@type": "Brand", "name": product.brand}
    return node


def _images(product: Product, base: str) -> Any:
    absolute = [base.rstrip("/") + path for path in product.images]
    match product.index % 4:
        case 0 if len(absolute) == 1:
            return absolute[0]
        case 1:
            return list(product.images)  # relative to the page
        case 2:
            return [{"@type": "ImageObject", "url": url} for url in absolute]
        case _:
            return absolute


def _offers(product: Product, base: str, currency: str) -> Any:
    code = "£" if product.index % 9 == 4 and currency == "GBP" else currency
    offers = [_offer(product, offer, base, code) for offer in product.offers]
    if len(offers) == 1:
        return offers[0]
    if product.index % 8 == 3:
        buyable = [offer.price for offer in product.offers if offer.in_stock]
        return {
            "@type": "AggregateOffer",
            "priceCurrency": code,
            "lowPrice": money.plain(min(buyable)),
            "highPrice": money.plain(max(buyable)),
            "offerCount": len(offers),
            "offers": offers,
        }
    return offers


def _offer(product: Product, offer: Offer, base: str, code: str) -> Node:
    price: Any = money.plain(offer.price)
    if product.index % 6 == 0:
        price = money.english(offer.price)
    elif product.index % 6 == 1:
        price = float(offer.price)  # a JSON number, as the standard asks for
    return {
        "@type": "Offer",
        "url": base.rstrip("/") + product.path,
        "price": price,
        "priceCurrency": code,
        "availability": availability(product, offer),
    }


def availability(product: Product, offer: Offer) -> str:
    """One of the spellings of schema.org's availability."""
    words = IN_STOCK if offer.in_stock else SOLD_OUT
    return words[product.index % len(words)]


def _breadcrumb(product: Product, base: str) -> Node:
    trail = (("Home", base), (product.category, base.rstrip("/") + "/"))
    return {
        "@type": "BreadcrumbList",
        "itemListElement": [
            {"@type": "ListItem", "position": place, "name": name, "item": url}
            for place, (name, url) in enumerate(trail, start=1)
        ],
    }
