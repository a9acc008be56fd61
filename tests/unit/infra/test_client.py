"""The client against a server that misbehaves as Marathon and the network do."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import stamina

from infra.marathon.client import (
    AppLocked,
    AppNotFound,
    MarathonClient,
    MarathonFailed,
    MarathonRefused,
    MarathonUnreachable,
)

Answer = tuple[int, Any]


@contextmanager
def server(answer: Callable[[str, str], Answer]) -> Generator[str]:
    """A server on loopback whose answers come from a function of method and path."""

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, body = answer(self.command, self.path)
            data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_PUT = do_DELETE = _serve  # noqa: N815  the base class's names

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class's name
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{http.server_port}"
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


@pytest.fixture(autouse=True)
def no_waiting() -> Generator[None]:
    """Retries happen, their waits do not."""
    with stamina.set_testing(True, attempts=3):
        yield


def test_the_next_server_is_asked_when_one_does_not_answer() -> None:
    with server(lambda _m, _p: (200, {"app": {"id": "/a"}})) as url:
        assert MarathonClient(["http://127.0.0.1:9", url]).app("/a") == {"id": "/a"}


def test_an_election_is_waited_out() -> None:
    empty: dict[str, list[str]] = {"queue": []}
    answers: Iterator[Answer] = iter([(502, "no leader"), (503, ""), (200, empty)])
    with server(lambda _m, _p: next(answers)) as url:
        assert MarathonClient([url]).queue_item("/a") is None


def test_nobody_answering_names_the_servers_and_the_setting() -> None:
    with pytest.raises(MarathonUnreachable, match=r"127\.0\.0\.1:9: connection refused.*marathonUrls"):
        MarathonClient(["http://127.0.0.1:9"]).apps()


def test_a_refused_app_says_marathons_own_words() -> None:
    body = {"message": "Object is not valid", "details": [{"path": "/cpus", "errors": ["must be positive"]}]}
    with server(lambda _m, _p: (422, body)) as url, pytest.raises(MarathonRefused) as refused:
        MarathonClient([url]).put_app("/a", {})
    assert "Object is not valid (/cpus: must be positive)" in str(refused.value)


def test_a_lock_names_the_deployments_that_hold_it() -> None:
    body = {"message": "App is locked", "deployments": [{"id": "d1"}]}
    with server(lambda _m, _p: (409, body)) as url, pytest.raises(AppLocked) as locked:
        MarathonClient([url]).put_app("/a", {})
    assert locked.value.deployments == ["d1"]


def test_an_unknown_app_is_told_apart() -> None:
    with server(lambda _m, _p: (404, {"message": "no"})) as url, pytest.raises(AppNotFound):
        MarathonClient([url]).app("/a")


def test_an_address_without_a_route_is_not_asked_again() -> None:
    asked: list[str] = []

    def answer(method: str, path: str) -> Answer:
        asked.append(path)
        return 500, {"message": "URI not found"}

    with server(answer) as url, pytest.raises(MarathonFailed, match="URI not found"):
        MarathonClient([url]).apps()
    assert len(asked) == 1


def test_ping_is_false_and_quiet_while_nothing_is_there() -> None:
    assert MarathonClient(["http://127.0.0.1:9"]).ping() is False
