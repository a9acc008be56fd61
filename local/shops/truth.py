"""The truth of a shop: what a crawl of it must find, written beside the access logs for whoever compares."""

from pathlib import Path
from typing import Literal

import msgspec


class ItemTruth(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """A product as its page shows it; None where the page does not say.

    `…_also` hold further values that are as right. Fields in `unscored` are unknown and not compared.
    """

    sku: str
    url: str
    name: str
    brand: str | None = None
    price: str | None = None
    currency: str | None = None
    availability: Literal["in_stock", "out_of_stock"] | None = None
    images: tuple[str, ...] = ()
    category: str | None = None
    sku_also: tuple[str, ...] = ()
    name_also: tuple[str, ...] = ()
    price_also: tuple[str, ...] = ()
    images_also: tuple[str, ...] = ()
    brand_also: tuple[str, ...] = ()
    unscored: tuple[str, ...] = ()


class Corner(msgspec.Struct, frozen=True, kw_only=True):
    """A hostile corner of a shop: what stands at `path`, and what it tries to provoke."""

    kind: str
    path: str
    note: str


class ShopTruth(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of a shop.

    `delay_s` is the least time between two requests: the larger of its definition's and of robots.txt's.
    `pages` counts what is to be reached: HTML pages answered with 200, the endless ones left out.
    `disallowed` are path prefixes. `images_by` says whether images are compared by address or by file name.
    """

    shop: str
    base: str
    delay_s: float
    pages: int
    items: tuple[ItemTruth, ...]
    disallowed: tuple[str, ...] = ()
    corners: tuple[Corner, ...] = ()
    images_by: Literal["url", "file_name"] = "url"


class TruthError(Exception):
    """A truth file cannot be read; the message names it."""


def write(truth: ShopTruth, folder: Path) -> Path:
    """Write `<folder>/<shop>.json` and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{truth.shop}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(truth), indent=1))
    return path


def read(path: Path) -> ShopTruth:
    """The truth in `path`.

    Raises:
        TruthError: there is no such file, or it holds something else.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=ShopTruth)
    except OSError as error:
        raise TruthError(f"{path}: cannot be read: {error.strerror}; were the shops started?") from error
    except msgspec.MsgspecError as error:
        raise TruthError(f"{path}: not a shop's truth: {error}") from error
