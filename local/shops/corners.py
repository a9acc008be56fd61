"""The hostile corners of the generated shops: what real sites do to a crawler, each at a known address."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

from local.shops.answer import Answer, failure, redirect
from local.shops.model import Product, Shop
from local.shops.truth import Corner

RETRY_AFTER_S: Final = 2
SLOW_S: Final = 1.5
BINARY_BYTES: Final = 32 * 1024 * 1024
#: The cloud's metadata address: no redirect may take a crawler there.
METADATA_URL: Final = "http://169.254.169.254/latest/meta-data/"


@dataclass(frozen=True)
class Encoding:
    """The charset that the header names (None: none), the one in the page's meta, and the bytes' own."""

    header: str | None
    meta: str | None
    actual: str


UTF8: Final = Encoding("utf-8", "utf-8", "utf-8")


@dataclass(frozen=True)
class Link:
    """A link on the home page that leads into a corner."""

    href: str
    text: str


@dataclass
class Corners:
    """Where a shop departs from the well-behaved: by page key unless said otherwise.

    `first` holds the answers to a page's first requests, after which it behaves. `detours` maps a SKU to
    the only address by which its product is linked.
    """

    first: dict[str, tuple[Answer, ...]] = field(default_factory=dict[str, tuple[Answer, ...]])
    always: dict[str, Answer] = field(default_factory=dict[str, Answer])
    waits: dict[str, float] = field(default_factory=dict[str, float])
    encodings: dict[str, Encoding] = field(default_factory=dict[str, Encoding])
    detours: dict[str, str] = field(default_factory=dict[str, str])
    links: list[Link] = field(default_factory=list[Link])
    described: list[Corner] = field(default_factory=list[Corner])
    calendar: bool = False


def corners(shop: Shop, listing_path: str) -> Corners:
    """The corners of `shop`; `listing_path` is the page of a listing that may fail too."""
    return _Builder(shop, listing_path).build()


class _Builder:
    """Gives each corner a product of its own."""

    def __init__(self, shop: Shop, listing_path: str) -> None:
        self._shop = shop
        self._listing_path = listing_path
        self._free = [product for product in shop.products if not product.in_sitemap_only]
        self._made = Corners()

    def build(self) -> Corners:
        self._missing_pages()
        self._forbidden_folder()
        self._loop()
        self._moved()
        self._slow()
        self._wrong_charset()
        self._own_corners()
        return self._made

    def _own_corners(self) -> None:
        own: Mapping[str, tuple[Callable[[], None], ...]] = {
            "demo-jsonld": (
                self._fails_once,
                self._listing_fails_once,
                self._too_many_requests,
                self._chain,
                self._calendar,
                self._binary,
                self._away,
            ),
            "demo-microdata": (self._fails_once, self._unavailable),
            "demo-selectors": (
                self._too_many_requests_twice,
                self._cut,
                self._old_charset,
                self._robots_fails_once,
            ),
        }
        for corner in own[self._shop.name]:
            corner()

    def _take(self, wanted: Callable[[Product], bool] = lambda _: True) -> Product:
        chosen = next((product for product in self._free if wanted(product)), self._free[0])
        self._free.remove(chosen)
        return chosen

    def _note(self, kind: str, path: str, note: str) -> None:
        self._made.described.append(Corner(kind=kind, path=path, note=note))

    def _link(self, href: str, text: str) -> None:
        self._made.links.append(Link(href, text))

    def _missing_pages(self) -> None:
        for number in range(1, 4):
            path = f"/gone/{number}"
            self._link(path, f"Sale {number}")
            self._note("404", path, "linked, not there")

    def _forbidden_folder(self) -> None:
        for product in self._shop.forbidden:
            self._link(product.path, product.name)
            self._note("disallowed", product.path, "a product that robots.txt keeps to itself")

    def _loop(self) -> None:
        self._made.always["/loop/1"] = redirect("/loop/2", HTTPStatus.FOUND)
        self._made.always["/loop/2"] = redirect("/loop/1", HTTPStatus.FOUND)
        self._link("/loop/1", "↻")
        self._note("redirect-loop", "/loop/1", "two pages that send to each other")

    def _moved(self) -> None:
        product = self._take()
        old = f"/old/{product.sku.lower()}"
        self._made.always[old] = redirect(product.path)
        self._made.detours[product.sku] = old
        self._note("moved", old, f"301; the only way to {product.path}")

    def _chain(self) -> None:
        product = self._take()
        self._made.always["/go/1"] = redirect("/go/2", HTTPStatus.FOUND)
        self._made.always["/go/2"] = redirect("/go/3", HTTPStatus.TEMPORARY_REDIRECT)
        self._made.always["/go/3"] = redirect(product.path, HTTPStatus.FOUND)
        self._made.detours[product.sku] = "/go/1"
        self._note("redirect-chain", "/go/1", f"three hops; the only way to {product.path}")

    def _slow(self) -> None:
        product = self._take()
        self._made.waits[product.path] = SLOW_S
        self._note("slow", product.path, f"answers after {SLOW_S} s")

    def _wrong_charset(self) -> None:
        product = self._take(lambda one: not one.name.isascii())
        self._made.encodings[product.path] = Encoding("ISO-8859-1", "utf-8", "utf-8")
        self._note("wrong-charset", product.path, "the header says ISO-8859-1, bytes and meta are UTF-8")

    def _old_charset(self) -> None:
        product = self._take(lambda one: not one.name.isascii())
        self._made.encodings[product.path] = Encoding("windows-1252", None, "windows-1252")
        self._note("old-charset", product.path, "windows-1252, as the header says; no meta")

    def _fails_once(self) -> None:
        product = self._take()
        self._made.first[product.path] = (failure(500, "Internal Server Error"),)
        self._note("fails-once", product.path, "500, then fine")

    def _listing_fails_once(self) -> None:
        self._made.first[self._listing_path] = (failure(502, "Bad Gateway"),)
        self._note("fails-once", self._listing_path, "a listing: 502, then fine")

    def _too_many_requests(self, times: int = 1) -> None:
        product = self._take()
        refusal = Answer(HTTPStatus.TOO_MANY_REQUESTS, b"Too Many Requests", retry_after_s=RETRY_AFTER_S)
        self._made.first[product.path] = (refusal,) * times
        self._note(
            "too-many-requests",
            product.path,
            f"429 with Retry-After: {RETRY_AFTER_S}, {times} time(s), then fine",
        )

    def _too_many_requests_twice(self) -> None:
        self._too_many_requests(2)

    def _unavailable(self) -> None:
        product = self._take()
        self._made.first[product.path] = (
            Answer(
                HTTPStatus.SERVICE_UNAVAILABLE,
                b"Service Unavailable",
                retry_after_s=RETRY_AFTER_S,
                retry_as_date=True,
            ),
        )
        self._note("unavailable", product.path, "503 with Retry-After as an HTTP date, then fine")

    def _cut(self) -> None:
        product = self._take()
        self._made.first[product.path] = (Answer(HTTPStatus.OK, b"<!doctype html><title>", cut=True),)
        self._note("cut", product.path, "the connection ends in the middle of the body, then fine")

    def _robots_fails_once(self) -> None:
        self._made.first["/robots.txt"] = (failure(500, "Internal Server Error"),)
        self._note("robots-fails-once", "/robots.txt", "500 first: hold off, do not take it for permission")

    def _calendar(self) -> None:
        self._made.calendar = True
        self._link("/calendar/2025/01", "Events")
        self._note("calendar", "/calendar/", "endless: every month links to the next")

    def _binary(self) -> None:
        path = "/files/catalogue.pdf"
        self._made.always[path] = Answer(
            HTTPStatus.OK, b"%PDF-1.7\n", content_type="application/pdf", padding_bytes=BINARY_BYTES
        )
        self._link(path, "Catalogue (PDF, 32 MB)")
        self._note("binary", path, "not HTML, and large")

    def _away(self) -> None:
        self._made.always["/away"] = redirect(METADATA_URL, HTTPStatus.FOUND)
        self._link("/away", "Partner")
        self._note("away", "/away", "a redirect to the cloud's metadata address")
