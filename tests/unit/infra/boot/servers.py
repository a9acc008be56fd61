"""What a machine talks to, played on loopback by real servers."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "a-session-token"


@dataclass(frozen=True)
class Request:
    """What a server was asked."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Answer = tuple[int, str] | tuple[int, str, dict[str, str]]


@dataclass
class Server:
    """A server and everything it was asked."""

    address: str
    asked: list[Request] = field(default_factory=list[Request])

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://{self.address}"


@contextlib.contextmanager
def serving(answer: Callable[[Request], Answer]) -> Generator[Server]:
    """A server on a free loopback port that answers as the function says."""

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            request = Request(self.command, self.path, dict(self.headers), body)
            server.asked.append(request)
            status, text, *more = answer(request)
            self.send_response(status)
            for name, value in (more[0] if more else {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = do_PUT = _any  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Silent."""

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    server = Server(f"127.0.0.1:{httpd.server_address[1]}")
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()


def metadata(values: dict[str, str]) -> Callable[[Request], Answer]:
    """Instance metadata, version 2: the values by path below `/latest/meta-data/`, to who has a token."""

    def answer(request: Request) -> Answer:
        if request.method == "PUT" and request.path == "/latest/api/token":
            return (
                (200, TOKEN)
                if "X-aws-ec2-metadata-token-ttl-seconds".title() in _titled(request)
                else (400, "")
            )
        if _titled(request).get("X-Aws-Ec2-Metadata-Token") != TOKEN:
            return 401, ""
        path = request.path.removeprefix("/latest/meta-data/")
        return (200, values[path]) if path in values else (404, "")

    return answer


def _titled(request: Request) -> dict[str, str]:
    return {name.title(): value for name, value in request.headers.items()}


def agent_state(tasks: int, master: str = "127.0.0.1", agent_id: str = "agent-7") -> str:
    """`/state` of a Mesos agent with so many tasks, one of them queued."""
    running, queued = max(tasks - 1, 0), min(tasks, 1)
    executor: dict[str, Any] = {
        "tasks": [{"id": f"t{i}"} for i in range(running)],
        "queued_tasks": [{}] * queued,
    }
    return json.dumps({"id": agent_id, "master_hostname": master, "frameworks": [{"executors": [executor]}]})


def closed_address() -> str:
    """An address on which nobody listens."""
    with serving(lambda _: (200, "")) as server:
        return server.address
