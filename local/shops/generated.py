"""A generated shop as a site: its addresses, its pages and its truth, all from the same model."""

import calendar
import re
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl, urlencode

from local.shops import definitions, money, sitemaps
from local.shops.answer import Answer, failure
from local.shops.corners import UTF8, Encoding, corners
from local.shops.model import LISTING_SIZE, Product, Shop, slug
from local.shops.pages import Category, Pages, Teaser
from local.shops.truth import ItemTruth, ShopTruth

#: Crawl-delay in the robots.txt of the shops that name one, in seconds.
CRAWL_DELAYS_S: Final = {"demo-microdata": 0.2}

_LISTING_PATHS: Final = {
    "demo-jsonld": ("/c/{slug}/", "?page={number}"),
    "demo-microdata": ("/kategoria/{slug}", "/strona-{number}"),
    "demo-selectors": ("/sortiment/{slug}/", "?seite={number}"),
}
#: Page numbers a listing links to, as steps from its own: few links, and no page far from the first.
_STEPS: Final = (-1, 1, 2, 5, 10, 20, 50, 100, 200, 500)
_TRACKING: Final = re.compile(r"utm_\w+|sid")
_CALENDAR: Final = re.compile(r"/calendar/(\d{4})/(\d{2})")


class GeneratedSite:
    """Answers for a generated shop at `base` (absolute, with the closing slash)."""

    def __init__(self, shop: Shop, base: str) -> None:
        self.name = shop.name
        self._shop = shop
        self._base = base
        self._categories = tuple(
            Category(name, self._listing(name, 1)) for name in shop.trade.vocabulary.categories
        )
        self._corners = corners(shop, self._categories[0].href)
        self._pages = Pages(shop.trade, base, self._categories)
        self._html: dict[str, Callable[[Encoding], str]] = {}
        self._add_pages()
        self._files = sitemaps.files(shop, base, self._corners.detours) if shop.trade.sitemap_share else {}

    def key(self, target: str) -> str:
        path, _, query = target.partition("?")
        kept = [(name, value) for name, value in parse_qsl(query, True) if not _TRACKING.fullmatch(name)]
        return f"{path}?{urlencode(kept)}" if kept else path

    def answer(self, target: str, earlier: int) -> Answer:
        key = self.key(target)
        first = self._corners.first.get(key, ())
        if earlier < len(first):
            return first[earlier]
        if key in self._corners.always:
            return self._corners.always[key]
        if key == "/robots.txt":
            return Answer(body=self._robots().encode(), content_type="text/plain; charset=utf-8")
        if key in self._files:
            return self._files[key]
        if key.startswith("/media/"):
            return Answer(body=b"\xff\xd8\xff\xe0", content_type="image/jpeg")
        return self._page(key)

    def truth(self) -> ShopTruth:
        return ShopTruth(
            shop=self.name,
            base=self._base,
            delay_s=max(definitions.delay_s(self.name), CRAWL_DELAYS_S.get(self.name, 0.0)),
            # Forbidden products have pages too, but none that a polite crawler reaches.
            pages=len(self._html) - len(self._shop.forbidden),
            items=tuple(self._item(product) for product in self._shop.products),
            disallowed=(self._shop.trade.forbidden_folder,),
            corners=tuple(self._corners.described),
        )

    def _page(self, key: str) -> Answer:
        encoding = self._corners.encodings.get(key, UTF8)
        if key in self._html:
            text = self._html[key](encoding)
        elif self._corners.calendar and (month := _CALENDAR.fullmatch(key)):
            return self._month(int(month[1]), int(month[2]))
        else:
            return failure(HTTPStatus.NOT_FOUND, "Not Found")
        return Answer(
            body=text.encode(encoding.actual, "xmlcharrefreplace"),
            content_type=f"text/html; charset={encoding.header}" if encoding.header else "text/html",
            wait_s=self._corners.waits.get(key, 0.0),
        )

    def _month(self, year: int, month: int) -> Answer:
        if not 1 <= month <= 12 or not 1 <= year < 9999:
            return failure(HTTPStatus.NOT_FOUND, "Not Found")
        following = f"/calendar/{year + month // 12:04}/{month % 12 + 1:02}"
        weeks = calendar.Calendar().monthdayscalendar(year, month)
        return Answer(body=self._pages.month(year, month, weeks, following).encode())

    def _add_pages(self) -> None:
        self._html["/"] = lambda encoding: self._pages.home(self._corners.links, encoding)
        self._html["/about"] = self._pages.about
        for category in self._categories:
            products = self._shop.categories[category.name]
            numbers = range(1, max(1, -(-len(products) // LISTING_SIZE)) + 1)
            for number in numbers:
                shown = products[(number - 1) * LISTING_SIZE : number * LISTING_SIZE]
                self._html[self._listing(category.name, number)] = self._listing_page(
                    category, number, len(numbers), shown
                )
        for product in (*self._shop.products, *self._shop.forbidden):
            self._html[product.path] = self._product_page(product)

    def _listing_page(
        self, category: Category, number: int, last: int, shown: Sequence[Product]
    ) -> Callable[[Encoding], str]:
        links = [
            (number + step, self._listing(category.name, number + step))
            for step in _STEPS
            if 1 <= number + step <= last
        ]
        teasers = [self._teaser(product, number) for product in shown]
        return lambda encoding: self._pages.listing(category, teasers, links, encoding)

    def _product_page(self, product: Product) -> Callable[[Encoding], str]:
        def render(encoding: Encoding) -> str:
            listed = self._shop.categories[product.category]
            place = product.index % max(1, len(listed))
            related = [
                self._teaser(one, product.index)
                for one in listed[place : place + 3]
                if one.sku != product.sku
            ]
            return self._pages.product(product, related, encoding)

        return render

    def _listing(self, category: str, number: int) -> str:
        path, page = _LISTING_PATHS[self._shop.name]
        return path.format(slug=slug(category)) + (page.format(number=number) if number > 1 else "")

    def _teaser(self, product: Product, seen_from: int) -> Teaser:
        """A link to the product in one of the ways shops write it; never plain for one that has moved."""
        plain = self._corners.detours.get(product.sku, product.path)
        glue = "&" if "?" in plain else "?"
        tracked = f"{plain}{glue}utm_source=listing&utm_medium=p{seen_from}"
        session = f"{plain}{glue}sid={product.index * 7919 + seen_from:08x}"
        href = {2: session, 3: f"{plain}#reviews", 4: tracked}.get(product.index % 5, plain)
        return Teaser(
            product, href, tracked if product.index % 3 == 0 else plain if product.index % 5 != 2 else href
        )

    def _robots(self) -> str:
        lines = ["# Welcome, robots.", "User-agent: *", f"Disallow: {self._shop.trade.forbidden_folder}"]
        if self.name in CRAWL_DELAYS_S:
            lines.append(f"Crawl-delay: {CRAWL_DELAYS_S[self.name]}")
        if self._files:
            lines += ["", f"Sitemap: {self._base.rstrip('/')}{sitemaps.INDEX_PATH}"]
        return "\n".join(lines) + "\n"

    def _item(self, product: Product) -> ItemTruth:
        root = self._base.rstrip("/")
        return ItemTruth(
            sku=product.sku,
            url=root + product.path,
            name=product.name,
            brand=product.brand,
            price=money.plain(product.price),
            currency=self._shop.trade.currency,
            availability="in_stock" if product.in_stock else "out_of_stock",
            images=tuple(root + path for path in product.images),
            category=product.category,
        )
