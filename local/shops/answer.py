"""What a site answers to one request, before any of it is HTTP."""

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol

from local.shops.truth import ShopTruth


@dataclass(frozen=True)
class Answer:
    """One answer.

    `wait_s` passes before it is sent. `retry_after_s` becomes a Retry-After header, as an HTTP date if
    `retry_as_date`. `padding_bytes` of zeros follow the body, made while they are sent. `cut` closes the
    connection in the middle of the body.
    """

    status: int = HTTPStatus.OK
    body: bytes = b""
    content_type: str | None = "text/html; charset=utf-8"
    location: str | None = None
    retry_after_s: int | None = None
    retry_as_date: bool = False
    wait_s: float = 0.0
    padding_bytes: int = 0
    cut: bool = False
    headers: dict[str, str] = field(default_factory=dict[str, str])


class Site(Protocol):
    """A shop as its server sees it."""

    name: str

    def answer(self, target: str, earlier: int) -> Answer:
        """The answer to `target` (path with query, as sent) after `earlier` requests for the same page."""
        ...

    def key(self, target: str) -> str:
        """What `earlier` counts by: one page whatever tracking parameters its address carries."""
        ...

    def truth(self) -> ShopTruth:
        """What a perfect and polite crawler brings home."""
        ...


def redirect(location: str, status: int = HTTPStatus.MOVED_PERMANENTLY) -> Answer:
    """A redirect to `location`, with the small page that servers send along."""
    return Answer(status, b"<!doctype html><title>Moved</title><p>Moved.</p>", location=location)


def failure(status: int, text: str) -> Answer:
    """An error page."""
    return Answer(status, f"<!doctype html><title>{status}</title><h1>{text}</h1>".encode())
