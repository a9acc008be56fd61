"""Marathon's event bus: what happened, to everyone who listens (Events.scala of Marathon 1.11)."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from local.mesos.marathon.definition import Json
from local.mesos.marathon.timestamps import now_text

#: Events held for a listener; one that is slower than that is cut off (1.8+).
BUFFERED = 1024


@dataclass
class Subscription:
    """A listener's queue; None in it means that the stream is over."""

    remote: str
    types: frozenset[str]
    queue: asyncio.Queue[Json | None] = field(default_factory=lambda: asyncio.Queue(BUFFERED + 1))
    overrun: bool = False

    def offer(self, event: Json) -> None:
        if self.overrun or (self.types and event["eventType"] not in self.types):
            return
        if self.queue.qsize() >= BUFFERED:
            self.overrun = True
            self.queue.put_nowait(None)
            return
        self.queue.put_nowait(event)


class EventBus:
    def __init__(self) -> None:
        self._subscriptions: list[Subscription] = []

    def publish(self, event_type: str, **fields: object) -> None:
        event: Json = {"eventType": event_type, "timestamp": now_text(), **fields}
        for subscription in self._subscriptions:
            subscription.offer(event)

    @contextmanager
    def subscription(self, remote: str, types: frozenset[str] = frozenset()) -> Generator[Subscription]:
        """A listener from here to the end of the block; it hears of its own attachment first."""
        subscription = Subscription(remote, types)
        self._subscriptions.append(subscription)
        self.publish("event_stream_attached", remoteAddress=remote)
        try:
            yield subscription
        finally:
            self._subscriptions.remove(subscription)
            self.publish("event_stream_detached", remoteAddress=remote)

    def close(self) -> None:
        """End every stream there is; a client may attach anew at once."""
        for subscription in self._subscriptions:
            subscription.overrun = True
            if not subscription.queue.full():
                subscription.queue.put_nowait(None)
