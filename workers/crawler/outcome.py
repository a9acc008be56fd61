"""What a handler answers: effects it wants, never effects it had. Only the runner carries them out."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from crawler.frontier.rows import Host, Row, State
from crawler.messages import Item, Message
from crawler.settings import Stage


@dataclass(frozen=True, slots=True)
class Discover:
    """New URLs of a crawl; those it knows already stay as they are."""

    crawl: str
    rows: tuple[Row, ...]
    max_urls: int
    max_urls_per_pattern: int
    refused: int = 0


@dataclass(frozen=True, slots=True)
class Move:
    """One row's change of state, together with the crawl's counters."""

    row: Row
    """The row as it was read: the change happens only while its state is that, or one of `also`."""
    to: State
    also: frozenset[State] = frozenset()
    attempts: int | None = None
    pauses: int | None = None
    due_at: float = 0.0
    """For rows that go to discovered (when to fetch) or queued (when to send again), epoch seconds."""
    reason: str | None = None
    counters: Mapping[str, int] = field(default_factory=dict[str, int])
    """Further counters of the crawl that move along, e.g. refused."""


@dataclass(frozen=True, slots=True)
class Moves:
    """State changes that must stand before anything is sent."""

    moves: tuple[Move, ...]


@dataclass(frozen=True, slots=True)
class KeepHost:
    """What robots.txt said."""

    host: Host


@dataclass(frozen=True, slots=True)
class KeepPage:
    """A body too large for a message."""

    key: str
    body: bytes


@dataclass(frozen=True, slots=True)
class KeepItems:
    """Items of one page; those that the crawl had not counted yet are added to its counter by the page's mark."""

    crawl: str
    shop: str
    row: str
    items: tuple[Item, ...]
    seen_at: float


@dataclass(frozen=True, slots=True)
class StartCrawl:
    """A crawl's row and its shop's schedule, unless somebody else was first: then nothing of the outcome happens."""

    crawl: str
    shop: str
    now: float
    previous: str | None


@dataclass(frozen=True, slots=True)
class Advance:
    """The pump's turn is taken, unless it was taken before: then nothing of the outcome happens."""

    crawl: str
    turn: int
    now: float


@dataclass(frozen=True, slots=True)
class Finish:
    """The crawl has an end, if nothing in it is open."""

    crawl: str
    now: float


Write = Discover | Moves | KeepHost | KeepPage | KeepItems | StartCrawl | Advance | Finish


@dataclass(frozen=True, slots=True)
class Send:
    """A message for a stage's queue; group and deduplication id are for the FIFO queue only."""

    stage: Stage
    message: Message
    delay_s: float = 0.0
    group: str | None = None
    deduplication: str | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """The message is settled: writes, then sends, then marks, then its delete."""

    writes: tuple[Write, ...] = ()
    sends: tuple[Send, ...] = ()
    marks: tuple[Move, ...] = ()
    cooldown_s: float = 0.0
    """How long the message's group must rest from now on."""
    note: str = "done"
    """One word or a few for the log."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again later; at the limit of attempts the message's URL is dead."""

    reason: str
    after_s: float | None = None
    """None: exponential backoff with jitter."""
    cooldown_s: float = 0.0
    poison: bool = False
    """Whether the dead letter queue gets the message when attempts are used up."""
    writes_at_limit: tuple[Write, ...] = ()
    """What must also be written when attempts are used up."""


@dataclass(frozen=True, slots=True)
class Pause:
    """The whole group rests: the host asked for it. Burns no attempt."""

    seconds: float
    reason: str
    marks: tuple[Move, ...] = ()


@dataclass(frozen=True, slots=True)
class Dead:
    """No later attempt can succeed."""

    reason: str
    poison: bool = False
    """Whether the dead letter queue gets the message: it is a fault here, not an answer of the shop."""
    cooldown_s: float = 0.0
    counters: Mapping[str, int] = field(default_factory=dict[str, int])


Outcome = Done | Retry | Pause | Dead
