"""No way to private addresses, and no answer that a worker would not survive."""

import gzip
import zlib
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import brotli
import pytest
import zstandard
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from crawler.errors import RefusedError, UnreachableError
from crawler.guard import Guard, GuardedResolver, is_public
from crawler.http import Client, decompress, retry_after
from tests.servers.crawler.support import Answer, TinyShop


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.9.9.9", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "169.254.170.2",
        "100.64.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fd00::1",  # noqa: S104
        "fd00:ec2::254", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "2002:7f00:1::", "64:ff9b::a9fe:a9fe",
        "ff02::1",
    ],
)  # fmt: skip
def test_private_addresses_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"])
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/",
        "http://localhost:{port}/",
        "http://[::1]:{port}/",
        "http://2130706433:{port}/",
        "http://0x7f.1:{port}/",
        "http://127.1:{port}/",
        "http://169.254.169.254/latest/meta-data/",
    ],
)
async def test_no_spelling_of_a_private_address_is_requested(url: str) -> None:
    async with TinyShop({"/": "secret"}).serve() as shop, Client("t", Guard()) as client:
        with pytest.raises((RefusedError, UnreachableError)):
            await client.get(url.format(port=shop.host.partition(":")[2]))
        assert shop.paths() == []


async def test_only_the_listed_port_of_a_private_host_is_let_through() -> None:
    async with (
        TinyShop({"/": "one"}).serve() as one,
        TinyShop({"/": "two"}).serve() as two,
        Client("t", Guard([one.host])) as client,
    ):
        assert (await client.get(one.base + "/")).body == b"one"
        with pytest.raises(RefusedError):
            await client.get(two.base + "/")


class _Names(AbstractResolver):
    """A DNS that answers what an attacker likes."""

    def __init__(self, *addresses: str) -> None:
        self._addresses = addresses

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)
            for address in self._addresses
        ]

    async def close(self) -> None: ...


async def test_a_name_is_judged_by_every_address_it_resolves_to() -> None:
    mixed = GuardedResolver(Guard(), _Names("10.0.0.1", "93.184.216.34"))
    assert [answer["host"] for answer in await mixed.resolve("x.example", 443)] == ["93.184.216.34"]
    private = GuardedResolver(Guard(), _Names("10.0.0.1", "::1"))
    with pytest.raises(RefusedError):
        await private.resolve("x.example", 443)


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(b"x" * 1_000_000)),
        ("deflate", zlib.compress(b"x" * 1_000_000)),
        ("deflate", zlib.compress(b"x" * 1_000_000)[2:-4]),
        ("br", brotli.compress(b"x" * 1_000_000)),
        ("zstd", zstandard.ZstdCompressor().compress(b"x" * 1_000_000)),
        ("identity", b"x" * 1_000_000),
    ],
    ids=["gzip", "zlib", "raw deflate", "brotli", "zstandard", "none"],
)
def test_bodies_are_unpacked_up_to_a_limit(encoding: str, packed: bytes) -> None:
    assert decompress(packed, encoding, 2_000_000) == (b"x" * 1_000_000, False)
    assert decompress(packed, encoding, 1_000) == (b"x" * 1_000, True)


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd", "rot13"])
def test_a_body_that_is_not_what_it_says_is_a_broken_answer(encoding: str) -> None:
    with pytest.raises(UnreachableError, match=encoding):
        decompress(b"certainly not", encoding)


async def test_an_endless_body_is_cut_at_the_limit() -> None:
    async def endless(request: web.Request, _before: int) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "text/html"})
        await answer.prepare(request)
        try:
            while True:
                await answer.write(b"x" * 65_536)
        except ConnectionError:
            return answer

    async with TinyShop({"/": endless}).serve() as shop, Client("t", Guard([shop.host])) as client:
        response = await client.get(shop.base + "/", limit=200_000)
    assert (len(response.body), response.truncated) == (200_000, True)


async def test_a_redirect_is_told_not_followed() -> None:
    pages: dict[str, str | bytes | Answer] = {
        "/": lambda _r, _n: web.HTTPFound("/next?a=1"),
        "/next?a=1": "no",
    }
    async with TinyShop(pages).serve() as shop, Client("t", Guard([shop.host])) as client:
        response = await client.get(shop.base + "/")
        assert (response.status, response.location) == (302, shop.base + "/next?a=1")
        assert shop.paths() == ["/"]


async def test_a_refused_connection_is_worth_another_try() -> None:
    async with TinyShop({}).serve() as shop:
        host = shop.host
    async with Client("t", Guard([host])) as client:
        with pytest.raises(UnreachableError):
            await client.get(f"http://{host}/")


NOW = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("2", 2),
        (" 120 ", 120),
        ("99999", 900),
        (format_datetime(NOW + timedelta(seconds=30), usegmt=True), 30),
        (format_datetime(NOW - timedelta(seconds=30), usegmt=True), 0),
    ],
)
def test_retry_after_is_read_as_seconds_or_date_and_capped(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, NOW.timestamp()) == seconds
