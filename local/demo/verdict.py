"""Judges a crawl: the items it stored against the truth, the requests it made against the shop's rules."""

import html
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from http import HTTPStatus
from typing import Any, Final, TypeAlias
from urllib.parse import unquote, urlsplit

import msgspec

from local.shops.access_log import Access
from local.shops.truth import ItemTruth, ShopTruth

Item: TypeAlias = Mapping[str, Any]

#: Clocks and the way through the kernel are not exact: a request this much early is in time.
TOLERANCE_S: Final = 0.002

_TEXTS: Final = ("name", "brand", "category")
_HOLDING_OFF: Final = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


class WrongField(msgspec.Struct, frozen=True):
    """A field of a stored item that is not what the shop's page says."""

    sku: str
    field: str
    expected: Any
    found: Any


class Violation(msgspec.Struct, frozen=True):
    """A request that broke a rule; `at_s` counts from the shop's first request."""

    at_s: float
    path: str
    rule: str


class ShopVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a crawl of one shop came to. SKUs in `missing` and `duplicated`, range keys in `unexpected`.

    `pages` are requests answered with a page (2xx), `requests` are all.
    """

    name: str
    pages: int
    expected_items: int
    stored_items: int
    missing: tuple[str, ...]
    duplicated: tuple[str, ...]
    unexpected: tuple[str, ...]
    wrong_fields: tuple[WrongField, ...]
    robots_violations: tuple[Violation, ...]
    rate_violations: tuple[Violation, ...]
    requests: int
    requests_per_s: float
    limit_per_s: float
    refused_by_robots: int

    @property
    def ok(self) -> bool:
        """True when every item is there once and right, nothing else is, and no rule was broken.

        An empty log is no proof of manners: without requests nothing is right.
        """
        return self.requests > 0 and not (
            self.missing
            or self.duplicated
            or self.unexpected
            or self.wrong_fields
            or self.robots_violations
            or self.rate_violations
        )


def judge(
    truth: ShopTruth, items: Iterable[Item], access_log: Iterable[Access], *, refused_by_robots: int = 0
) -> ShopVerdict:
    """The verdict on a crawl of the shop that `truth` describes.

    Args:
        truth: what a perfect and polite crawler brings home.
        items: rows of the items table as plain dicts; those of other shops are left out.
        access_log: the shop's log, in any order.
        refused_by_robots: URLs that the crawl's own counter says it did not ask for; passed on.
    """
    stored = [item for item in items if item.get("shop") == truth.shop]
    log = sorted(access_log, key=lambda access: access.monotonic)
    matches = _match(truth, stored)
    known = {id(item) for found in matches for item in found}
    span_s = log[-1].monotonic - log[0].monotonic if log else 0.0
    return ShopVerdict(
        name=truth.shop,
        pages=sum(200 <= access.status < 300 for access in log),
        expected_items=len(truth.items),
        stored_items=len(stored),
        missing=tuple(one.sku for one, found in zip(truth.items, matches, strict=True) if not found),
        duplicated=tuple(one.sku for one, found in zip(truth.items, matches, strict=True) if len(found) > 1),
        unexpected=tuple(str(item.get("item")) for item in stored if id(item) not in known),
        wrong_fields=tuple(
            wrong
            for one, found in zip(truth.items, matches, strict=True)
            for item in found[:1]
            for wrong in _wrong_fields(one, item, truth.images_by == "file_name")
        ),
        robots_violations=tuple(_robots_violations(truth.disallowed, log)),
        rate_violations=tuple(_rate_violations(truth.delay_s, log)),
        requests=len(log),
        requests_per_s=round((len(log) - 1) / span_s, 2) if span_s else 0.0,
        limit_per_s=round(1 / truth.delay_s, 2),
        refused_by_robots=refused_by_robots,
    )


def _match(truth: ShopTruth, stored: Sequence[Item]) -> list[list[Item]]:
    """For each true item those stored for it: by SKU, else by address; more than one is a duplicate."""
    by_sku: dict[str, list[Item]] = {}
    by_url: dict[str, list[Item]] = {}
    for item in stored:
        by_sku.setdefault(str(item.get("sku")), []).append(item)
        by_url.setdefault(str(item.get("url")), []).append(item)
    matches: list[list[Item]] = []
    for one in truth.items:
        found = [item for sku in (one.sku, *one.sku_also) if sku for item in by_sku.get(sku, [])]
        found += [item for item in by_url.get(one.url, []) if not any(item is other for other in found)]
        matches.append(found)
    return matches


def _wrong_fields(truth: ItemTruth, item: Item, images_by_file_name: bool) -> Iterator[WrongField]:
    for field in ("sku", "url", *_TEXTS, "price", "currency", "availability"):
        expected, found = getattr(truth, field), item.get(field)
        if field in truth.unscored or (field == "sku" and not expected):
            continue
        accepted = (expected, *getattr(truth, f"{field}_also", ()))
        if not any(_same(field, one, found) for one in accepted):
            yield WrongField(truth.sku, field, expected, found)
    images = [str(image) for image in item.get("images") or ()]
    if not _images_found(truth, images, images_by_file_name):
        yield WrongField(truth.sku, "images", list(truth.images), images)


def _same(field: str, expected: str | None, found: object) -> bool:
    if expected is None or found is None:
        return expected is None and found is None
    if field == "price":
        return _amount(found) == Decimal(expected)
    if field in _TEXTS:
        return _text(str(found)) == _text(expected)
    return str(found) == expected


def _amount(value: object) -> Decimal | None:
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return None


def _text(value: str) -> str:
    """`value` without what no reader sees: entities left over, kinds of spaces, forms of composed letters."""
    return " ".join(unicodedata.normalize("NFC", html.unescape(value)).split())


def _images_found(truth: ItemTruth, found: Sequence[str], by_file_name: bool) -> bool:
    """True when all expected images are among those found, in their order; by file name, one is enough."""
    if not by_file_name:
        rest = iter(found)
        return all(image in rest for image in truth.images)
    wanted = {_file_name(image) for image in (*truth.images, *truth.images_also)}
    return not wanted or any(_file_name(image) in wanted for image in found)


def _file_name(url: str) -> str:
    return urlsplit(url).path.rpartition("/")[2]


def _robots_violations(disallowed: Sequence[str], log: Sequence[Access]) -> Iterator[Violation]:
    """Requests under a disallowed prefix, and those made before robots.txt was known.

    An answer of 500 or above tells nothing: the crawler has to hold off until it has another (RFC 9309, 2.3.1.4).
    """
    known = False
    for access in log:
        path = unquote(access.path)
        if path.partition("?")[0] == "/robots.txt":
            known = known or 0 < access.status < HTTPStatus.INTERNAL_SERVER_ERROR
        elif not known:
            yield _violation(log, access, "asked for before robots.txt was known")
        elif prefix := next((one for one in disallowed if path.startswith(one)), None):
            yield _violation(log, access, f"robots.txt disallows {prefix}")


def _rate_violations(delay_s: float, log: Sequence[Access]) -> Iterator[Violation]:
    """Requests too soon after the one before, or within the time that a 429 or 503 asked to wait; each once."""
    shut_until = 0.0
    for before, access in zip([None, *log], log, strict=False):
        if access.monotonic < shut_until - TOLERANCE_S:
            early = shut_until - access.monotonic
            yield _violation(log, access, f"{early:.3f} s before the end of Retry-After")
        elif before and (gap := access.monotonic - before.monotonic) < delay_s - TOLERANCE_S:
            yield _violation(log, access, f"{gap:.3f} s after the request before, {delay_s} s is the least")
        if access.status in _HOLDING_OFF and access.retry_after:
            shut_until = max(shut_until, access.monotonic + access.retry_after)


def _violation(log: Sequence[Access], access: Access, rule: str) -> Violation:
    return Violation(round(access.monotonic - log[0].monotonic, 3), access.path, rule)
