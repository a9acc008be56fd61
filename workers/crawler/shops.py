"""Shop definitions: one TOML a shop, checked to the last key before a worker starts."""

import difflib
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from crawler.errors import ConfigError

Regex = str
Count = Annotated[int, msgspec.Meta(ge=1)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=3_600)]


class Selectors(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """CSS selectors of a product page; `::attr(x)` takes an attribute, else the text counts."""

    item: str
    """A page is a product's if and only if this matches."""
    sku: str | None = None
    name: str | None = None
    brand: str | None = None
    price: str | None = None
    currency: str | None = None
    image: str | None = None
    category: str | None = None
    availability: str | None = None
    in_stock: Regex | None = None
    """Searched in the text of `availability`: there = in stock."""


class Shop(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to crawl of a shop and how politely."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9-]{1,40}$")]
    seeds: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    hosts: tuple[str, ...] = ()
    delay_s: Seconds = 1.0
    """From the end of one response to the start of the next request."""
    every_hours: Annotated[float, msgspec.Meta(gt=0)] = 24.0
    max_depth: Annotated[int, msgspec.Meta(ge=0)] = 16
    max_urls: Count = 100_000
    max_urls_per_pattern: Count = 20_000
    include: tuple[Regex, ...] = ()
    exclude: tuple[Regex, ...] = ()
    sitemaps: tuple[str, ...] = ()
    strip_parameters: tuple[str, ...] = ()
    currency: Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{3}$")] | None = None
    selectors: Selectors | None = None

    def robots_url(self, host: str) -> str:
        """Where the host's robots.txt is, by the scheme of the seeds."""
        schemes = {urlsplit(seed).netloc.lower(): urlsplit(seed).scheme for seed in self.seeds}
        return f"{schemes.get(host, urlsplit(self.seeds[0]).scheme)}://{host}/robots.txt"


def _closest(text: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(text, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(known)}"


def _check_keys(path: Path, values: Mapping[str, object]) -> None:
    selectors = values.get("selectors")
    for prefix, given, fields in (
        ("", values, Shop.__struct_fields__),
        ("selectors.", selectors if isinstance(selectors, dict) else {}, Selectors.__struct_fields__),
    ):
        for key in given:
            if key not in fields:
                raise ConfigError(f"{path}: unknown key {prefix}{key}{_closest(str(key), fields)}")


def _check_url(path: Path, key: str, url: str) -> None:
    try:
        parts = urlsplit(url)
        bad = parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0
    except ValueError:
        bad = True
    if bad:
        raise ConfigError(f"{path}: {key}: {url!r} is not an absolute http(s) URL")


def _check_regex(path: Path, key: str, text: str) -> None:
    try:
        re.compile(text)
    except re.error as error:
        raise ConfigError(f"{path}: {key}: {text!r} is not a regular expression: {error}") from None


def _check_selector(path: Path, key: str, text: str) -> None:
    from crawler.extract.selectors import compile_selector  # noqa: PLC0415 - only parse and check need an HTML parser

    try:
        compile_selector(text)
    except ValueError as error:
        raise ConfigError(f"{path}: {key}: {error}") from None


def _check_values(path: Path, shop: Shop, *, selectors: bool) -> None:
    if shop.name != path.stem:
        raise ConfigError(f"{path}: name: {shop.name!r} must be the file's own name, {path.stem!r}")
    for key, urls in (("seeds", shop.seeds), ("sitemaps", shop.sitemaps)):
        for url in urls:
            _check_url(path, key, url)
    for key, texts in (("include", shop.include), ("exclude", shop.exclude)):
        for text in texts:
            _check_regex(path, key, text)
    if shop.selectors is not None:
        _check_selectors(path, shop.selectors, compiled=selectors)


def _check_selectors(path: Path, selectors: Selectors, *, compiled: bool) -> None:
    for key in Selectors.__struct_fields__:
        text = getattr(selectors, key)
        if key == "in_stock" and text is not None:
            _check_regex(path, "selectors.in_stock", text)
        elif text is not None and compiled:
            _check_selector(path, f"selectors.{key}", text)


def read_shop(path: Path, *, selectors: bool = True) -> Shop:
    """The shop of one definition.

    Args:
        path: a TOML file named after its shop.
        selectors: whether CSS selectors are compiled too, which needs an HTML parser.

    Raises:
        ConfigError: one line naming the file, the key, and what would be right.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    _check_keys(path, values)
    if not values.get("seeds"):
        raise ConfigError(f"{path}: seeds: at least one absolute http(s) URL is needed")
    try:
        shop = msgspec.convert(values, Shop)
    except msgspec.ValidationError as error:
        text, _, where = str(error).partition(" - at `$.")
        key = where.rstrip("`") or "the file"
        raise ConfigError(f"{path}: {key}: {text}") from None
    _check_values(path, shop, selectors=selectors)
    hosts = tuple(host.lower() for host in shop.hosts) or tuple(
        dict.fromkeys(urlsplit(seed).netloc.lower() for seed in shop.seeds)
    )
    for host in hosts:
        if not re.fullmatch(r"[^\s/@?#]+", host):
            raise ConfigError(f"{path}: hosts: {host!r} is not a host, or host:port")
    return msgspec.structs.replace(shop, hosts=hosts)


def read_shops(folder: Path, *, selectors: bool = True) -> dict[str, Shop]:
    """All shops of a folder, by name.

    Raises:
        ConfigError: the folder is missing or a definition in it is wrong.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder of shop definitions; set TRAWLER_SHOPS_DIR")
    shops = [read_shop(path, selectors=selectors) for path in sorted(folder.glob("*.toml"))]
    return {shop.name: shop for shop in shops}
