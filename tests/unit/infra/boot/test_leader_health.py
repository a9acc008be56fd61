"""What the load balancer learns about a master's Marathon."""

from __future__ import annotations

import base64
import http.client
import threading
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from infra.boot.node.leader_health import HealthServer
from tests.unit.infra.boot.servers import Answer, Request, closed_address, serving

WANTED = "Basic " + base64.b64encode(b"deployer:secret").decode()


@contextmanager
def health(marathon: str) -> Generator[str]:
    """The health server of a master whose Marathon is at an address."""
    server = HealthServer(("127.0.0.1", 0), marathon, "deployer", "secret")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def get(address: str, path: str = "/leader") -> int:
    """Status of a GET, as the load balancer would send it: without credentials."""
    connection = http.client.HTTPConnection(address, timeout=10)
    connection.request("GET", path)
    response = connection.getresponse()
    assert response.read() == b""
    connection.close()
    return response.status


@pytest.mark.parametrize(("answer", "expected"), [(200, 200), (502, 503), (500, 503), (302, 503)])
def test_a_master_is_healthy_when_its_marathon_reaches_the_leader(answer: int, expected: int) -> None:
    def ping(request: Request) -> Answer:
        assert request.path == "/ping"
        return (answer, "pong") if request.headers.get("Authorization") == WANTED else (401, "")

    with serving(ping) as server, health(server.address) as address:
        assert get(address) == expected


def test_a_marathon_that_refuses_the_credentials_is_not_healthy() -> None:
    with serving(lambda _: (401, "")) as server, health(server.address) as address:
        assert get(address) == 503


def test_a_marathon_that_is_down_is_not_healthy() -> None:
    with health(closed_address()) as address:
        assert get(address) == 503


@pytest.mark.parametrize("path", ["/", "/ping", "/v2/apps", "/leader/../v2/apps", "/leader?x=1"])
def test_nothing_else_is_answered_or_passed_on(path: str) -> None:
    with serving(lambda _: (200, "")) as server, health(server.address) as address:
        assert get(address, path) == 404
        assert server.asked == []
