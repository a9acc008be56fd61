"""One GET: guarded, bounded in time and bytes, decoded, redirects left to the caller."""

import asyncio
import io
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Self
from urllib.parse import urljoin

import aiohttp
from yarl import URL

from crawler.errors import RefusedError, UnreachableError
from crawler.guard import Guard, GuardedResolver

BODY_LIMIT = 10 * 1024 * 1024
TOTAL_S = 30.0
CONNECT_S = 10.0
LONGEST_PAUSE_S = 900.0


@dataclass(frozen=True, slots=True)
class Response:
    """What a host answered."""

    url: str
    status: int
    content_type: str
    """As sent, parameters included; empty where none was."""
    body: bytes
    """Decoded; empty where the caller did not want it."""
    truncated: bool
    location: str | None
    """Absolute target of a redirect."""
    retry_after_s: float | None
    ms: int


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds of a Retry-After header, given as seconds or as an HTTP date; at most 15 minutes.

    Source: RFC 9110, 10.2.3.
    """
    if not value:
        return None
    text = value.strip()
    if text.isdigit():
        seconds = float(text)
    else:
        try:
            when = parsedate_to_datetime(text)
        except (ValueError, TypeError):
            return None
        if when.tzinfo is None:
            when = when.replace(tzinfo=UTC)
        seconds = (when - datetime.fromtimestamp(now, UTC)).total_seconds()
    return min(LONGEST_PAUSE_S, max(0.0, seconds))


def decompress(body: bytes, encoding: str, limit: int = BODY_LIMIT) -> tuple[bytes, bool]:
    """A body without its Content-Encoding, at most `limit` bytes of it, and whether there was more.

    Never more than `limit` bytes are unpacked, whatever the archive claims.

    Raises:
        UnreachableError: the encoding is unknown or the bytes are not of it.
    """
    for name in reversed([part.strip().lower() for part in encoding.split(",") if part.strip()]):
        body = _decompress_one(body, name, limit)
    return body[:limit], len(body) > limit


def _decompress_one(body: bytes, name: str, limit: int) -> bytes:
    try:
        match name:
            case "identity":
                return body
            case "gzip" | "x-gzip":
                return zlib.decompressobj(31).decompress(body, limit + 1)
            case "deflate":
                try:
                    return zlib.decompressobj(15).decompress(body, limit + 1)
                except zlib.error:  # many servers send it without the zlib header
                    return zlib.decompressobj(-15).decompress(body, limit + 1)
            case "br":
                import brotli  # noqa: PLC0415 - only fetch needs it, and not every host sends it

                return brotli.Decompressor().process(body, output_buffer_limit=limit + 1)
            case "zstd":
                import zstandard  # noqa: PLC0415

                return (
                    zstandard.ZstdDecompressor(max_window_size=1 << 23)
                    .stream_reader(io.BytesIO(body))
                    .read(limit + 1)
                )
            case _:
                raise UnreachableError(f"unknown content encoding {name!r}")
    except UnreachableError:
        raise
    except Exception as error:
        raise UnreachableError(f"the body is not {name}: {error}") from error


class Client:
    """GETs for one worker; connections are kept alive while a host is held."""

    def __init__(self, user_agent: str, guard: Guard, clock: Callable[[], float] = time.time) -> None:
        self._guard = guard
        self._clock = clock
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=GuardedResolver(guard), limit=100, limit_per_host=2),
            timeout=aiohttp.ClientTimeout(total=TOTAL_S, connect=CONNECT_S),
            headers={"User-Agent": user_agent, "Accept-Encoding": "gzip, deflate, br, zstd"},
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Connections are closed."""
        await self._session.close()

    async def get(
        self,
        url: str,
        *,
        accept: str = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.1",
        wants: Callable[[int, str], bool] = lambda _status, _type: True,
        limit: int = BODY_LIMIT,
    ) -> Response:
        """What the host answers to one GET.

        Args:
            url: absolute; sent as it is.
            accept: the Accept header.
            wants: told status and content type, decides whether the body is read at all.
            limit: bytes read, and bytes kept once decoded.

        Raises:
            RefusedError: a private address or an impossible URL; do not try again.
            UnreachableError: timeout, no connection, or a broken answer; the text says which.
        """
        try:
            target = URL(url, encoded=True)
        except ValueError as error:
            raise RefusedError(f"not a URL: {error}") from error
        self._guard.check_url(target)
        started = time.monotonic()
        try:
            async with self._session.get(target, allow_redirects=False, headers={"Accept": accept}) as answer:
                content_type = answer.headers.get("Content-Type", "")
                body, truncated = b"", False
                if wants(answer.status, content_type):
                    body, truncated = await self._read(answer, limit)
                elif (answer.content_length or 0) > 65_536:
                    answer.close()  # cheaper than reading on to keep the connection
                location = answer.headers.get("Location")
                return Response(
                    url=url,
                    status=answer.status,
                    content_type=content_type,
                    body=body,
                    truncated=truncated,
                    location=urljoin(url, location.strip()) if location else None,
                    retry_after_s=retry_after(answer.headers.get("Retry-After"), self._clock()),
                    ms=round((time.monotonic() - started) * 1_000),
                )
        except (RefusedError, UnreachableError):
            raise
        except TimeoutError as error:
            raise UnreachableError(f"timeout after {time.monotonic() - started:.0f} s") from error
        except aiohttp.InvalidURL as error:
            raise RefusedError(f"not a URL: {error}") from error
        except (aiohttp.ClientError, OSError, ValueError, asyncio.IncompleteReadError) as error:
            cause = error.__cause__ or error.__context__
            if isinstance(cause, RefusedError):
                raise cause from error
            raise UnreachableError(f"{type(error).__name__}: {error}"[:300]) from error

    async def _read(self, answer: aiohttp.ClientResponse, limit: int) -> tuple[bytes, bool]:
        packed = bytearray()
        async for chunk in answer.content.iter_chunked(65_536):
            packed += chunk
            if len(packed) > limit:
                answer.close()
                break
        encoding = answer.headers.get("Content-Encoding", "")
        body, more = decompress(bytes(packed), encoding, limit)
        return body, more or len(packed) > limit
