"""The seeded model: same seed, same shops; another seed, other shops."""

import pytest

from local.shops import model
from local.shops.generated import GeneratedSite
from local.shops.truth import ShopTruth

BASE = "http://127.0.0.1:1/"


def truths(seed: int, products: int = 90) -> list[ShopTruth]:
    return [GeneratedSite(shop, BASE).truth() for shop in model.shops(seed, products)]


def test_the_same_seed_gives_the_same_shops() -> None:
    assert truths(3) == truths(3)


def test_another_seed_gives_other_names_prices_and_skus() -> None:
    for one, other in zip(truths(1), truths(2), strict=True):
        for field in ("name", "price"):
            ours, theirs = ([getattr(item, field) for item in truth.items] for truth in (one, other))
            differing = sum(a != b for a, b in zip(ours, theirs, strict=True))
            assert differing > len(one.items) * 0.8, (one.shop, field)
        assert {item.sku for item in one.items} != {item.sku for item in other.items}


@pytest.mark.parametrize("products", [30, 100, 301])
def test_the_products_asked_for_are_spread_over_the_shops(products: int) -> None:
    shops = model.shops(1, products)
    assert sum(len(shop.products) for shop in shops) == products
    assert all(len({product.sku for product in shop.products}) == len(shop.products) for shop in shops)
    assert all(len({product.path for product in shop.products}) == len(shop.products) for shop in shops)


def test_too_few_products_are_refused_with_the_least_number() -> None:
    with pytest.raises(ValueError, match="30 or more"):
        model.shops(1, 29)


@pytest.mark.parametrize("seed", range(20))
def test_even_the_smallest_shops_have_a_product_for_every_corner(seed: int) -> None:
    for truth in truths(seed, model.LEAST_PRODUCTS):
        kinds = [corner.kind for corner in truth.corners]
        assert {"404", "disallowed", "moved", "redirect-loop", "slow", "wrong-charset"} <= set(kinds)


def test_the_catalogue_holds_what_crawlers_stumble_over() -> None:
    for shop in model.shops(1, 300):
        products = shop.products
        assert any(not product.name.isascii() for product in products)
        assert any("&" in product.name for product in products)
        assert any('"' in product.name for product in products)
        assert any(product.brand is None for product in products)
        assert any(product.price >= 1000 for product in products)
        assert any(not product.in_stock for product in products)
        assert any(product.in_stock and not product.offers[0].in_stock for product in products)
        assert any(product.also_in for product in products)
    assert len({shop.trade.currency for shop in model.shops(1, 30)}) == 3
