"""What travels through the queues: JSON, tagged by `type`, with a version `v`.

A reader accepts the version before and the one after its own and ignores fields it does not know, so that old and
new workers run side by side during a deployment; a writer switches a release after the readers.
"""

from typing import Annotated

import msgspec

from crawler.errors import InvalidMessageError
from crawler.frontier.rows import Kind, row_key

VERSION = 1
HISTORY = 5
"""Reasons of earlier attempts that a message carries along."""

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=4_096)]
Count = Annotated[int, msgspec.Meta(ge=0)]


class Item(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One product as its page states it; what the page does not say is None."""

    url: Text
    name: Text
    sku: str | None = None
    brand: str | None = None
    price: str | None = None
    """Decimal string, e.g. `51.77`."""
    currency: str | None = None
    """ISO 4217."""
    availability: str | None = None
    """in_stock or out_of_stock."""
    images: list[str] = []
    category: str | None = None


class _Base(msgspec.Struct, kw_only=True):
    v: int = VERSION
    crawl: Text
    shop: Text
    attempt: Count = 0
    history: list[str] = []


class Pump(_Base, tag_field="type", tag="pump", kw_only=True):
    """Top up the fetch queue for one crawl; it comes back every few seconds under the next turn."""

    turn: Count


class _OfUrl(_Base, kw_only=True):
    url: Text
    host: Text
    kind: Kind = "page"
    depth: Count = 0

    @property
    def row(self) -> str:
        """The range key of the URL's row in the frontier."""
        return row_key(self.url)


class Fetch(_OfUrl, tag_field="type", tag="fetch", kw_only=True):
    """Request one URL. `attempt` is the row's, and part of the deduplication id."""


class Parse(_OfUrl, tag_field="type", tag="parse", kw_only=True):
    """Read one response: zlib-compressed in `body`, or an object in the pages bucket."""

    content_type: str = ""
    body: bytes | None = None
    page: str | None = None
    fetched_at: float


class Store(_OfUrl, tag_field="type", tag="store", kw_only=True):
    """Keep the items of one page."""

    items: list[Item]
    fetched_at: float


Message = Pump | Fetch | Parse | Store
UrlMessage = Fetch | Parse | Store

_DECODER = msgspec.json.Decoder(Message)
_ENCODER = msgspec.json.Encoder()


def encode(message: Message) -> str:
    """The message as a queue carries it."""
    return _ENCODER.encode(message).decode()


def decode(body: str) -> Message:
    """The message of a body.

    Raises:
        InvalidMessageError: not JSON, an unknown type or version, a missing or misshapen field; the text says which.
    """
    try:
        message = _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise InvalidMessageError(f"not a message: {error}") from error
    if abs(message.v - VERSION) > 1:
        readable = f"{VERSION - 1} to {VERSION + 1}"
        raise InvalidMessageError(f"message version {message.v}; this worker reads {readable}")
    return message


def next_attempt(message: Message, reason: str) -> Message:
    """The copy that goes to the queue's tail for the next attempt, with the reason in its history."""
    history = [*message.history, reason[:300]][-HISTORY:]
    return msgspec.structs.replace(message, attempt=message.attempt + 1, history=history)
