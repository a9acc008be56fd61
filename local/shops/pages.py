"""The HTML of the generated shops, rendered from templates."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from local.shops import money, structured
from local.shops.corners import UTF8, Encoding, Link
from local.shops.model import Offer, Product, Trade

_TEMPLATES: Final = Path(__file__).parent / "templates"

_WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "demo-jsonld": {
        "lang": "en",
        "welcome": "Things for the house, made to be mended.",
        "related": "You may also like",
        "imprint": "© Fen & Ferry",
        "cookies": "Cookies",
        "sort": "by price",
    },
    "demo-microdata": {
        "lang": "pl",
        "welcome": "Wszystko w góry i nad morze.",
        "related": "Zobacz także",
        "imprint": "© Trzy Turnie",
        "cookies": "Ciasteczka",
        "sort": "wg ceny",
    },
    "demo-selectors": {
        "lang": "de",
        "welcome": "Gutes Gerät für Häusle & Hof.",
        "related": "Passt dazu",
        "imprint": "Impressum: Müller & Söhne",
        "cookies": "Cookies",
        "sort": "nach Preis",
    },
}

_SHOWN: Final[Mapping[str, Callable[[Decimal], str]]] = {
    "GBP": money.pounds,
    "PLN": money.polish,
    "EUR": money.german,
}
_OPENING_PRICE: Final = Decimal("9.99")
_IN_STOCK_TEXTS: Final = ("Sofort lieferbar", "Auf Lager (12 Stück)", "sofort lieferbar, nur noch 1 Stück")
_SOLD_OUT_TEXTS: Final = ("Ausverkauft", "Derzeit nicht lieferbar")


@dataclass(frozen=True)
class Category:
    """A category's name and the path of its first page."""

    name: str
    href: str


@dataclass(frozen=True)
class Teaser:
    """A product as a listing shows it, linked twice."""

    product: Product
    href: str
    second_href: str


class Pages:
    """Renders the pages of one shop at `base`."""

    def __init__(self, trade: Trade, base: str, categories: Sequence[Category]) -> None:
        self._trade = trade
        self._base = base
        self._categories = {category.name: category for category in categories}
        self._show = _SHOWN[trade.currency]
        self._environment = Environment(
            loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )

    def home(self, links: Sequence[Link], encoding: Encoding = UTF8) -> str:
        """The home page: the categories, and `links` into the corners."""
        listed = [Link("/about", "About"), Link("/about#contact", "Contact"), *links]
        return self._render("home", self._trade.title, encoding, links=listed)

    def about(self, encoding: Encoding = UTF8) -> str:
        """A page that is no product, though it names a price."""
        text = f"{self._trade.title}, {self._show(_OPENING_PRICE)}."
        return self._render("plain", "About", encoding, text=text)

    def listing(
        self,
        category: Category,
        teasers: Sequence[Teaser],
        pages: Sequence[tuple[int, str]],
        encoding: Encoding,
    ) -> str:
        """A page of a category; `pages` are number and path of further ones."""
        bare = self._trade.name == "demo-selectors"
        return self._render(
            "listing",
            category.name,
            encoding,
            category=category,
            marked=self._trade.name == "demo-microdata",
            # Relative links that lead nowhere for whoever overlooks <base>.
            base_href="/" if bare else None,
            sorts=[f"{category.href}?sort={order}" for order in ("preis", "name")] if bare else [],
            teasers=[self._shown_teaser(teaser, relative=bare) for teaser in teasers],
            pages=[{"number": number, "href": href} for number, href in pages],
        )

    def product(self, product: Product, related: Sequence[Teaser], encoding: Encoding) -> str:
        """A product's page, in the variant that its index picks."""
        offers = [self._shown_offer(product, offer) for offer in product.offers]
        buyable = [offer.price for offer in product.offers if offer.in_stock]
        aggregate = None
        if len(offers) > 1 and product.index % 8 == 3:
            aggregate = {"low": money.plain(min(buyable)), "high": money.plain(max(buyable))}
        stock = _IN_STOCK_TEXTS if product.in_stock else _SOLD_OUT_TEXTS
        markup = structured.scripts(product, self._base, self._trade.currency)
        return self._render(
            f"{self._trade.name}.product",
            product.name,
            encoding,
            product=product,
            category=self._categories[product.category],
            currency=self._trade.currency,
            scripts=markup if self._trade.name == "demo-jsonld" else [],
            offers=offers,
            aggregate=aggregate,
            price=self._show(product.price),
            old_price=self._show(product.price + 10),
            stock=stock[product.index % len(stock)],
            related=[self._shown_teaser(teaser, relative=False) for teaser in related],
        )

    def month(self, year: int, month: int, weeks: Sequence[Sequence[int]], following: str) -> str:
        """A month of the endless calendar, with a link to the `following` one."""
        return self._render(
            "calendar", f"{year}-{month:02}", UTF8, year=year, month=month, weeks=weeks, next=following
        )

    def _render(self, template: str, title: str, encoding: Encoding, **values: Any) -> str:
        return self._environment.get_template(f"{template}.html.j2").render(
            title=title,
            shop=self._trade.title,
            words=_WORDS[self._trade.name],
            categories=list(self._categories.values()),
            charset=encoding.meta,
            **values,
        )

    def _shown_teaser(self, teaser: Teaser, *, relative: bool) -> dict[str, str]:
        hrefs = [teaser.href, teaser.second_href]
        if relative:
            hrefs = [href.removeprefix("/") for href in hrefs]
        return {
            "href": hrefs[0],
            "second_href": hrefs[1],
            "name": teaser.product.name,
            "image": teaser.product.images[0],
            "price": self._show(teaser.product.price),
        }

    def _shown_offer(self, product: Product, offer: Offer) -> dict[str, Any]:
        return {
            "plain": money.plain(offer.price),
            "shown": self._show(offer.price),
            "in_stock": offer.in_stock,
            "availability": structured.availability(product, offer),
        }
