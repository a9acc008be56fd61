"""Items by the shop's own CSS selectors, for pages without product markup."""

import re
from dataclasses import dataclass

from selectolax.lexbor import LexborHTMLParser, SelectolaxError

from crawler.extract.money import currency_code, text_price
from crawler.extract.nodes import text_of
from crawler.extract.product import IN_STOCK, OUT_OF_STOCK, availability_of, image_urls
from crawler.messages import Item
from crawler.shops import Selectors

_ATTRIBUTE = re.compile(r"::attr\(\s*([\w:-]+)\s*\)\s*$")


@dataclass(frozen=True, slots=True)
class Selector:
    """CSS, and the attribute it takes (None: the text)."""

    css: str
    attribute: str | None

    def all(self, tree: LexborHTMLParser) -> list[str]:
        """The values of every match, in order, empty ones left out."""
        values = [
            node.attributes.get(self.attribute) if self.attribute else node.text(separator=" ")
            for node in tree.css(self.css)
        ]
        return [text for text in map(text_of, values) if text]

    def first(self, tree: LexborHTMLParser) -> str | None:
        """The first value."""
        return next(iter(self.all(tree)), None)


def compile_selector(text: str) -> Selector:
    """The selector of a definition's text.

    Raises:
        ValueError: not CSS; the text says so.
    """
    found = _ATTRIBUTE.search(text)
    css = _ATTRIBUTE.sub("", text).strip()
    try:
        if not css or "::" in css:
            raise SelectolaxError("only ::attr(name) may follow the selector")
        LexborHTMLParser("<p></p>").css(css)
    except SelectolaxError as error:
        raise ValueError(f"{text!r} is not a CSS selector: {error}") from None
    return Selector(css, found.group(1) if found else None)


def read_selectors(
    tree: LexborHTMLParser, selectors: Selectors, url: str, base: str, default_currency: str | None
) -> Item | None:
    """The item of a page on which the `item` selector matches and a name is found; None for any other."""
    if not tree.css(compile_selector(selectors.item).css):
        return None

    def value(text: str | None) -> str | None:
        return compile_selector(text).first(tree) if text else None

    name = value(selectors.name)
    if name is None:
        return None
    written = value(selectors.price)
    said = value(selectors.currency)
    currency = currency_code(said, default_currency)
    price, symbol = text_price(written, currency)
    if said is None:
        currency = currency_code(symbol, default_currency)
    images = compile_selector(selectors.image).all(tree) if selectors.image else []
    return Item(
        url=url,
        name=name[:1_000],
        sku=value(selectors.sku),
        brand=value(selectors.brand),
        price=price,
        currency=currency if price else None,
        availability=_availability(value(selectors.availability), selectors.in_stock),
        images=image_urls(images, base),
        category=value(selectors.category),
    )


def _availability(text: str | None, in_stock: str | None) -> str | None:
    if text is None:
        return None
    if in_stock is None:
        return availability_of(text)
    return IN_STOCK if re.search(in_stock, text) else OUT_OF_STOCK
