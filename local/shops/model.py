"""The seeded model that both the pages and the truth of the generated shops come from."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from random import Random
from typing import Final

from local.shops.vocabulary import ENGLISH, GERMAN, POLISH, Vocabulary

#: Fewer leave no room for a shop's hostile corners, each of which takes a product of its own.
LEAST_PRODUCTS: Final = 30
LISTING_SIZE: Final = 12
FORBIDDEN_PRODUCTS: Final = 3


@dataclass(frozen=True)
class Offer:
    """One way to buy a product: a size, a colour or a seller."""

    price: Decimal
    in_stock: bool


@dataclass(frozen=True)
class Product:
    """What is sold. `index` counts from 0 within its shop and picks the markup variant of its page.

    `path` is the canonical path with query; `images` are paths. Products `in_sitemap_only` are linked
    nowhere, `forbidden` ones lie in the folder that robots.txt disallows.
    """

    index: int
    sku: str
    name: str
    brand: str | None
    offers: tuple[Offer, ...]
    images: tuple[str, ...]
    category: str
    also_in: str | None
    path: str
    description: str
    in_sitemap_only: bool = False
    forbidden: bool = False

    @property
    def in_stock(self) -> bool:
        """True when any offer can be bought: the first size sold out says nothing of the rest."""
        return any(offer.in_stock for offer in self.offers)

    @property
    def price(self) -> Decimal:
        """What a buyer pays: the lowest of the offers in stock, of all offers when none is."""
        buyable = [offer.price for offer in self.offers if offer.in_stock]
        return min(buyable or [offer.price for offer in self.offers])


@dataclass(frozen=True)
class Trade:
    """What makes one generated shop differ from the next, whatever the seed."""

    name: str
    title: str
    currency: str
    vocabulary: Vocabulary
    forbidden_folder: str
    product_path: str
    sku_format: str
    sitemap_share: int = 0


TRADES: Final[tuple[Trade, ...]] = (
    Trade("demo-jsonld", "Fen & Ferry", "GBP", ENGLISH, "/private/", "/p/{slug}", "FF-{:06d}"),
    Trade(
        "demo-microdata",
        "Trzy Turnie",
        "PLN",
        POLISH,
        "/konto/",
        "/produkt/{slug}.html",
        "00{:07d}",
        sitemap_share=4,
    ),
    Trade("demo-selectors", "Müller & Söhne", "EUR", GERMAN, "/intern/", "/artikel.php?nr={sku}", "{:06d}"),
)

_TRANSLITERATION: Final = str.maketrans(
    {
        "ø": "o",
        "Ø": "O",
        "ł": "l",
        "Ł": "L",
        "ß": "ss",
        "ä": "ae",
        "ö": "oe",
        "ü": "ue",
        "Ä": "Ae",
        "Ö": "Oe",
        "Ü": "Ue",
    }
)


@dataclass(frozen=True)
class Shop:
    """A generated shop: its catalogue, and the products hidden behind robots.txt that nobody may store."""

    trade: Trade
    products: tuple[Product, ...]
    forbidden: tuple[Product, ...]

    @property
    def name(self) -> str:
        return self.trade.name

    @property
    def categories(self) -> Mapping[str, tuple[Product, ...]]:
        """Category → products listed in it, in catalogue order; a product may stand in two, or in none."""
        return {
            category: tuple(
                product
                for product in self.products
                if category in (product.category, product.also_in) and not product.in_sitemap_only
            )
            for category in self.trade.vocabulary.categories
        }


def shops(seed: int, products: int) -> tuple[Shop, ...]:
    """The three generated shops, `products` between them; the same arguments give the same shops.

    Raises:
        ValueError: fewer than `LEAST_PRODUCTS` products.
    """
    if products < LEAST_PRODUCTS:
        raise ValueError(
            f"{products} products are too few: the shops need {LEAST_PRODUCTS} or more between them"
        )
    share, rest = divmod(products, len(TRADES))
    return tuple(_shop(trade, seed, share + (place < rest)) for place, trade in enumerate(TRADES))


def slug(text: str) -> str:
    """`text` as a part of a path: ASCII letters and digits, joined by hyphens."""
    plain = text.translate(_TRANSLITERATION)
    return "-".join("".join(c if c.isascii() and c.isalnum() else " " for c in plain).lower().split())


def _shop(trade: Trade, seed: int, count: int) -> Shop:
    random = Random(f"{trade.name}:{seed}")  # noqa: S311 (repeatable on purpose)
    numbers = random.sample(
        range(1_000, 1_000 + 40 * (count + FORBIDDEN_PRODUCTS)), count + FORBIDDEN_PRODUCTS
    )
    made = [_product(trade, random, index, number) for index, number in enumerate(numbers)]
    return Shop(trade, tuple(made[:count]), tuple(_forbid(trade, product) for product in made[count:]))


def _product(trade: Trade, random: Random, index: int, number: int) -> Product:
    words = trade.vocabulary
    sku = trade.sku_format.format(number)
    parts = (words.adjectives, words.nouns, words.endings)
    name = " ".join(random.choice(part) for part in parts).strip()
    category, other = random.sample(words.categories, 2)
    path = trade.product_path.format(sku=sku, slug=f"{slug(name)}-{sku.lower()}")
    return Product(
        index=index,
        sku=sku,
        name=name,
        brand=None if index % 8 == 5 else random.choice(words.brands),
        offers=_offers(random, index),
        images=tuple(f"/media/{sku.lower()}-{place}.jpg" for place in range(1, random.randint(2, 4))),
        category=category,
        also_in=other if index % 5 == 0 else None,
        path=path,
        description=" ".join(random.choices(words.sentences, k=random.randint(8, 30))),
        in_sitemap_only=bool(trade.sitemap_share) and index % trade.sitemap_share == 1,
    )


def _forbid(trade: Trade, product: Product) -> Product:
    path = f"{trade.forbidden_folder}{slug(product.name)}-{product.sku.lower()}.html"
    return replace(product, path=path, in_sitemap_only=False, forbidden=True)


def _offers(random: Random, index: int) -> tuple[Offer, ...]:
    """One offer, or in every fourth product several of which the first is sold out."""
    price = _price(random, index)
    if index % 4 == 3:
        dearer = price + Decimal(random.randint(100, 900)) / 100
        # Cheaper, and not to be had: whoever takes the first or the lowest price is wrong.
        gone = (price * Decimal("0.8")).quantize(Decimal("0.01"))
        return (Offer(gone, in_stock=False), Offer(dearer, in_stock=True), Offer(price, in_stock=True))
    return (Offer(price, in_stock=index % 7 != 6),)


def _price(random: Random, index: int) -> Decimal:
    """Small change, or in every third product an amount that is shown with a thousands separator."""
    cents = random.randint(100_000, 499_999) if index % 3 == 0 else random.randint(99, 24_999)
    if index % 12 == 0:
        cents -= cents % 100  # shown without decimals in places: "1.200 €"
    return Decimal(cents) / 100
