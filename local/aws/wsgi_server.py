"""Serves a WSGI application over aiohttp, with connections that stay open.

werkzeug's own server closes the connection after each answer, which costs an AWS client a new one for each call.
"""

from __future__ import annotations

import asyncio
import io
import socket
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeAlias
from urllib.parse import unquote_to_bytes

from aiohttp import web

Application: TypeAlias = Callable[[dict[str, Any], Any], Iterable[bytes]]

RAW_HEADERS_KEY: Final = "wsgi_server.raw_headers"
"""In the environment: (name, value) of each header as it was sent; WSGI loses the difference of - and _."""
_THREADS: Final = 128  # a long poll holds one for up to 20 s
_BODY_LIMIT: Final = 1 << 30


async def serve(application: Application, listener: socket.socket, ready: Callable[[], None]) -> None:
    """Answers requests until cancelled; calls `ready` once the first can be answered.

    Args:
        listener: a bound socket.
    """
    pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="request")
    loop = asyncio.get_running_loop()

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        status, headers, content = await loop.run_in_executor(pool, _call, application, request, body)
        response = web.Response(status=status, body=content)
        for name, value in headers:
            # A HEAD answer names the length of what it does not send.
            if name.lower() == "content-length" and request.method != "HEAD":
                continue
            if name.lower() == "content-type":
                response.headers[name] = value
            else:
                response.headers.add(name, value)
        return response

    def make_request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
        return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=_BODY_LIMIT)

    # Bodies are not unpacked: an object that was stored with Content-Encoding gzip must come back as it was.
    server = web.Server(answer, request_factory=make_request, access_log=None, auto_decompress=False)
    runner = web.ServerRunner(server)
    await runner.setup()
    try:
        await web.SockSite(runner, listener, backlog=256).start()
        ready()
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()
        pool.shutdown(wait=False, cancel_futures=True)


def _call(
    application: Application, request: web.BaseRequest, body: bytes
) -> tuple[int, list[tuple[str, str]], bytes]:
    started: list[tuple[int, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], _exc_info: object = None) -> None:
        started[:] = [(int(status.split(maxsplit=1)[0]), headers)]

    answer = application(environ_of(request, body), start_response)
    try:
        content = b"".join(answer)
    finally:
        close = getattr(answer, "close", None)
        if close is not None:
            close()
    [(status, headers)] = started
    return status, headers, content


def environ_of(request: web.BaseRequest, body: bytes) -> dict[str, Any]:
    """The WSGI environment of a request whose body is read. Source: PEP 3333; RAW_URI as gunicorn sets it."""
    path, _, query = request.raw_path.partition("?")
    host, port = (request.transport.get_extra_info("sockname") if request.transport else None) or (
        "127.0.0.1",
        0,
    )
    environ: dict[str, Any] = {
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "REQUEST_URI": request.raw_path,
        "RAW_URI": request.raw_path,
        "REMOTE_ADDR": request.remote or "127.0.0.1",
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_LENGTH": str(len(body)),
        RAW_HEADERS_KEY: list(request.headers.items()),
    }
    for name, value in request.headers.items():
        key = name.upper().replace("-", "_")
        # The body is whole by now. Names with an underscore could pass for others with a dash.
        if key in ("CONTENT_LENGTH", "TRANSFER_ENCODING") or "_" in name:
            continue
        key = key if key == "CONTENT_TYPE" else f"HTTP_{key}"
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    return environ
