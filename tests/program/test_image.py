"""The program asks the image's registry before it registers anything."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pulumi
import pytest

from tests.program.engine import run


class _Empty(BaseHTTPRequestHandler):
    """A registry without any image."""

    def do_HEAD(self) -> None:
        self.send_response(404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  its name
        """Nobody reads it."""


@pytest.fixture
def empty_registry() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Empty) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_preview_refuses_an_image_that_its_registry_lacks(empty_registry: str, tmp_path: Path) -> None:
    image = {"repository": f"{empty_registry}/trawler/worker", "verify": True}
    with pytest.raises(
        pulumi.RunError, match=rf"{empty_registry}/trawler/worker:[0-9a-f]{{16}} is not in its registry"
    ):
        run(tmp_path, "dev", image=image)


def test_a_stack_that_is_held_at_a_release_needs_that_release_s_image(
    empty_registry: str, tmp_path: Path
) -> None:
    earlier = f"{empty_registry}/trawler/worker:0123456789abcdef"
    with pytest.raises(pulumi.RunError, match=f"{earlier} is not in its registry, and trawler:release holds"):
        run(tmp_path, "dev", image={"verify": True}, release={"digest": "a" * 64, "image": earlier})
