"""One product node as an item. Rules for what real pages get wrong stand beside the field they concern."""

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, cast
from urllib.parse import urljoin, urlsplit

from crawler.extract.money import currency_code, marked_price, text_price
from crawler.extract.nodes import Node, is_product, listed, text_of, type_names, value_of
from crawler.messages import Item

IN_STOCK, OUT_OF_STOCK = "in_stock", "out_of_stock"

_IN = {
    "instock",
    "limitedavailability",
    "onlineonly",
    "instoreonly",
    "preorder",
    "presale",
    "backorder",
    "madetoorder",
}
_OUT = {"outofstock", "soldout", "discontinued", "reserved"}
_STRUCK = ("listprice", "strikethroughprice", "msrp", "srp", "regularprice")


def availability_of(value: Any) -> str | None:
    """in_stock, out_of_stock, or None where it says neither. Pre-orders can be bought, so they are in stock."""
    text = text_of(value)
    if not text:
        return None
    word = re.sub(r"[^a-z]", "", re.split(r"[/#]", text.rstrip("/"))[-1].lower())
    if word in _OUT or word.startswith(("outofstock", "soldout")):
        return OUT_OF_STOCK
    return IN_STOCK if word in _IN or word.startswith("instock") else None


def image_urls(value: Any, base: str) -> list[str]:
    """Absolute image URLs in order, each once."""
    urls: dict[str, None] = {}
    for part in listed(value):
        if isinstance(part, dict):
            node = cast("Node", part)
            inner = value_of(node, "contentUrl") or value_of(node, "url") or node.get("@id")
            for url in image_urls(inner, base):
                urls[url] = None
        elif isinstance(part, str) and part.strip():
            try:
                url = urljoin(base, part.strip())
                scheme = urlsplit(url).scheme
            except ValueError:
                continue
            if scheme in {"http", "https"} and len(url) <= 2_000:
                urls[url] = None
    return list(urls)[:50]


class _Offer:
    """One offer's price, currency and availability."""

    def __init__(self, node: Node, default_currency: str | None) -> None:
        specifications = [
            cast("Node", part)
            for part in listed(value_of(node, "priceSpecification"))
            if isinstance(part, dict)
        ]
        current = [part for part in specifications if not _is_struck(part)]
        source = next((part for part in current if _amount(part) is not None), None)
        given = currency_code(text_of(value_of(node, "priceCurrency")))
        if given is None and source is not None:
            given = currency_code(text_of(value_of(source, "priceCurrency")))
        amount = _amount(node)
        if amount is None and source is not None:
            amount = _amount(source)
        text = text_of(amount)
        written = text_price(text)[1] if text and not re.fullmatch(r"[\d.,\s]+", text) else None
        self.currency = given or currency_code(written, default_currency)
        self.price = marked_price(text, self.currency)
        self.availability = availability_of(value_of(node, "availability"))


def _is_struck(node: Node) -> bool:
    return (text_of(value_of(node, "priceType")) or "").lower().endswith(_STRUCK)


def _amount(node: Node) -> Any:
    price = value_of(node, "price")
    return price if price is not None else value_of(node, "lowPrice")


def _offers(node: Node) -> list[Node]:
    """The node's offers, those of its variants included; an aggregate counts itself only where it lists none."""
    found: list[Node] = []
    for part in listed(value_of(node, "offers")):
        if not isinstance(part, dict):
            continue
        offer = cast("Node", part)
        inner = [cast("Node", one) for one in listed(value_of(offer, "offers")) if isinstance(one, dict)]
        if inner:
            # What the single offers leave out, their aggregate may say.
            shared = {key: offer[key] for key in ("priceCurrency", "availability") if value_of(offer, key)}
            found += [{**shared, **one} for one in inner]
        else:
            found.append(offer)
    for part in listed(value_of(node, "hasVariant")):
        if isinstance(part, dict):
            found += _offers(cast("Node", part))
    return found


def _best_offer(offers: Sequence[_Offer]) -> tuple[str | None, str | None, str | None]:
    """Price, currency and availability of the whole product.

    In stock if any offer is: the first size being sold out says nothing of the others. The price is the lowest that
    can be had, else the lowest named.
    """
    stated = [offer.availability for offer in offers if offer.availability]
    availability = IN_STOCK if IN_STOCK in stated else stated[0] if stated else None
    priced = [offer for offer in offers if offer.price]
    buyable = [offer for offer in priced if offer.availability == IN_STOCK] or [
        offer for offer in priced if offer.availability is None
    ]
    best = min(buyable or priced, key=lambda offer: Decimal(offer.price or 0), default=None)
    currency = next((offer.currency for offer in offers if offer.currency), None)
    return (best.price, best.currency or currency, availability) if best else (None, currency, availability)


def _first(node: Node, names: Iterable[str]) -> str | None:
    return next((text for name in names if (text := text_of(value_of(node, name)))), None)


def item_of(node: Node, url: str, base: str, default_currency: str | None) -> Item | None:
    """The item of a product node; None where it has no name.

    Args:
        node: a product, as JSON-LD.
        url: the canonical URL of its page.
        base: what relative URLs are resolved against.
        default_currency: the shop's own currency, for where the page does not say.
    """
    name = _first(node, ("name",))
    if name is None:
        return None
    price, currency, availability = _best_offer([_Offer(offer, default_currency) for offer in _offers(node)])
    if price is None and value_of(node, "price") is not None:
        alone = _Offer(node, default_currency)
        price, currency, availability = alone.price, alone.currency, availability or alone.availability
    variants = [cast("Node", part) for part in listed(value_of(node, "hasVariant")) if isinstance(part, dict)]
    images = image_urls(value_of(node, "image"), base)
    if not images:
        images = [image for variant in variants[:1] for image in image_urls(value_of(variant, "image"), base)]
    sku = _first(node, ("sku", "productID", "productGroupID", "mpn"))
    return Item(
        url=url,
        name=name[:1_000],
        sku=re.sub(r"^(sku|mpn|productid):", "", sku, flags=re.IGNORECASE)[:200] or None if sku else None,
        brand=_first(node, ("brand", "manufacturer")),
        price=price,
        currency=(currency or default_currency) if price else None,
        availability=availability,
        images=images,
        category=_category(value_of(node, "category")),
    )


def _category(value: Any) -> str | None:
    text = text_of(value)
    if text is None or re.match(r"^https?://", text):
        return None
    return text[:500]


def has_offer(node: Node) -> bool:
    """Whether the node is offered for a price or at least for sale; a listing's teaser often is not."""
    return bool(_offers(node)) or value_of(node, "price") is not None


def same_product(one: Node, other: Node) -> bool:
    """Whether two nodes name the same product: by SKU where both have one, else by name."""
    skus = _first(one, ("sku",)), _first(other, ("sku",))
    if all(skus):
        return skus[0] == skus[1]
    return _first(one, ("name",)) == _first(other, ("name",))


def is_group(node: Node) -> bool:
    """Whether the node is a product with variants."""
    return is_product(node) and (
        "productgroup" in type_names(node) or value_of(node, "hasVariant") is not None
    )
