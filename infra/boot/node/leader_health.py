"""Says to the load balancer whether this machine's Marathon reaches the leader: 200 or 503 on `/leader`.

Marathon asks for credentials on every path, `/ping` too, before it knows whether anybody leads, and a load balancer
has none to give: asked directly, every Marathon that runs at all answers 401. So this program asks `/ping` with the
credentials, on the machine itself. A Marathon that does not lead sends the request on to the leader; without one it
answers 502. It tells nothing else, and nothing about why.
"""

from __future__ import annotations

import base64
import http.client
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from .metadata import Metadata

TIMEOUT_S = 4.0
"""Below the load balancer's own, six seconds; Marathon waits 2.5 s for a leader before it gives up."""


def reaches_leader(marathon: str, authorization: str) -> bool:
    """True when the Marathon at `host:port` answers `/ping`, itself or through its leader."""
    connection = http.client.HTTPConnection(marathon, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/ping", headers={"Authorization": authorization, "Accept": "text/plain"})
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


class Handler(BaseHTTPRequestHandler):
    """One request to a `HealthServer`."""

    timeout = 10

    def do_GET(self) -> None:
        """`/leader` and nothing else."""
        if self.path != "/leader" or not isinstance(self.server, HealthServer):
            status = http.client.NOT_FOUND
        elif reaches_leader(self.server.marathon, self.server.authorization):
            status = http.client.OK
        else:
            status = http.client.SERVICE_UNAVAILABLE
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        """Six requests a minute from each zone are not worth a line."""


class HealthServer(ThreadingHTTPServer):
    """Listens on one address of the machine."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], marathon: str, username: str, password: str) -> None:
        super().__init__(address, Handler)
        self.marathon = marathon
        self.authorization = "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def main() -> None:
    """Arguments: the port, and the file with Marathon's credentials."""
    entry = json.loads(Path(sys.argv[2]).read_text())
    address = Metadata().require("local-ipv4")
    HealthServer(
        (address, int(sys.argv[1])), "127.0.0.1:8080", entry["username"], entry["password"]
    ).serve_forever()


if __name__ == "__main__":
    main()
