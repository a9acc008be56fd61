"""Serves sites over HTTP on loopback, and logs every request."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime
from email.utils import format_datetime
from math import ceil
from socket import socket
from typing import Final

from aiohttp import web

from local.shops.access_log import Access, AccessLog
from local.shops.answer import Answer, Site

_CHUNK: Final = bytes(256 * 1024)
_SHUTDOWN_S: Final = 1.0


@asynccontextmanager
async def serving(stalls: Sequence[tuple[Site, AccessLog, socket]]) -> AsyncGenerator[None]:
    """Each site answers on its own bound socket while the context lasts."""
    async with AsyncExitStack() as stack:
        for site, log, bound in stalls:
            runner = web.AppRunner(_application(site, log), access_log=None, shutdown_timeout=_SHUTDOWN_S)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.SockSite(runner, bound).start()
        yield


def _application(site: Site, log: AccessLog) -> web.Application:
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", _Handler(site, log).handle)
    return app


class _Handler:
    """Turns a site's answers into HTTP; remembers how often each page was asked for."""

    def __init__(self, site: Site, log: AccessLog) -> None:
        self._site = site
        self._log = log
        self._asked = Counter[str]()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        at, started = time.time(), time.monotonic()
        answer = self._answer(request)
        if answer.wait_s:
            await asyncio.sleep(answer.wait_s)
        response, retry_after = _response(answer)
        # Before it is sent: what a client has seen is in the log.
        self._log.write(
            Access(
                at=at,
                monotonic=started,
                method=request.method,
                path=request.raw_path,
                status=answer.status,
                ms=round((time.monotonic() - started) * 1000, 3),
                user_agent=request.headers.get("User-Agent", ""),
                retry_after=retry_after,
            )
        )
        with suppress(ConnectionError):  # a client may leave in the middle
            await _send(request, response, answer)
        return response

    def _answer(self, request: web.Request) -> Answer:
        if request.method not in {"GET", "HEAD"}:
            return Answer(405, b"Method Not Allowed", headers={"Allow": "GET, HEAD"})
        key = self._site.key(request.raw_path)
        earlier = self._asked[key]
        self._asked[key] += 1
        return self._site.answer(request.raw_path, earlier)


def _response(answer: Answer) -> tuple[web.StreamResponse, float | None]:
    """The response without its body, and the seconds that its Retry-After really asks for."""
    response = web.StreamResponse(status=answer.status, headers=answer.headers)
    if answer.content_type:
        response.headers["Content-Type"] = answer.content_type
    if answer.location:
        response.headers["Location"] = answer.location
    response.content_length = len(answer.body) + answer.padding_bytes + (1024 if answer.cut else 0)
    if answer.retry_after_s is None:
        return response, None
    if not answer.retry_as_date:
        response.headers["Retry-After"] = str(answer.retry_after_s)
        return response, float(answer.retry_after_s)
    now = time.time()
    until = ceil(now + answer.retry_after_s)  # HTTP dates have whole seconds
    response.headers["Retry-After"] = format_datetime(datetime.fromtimestamp(until, UTC), usegmt=True)
    return response, until - now


async def _send(request: web.Request, response: web.StreamResponse, answer: Answer) -> None:
    await response.prepare(request)
    if request.method == "HEAD":
        return
    await response.write(answer.body)
    if answer.cut and request.transport is not None:
        request.transport.close()
        return
    left = answer.padding_bytes
    while left > 0:
        await response.write(_CHUNK[:left])
        left -= len(_CHUNK)
    await response.write_eof()
