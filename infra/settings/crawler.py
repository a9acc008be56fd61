"""Settings of the queues, the workers and their tasks."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from infra.settings.section import HostPort, Section

STAGES = ("plan", "fetch", "parse", "store")
"""The stages of a crawl, in the order a page passes them; each has a queue, a dead letter queue and an app."""

QUEUE_NAME_LIMIT = 80
"""Longest queue name, suffix `.fifo` included (Amazon SQS, CreateQueue, QueueName)."""

Stage = Literal["plan", "fetch", "parse", "store"]


def queue_name(prefix: str, stage: str, *, dead: bool = False) -> str:
    """Name of a stage's queue: `<prefix>-<stage>[-dead][.fifo]`; only fetch is FIFO."""
    return f"{prefix}-{stage}{'-dead' if dead else ''}{'.fifo' if stage == 'fetch' else ''}"


class QueueSettings(Section):
    """What all stage queues share."""

    visibility_s: Annotated[int, Field(ge=5, le=43200)] = 60
    """Time after which a message of a dead worker comes back, seconds. Workers extend it while they work."""

    max_receive_count: Annotated[int, Field(ge=1, le=1000)] = 1000
    """Receives before SQS moves a message to the dead letter queue. High, as handing back burns receives;
    attempts are counted in the frontier table."""

    retention_days: Annotated[int, Field(ge=1, le=13)] = 4
    """How long a message is kept. Dead letter queues keep theirs a day longer."""


class CrawlerSettings(Section):
    """How the workers behave."""

    user_agent: Annotated[str, Field(min_length=1, max_length=200)] = "trawler (+https://example.com/trawler)"
    """How the crawler names itself to shops, with an address to complain to."""

    window: Annotated[int, Field(ge=1, le=100)] = 20
    """URLs of one host in the fetch queue at a time."""

    pump_interval_s: Annotated[float, Field(ge=0.5, le=60)] = 5
    """How often a shop's window in the fetch queue is topped up, seconds."""

    resend_after_s: Annotated[int, Field(ge=5, le=3600)] = 300
    """A URL marked queued this long ago without an answer is sent again, seconds."""

    max_attempts: Annotated[int, Field(ge=1, le=20)] = 4
    """Attempts on one URL before it is given up."""

    retry_base_s: Annotated[float, Field(gt=0, le=300)] = 10
    """Back-off before the first retry, doubled each time, seconds."""

    private_hosts: list[HostPort] = Field(default=[])
    """host:port pairs that a worker may reach although their address is private. Empty in production."""


class Instances(Section):
    """Tasks of each app."""

    plan: Annotated[int, Field(ge=1)] = 1
    """Tasks that decide what is due and top up the fetch queue."""

    fetch: Annotated[int, Field(ge=1)] = 2
    """Tasks that get pages. More than shops with work do nothing."""

    parse: Annotated[int, Field(ge=1)] = 2
    """Tasks that find links and items."""

    store: Annotated[int, Field(ge=1)] = 1
    """Tasks that write items."""
