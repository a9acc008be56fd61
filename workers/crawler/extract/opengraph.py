"""OpenGraph product tags: a last resort among markup, since their prices are often before tax."""

from selectolax.lexbor import LexborHTMLParser

from crawler.extract.money import currency_code, marked_price
from crawler.extract.nodes import text_of
from crawler.extract.product import availability_of, image_urls
from crawler.messages import Item


def read_opengraph(tree: LexborHTMLParser, url: str, base: str, default_currency: str | None) -> Item | None:
    """The item of a page that calls itself a product and names a price; None for any other page."""
    tags: dict[str, list[str]] = {}
    for meta in tree.css("meta[property], meta[name]")[:500]:
        name = (meta.attributes.get("property") or meta.attributes.get("name") or "").lower()
        content = meta.attributes.get("content")
        if content and name.startswith(("og:", "product:")):
            tags.setdefault(name, []).append(content)
    kind = tags.get("og:type", [""])[0].lower()
    name = text_of(tags.get("og:title"))
    if kind not in {"product", "product.item", "og:product"} or name is None:
        return None
    amount = (
        tags.get("product:sale_price:amount")
        or tags.get("product:price:amount")
        or tags.get("og:price:amount")
    )
    if not amount:
        return None
    code = tags.get("product:price:currency") or tags.get("og:price:currency")
    currency = currency_code(code[0] if code else None, default_currency)
    return Item(
        url=url,
        name=name[:1_000],
        sku=text_of(tags.get("product:retailer_item_id")),
        brand=text_of(tags.get("product:brand") or tags.get("og:brand")),
        price=marked_price(amount[0], currency),
        currency=currency,
        availability=availability_of(tags.get("product:availability") or tags.get("og:availability")),
        images=image_urls(tags.get("og:image", []), base),
        category=text_of(tags.get("product:category")),
    )
