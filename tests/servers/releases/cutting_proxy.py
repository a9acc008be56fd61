"""A TCP proxy on loopback that breaks its first connections while a body is being sent."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Generator
from urllib.parse import urlsplit

CUT_AFTER_BYTES = 4096


@contextlib.contextmanager
def cutting(endpoint: str, times: int) -> Generator[tuple[str, list[int]]]:
    """Forward to an endpoint; the first `times` connections end once 4 KiB went in.

    Gives the proxy's URL, and a list that grows by the bytes let through of each connection that was cut.
    """
    target = urlsplit(endpoint)
    cuts: list[int] = []
    lock = threading.Lock()
    server = socket.create_server(("127.0.0.1", 0))

    def serve(client: socket.socket) -> None:
        with client, socket.create_connection((target.hostname or "", target.port or 0)) as upstream:
            with lock:
                doomed = len(cuts) < times
                if doomed:
                    cuts.append(0)
                    place = len(cuts) - 1
            with selectors.DefaultSelector() as selector:
                selector.register(client, selectors.EVENT_READ, upstream)
                selector.register(upstream, selectors.EVENT_READ, client)
                while True:
                    for key, _ in selector.select(10):
                        source: socket.socket = key.fileobj  # pyright: ignore[reportAssignmentType]
                        data = source.recv(1024)
                        if not data:
                            return
                        if doomed and source is client:
                            cuts[place] += len(data)  # pyright: ignore[reportPossiblyUnboundVariable]
                            if cuts[place] > CUT_AFTER_BYTES:  # pyright: ignore[reportPossiblyUnboundVariable]
                                return
                        key.data.sendall(data)

    def guarded(client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            serve(client)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = server.accept()
                threading.Thread(target=guarded, args=(client,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}", cuts
    finally:
        server.close()
