"""Rows of the frontier table and how they are written as DynamoDB attributes."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, Self, cast

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

State = Literal["discovered", "queued", "fetched", "done", "dead"]
Kind = Literal["page", "sitemap", "robots"]

STATES: tuple[State, ...] = ("discovered", "queued", "fetched", "done", "dead")
COUNTERS = (*STATES, "refused", "capped", "items")
"""Attributes of a crawl's row: rows now in each state, then totals."""

CRAWL_ROW = "#crawl"
SCHEDULE_ROW = "#schedule"
ROBOTS_ROW = "#robots"

_SERIALIZER = TypeSerializer()
_DESERIALIZER = TypeDeserializer()

Attributes = dict[str, Any]


def to_attributes(values: Mapping[str, object]) -> Attributes:
    """Values as the low-level client wants them; floats become numbers of millisecond precision, None is left out."""
    return {
        name: _SERIALIZER.serialize(Decimal(f"{value:.3f}") if isinstance(value, float) else value)
        for name, value in values.items()
        if value is not None
    }


def from_attributes(attributes: Attributes) -> dict[str, Any]:
    """Plain values of what the low-level client answers."""
    return {name: _DESERIALIZER.deserialize(value) for name, value in attributes.items()}


def row_key(url: str) -> str:
    """The range key of a canonical URL's row."""
    return "url#" + hashlib.sha256(url.encode()).hexdigest()


def pending_key(crawl: str, host: str, state: State) -> str:
    """The hash key of the `pending` index: one host's rows in one state."""
    return f"{crawl}#{host}#{state}"


@dataclass(frozen=True, slots=True)
class Row:
    """One URL of one crawl."""

    crawl: str
    url: str
    host: str
    kind: Kind = "page"
    depth: int = 0
    state: State = "discovered"
    attempts: int = 0
    hops: int = 0
    """Redirects followed to get here."""
    pauses: int = 0
    """Answers that said 429 or 503."""
    due_at: float = 0.0

    @property
    def row(self) -> str:
        """The range key."""
        return row_key(self.url)

    @classmethod
    def read(cls, attributes: Attributes) -> Self:
        """The row of an item of the table or its index."""
        values = from_attributes(attributes)
        return cls(
            crawl=values["crawl"],
            url=values["url"],
            host=values["host"],
            kind=values["kind"],
            depth=int(values["depth"]),
            state=cast("State", values["state"]),
            attempts=int(values.get("attempts", 0)),
            hops=int(values.get("hops", 0)),
            pauses=int(values.get("pauses", 0)),
            due_at=float(values.get("due_at", 0)),
        )

    def write(self, expires_at: int) -> Attributes:
        """The item of a row that is put anew."""
        values: dict[str, object] = {
            "crawl": self.crawl,
            "row": self.row,
            "url": self.url,
            "host": self.host,
            "kind": self.kind,
            "depth": self.depth,
            "state": self.state,
            "attempts": self.attempts,
            "hops": self.hops or None,
            "expires_at": expires_at,
        }
        if self.state in {"discovered", "queued"}:
            values |= {"pending": pending_key(self.crawl, self.host, self.state), "due_at": self.due_at}
        return to_attributes(values)


@dataclass(frozen=True, slots=True)
class Crawl:
    """One crawl of one shop, as its row states it."""

    id: str
    shop: str
    started_at: str
    finished_at: str | None
    turn: int
    pump_at: float
    counters: Mapping[str, int]

    @property
    def open(self) -> int:
        """Rows that are not settled yet; a crawl is finished exactly when there are none."""
        return self.counters["discovered"] + self.counters["queued"] + self.counters["fetched"]

    @classmethod
    def read(cls, attributes: Attributes) -> Self:
        """The crawl of its row."""
        values = from_attributes(attributes)
        return cls(
            id=values["crawl"],
            shop=values["shop"],
            started_at=values["started_at"],
            finished_at=values.get("finished_at"),
            turn=int(values["pump_turn"]),
            pump_at=float(values["pump_at"]),
            counters={name: int(values.get(name, 0)) for name in COUNTERS},
        )


@dataclass(frozen=True, slots=True)
class Host:
    """What is known of a host's robots.txt."""

    host: str
    verdict: Literal["rules", "open", "unreachable"]
    """`rules` in `robots`; `open`: there is none, all may be asked; `unreachable`: nothing may."""
    expires_at: float
    delay_s: float = 0.0
    """Crawl-delay for this crawler."""
    robots: bytes | None = None
    """The file, gzip-compressed."""
