"""The messages of one SQS queue: who may receive what, and when.

Knows nothing of moto or HTTP. All methods expect the caller to hold the lock that was given.
Answers sqs-concurrent-receives, sqs-group-holder, sqs-deduplication, sqs-depth and sqs-receipts of the catalogue.

Source: SQS developer guide: visibility timeout, FIFO delivery logic, exactly-once processing.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, Generic, Protocol, TypeVar

DEDUPLICATION_S: Final = 300.0
_REMEMBERED_RECEIPTS: Final = 20_000


class Held(Protocol):
    """What the store needs to know of a message."""

    group_id: str | None
    approximate_receive_count: int


M = TypeVar("M", bound=Held)


@dataclass(eq=False)
class Entry(Generic[M]):
    """A message in a queue."""

    message: M
    number: int
    sent_at: float
    visible_at: float
    """Epoch seconds; later than now while delayed or in flight."""
    in_flight: bool = False
    """Received and not yet given back or timed out, as of the last look."""
    receipts: list[str] = field(default_factory=list)
    alive: bool = True


@dataclass
class Counts:
    """How many messages are visible, in flight, delayed."""

    visible: int = 0
    in_flight: int = 0
    delayed: int = 0


class ExpiredReceipt(Exception):  # noqa: N818 - named for what it says
    """The message's visibility timeout is over, or it was received again since."""


class UnknownReceipt(Exception):  # noqa: N818
    """The receipt handle was never given out by this queue."""


class NotInFlight(Exception):  # noqa: N818
    """The message is visible, so there is no visibility timeout to change."""


class MessageStore(Generic[M]):
    """Messages of one queue, in order.

    Receiving, deleting and changing visibility take time that does not depend on how many messages wait.

    Args:
        lock: guards this store; a receiver that waits releases it.
        fifo: messages of one group are given out in order, and only while none of the group is in flight.
        clock: epoch seconds.
    """

    def __init__(self, lock: threading.RLock, *, fifo: bool, clock: Callable[[], float] = time.time) -> None:
        self.fifo = fifo
        self._clock = clock
        self._changed = threading.Condition(lock)
        self._numbers = itertools.count(1)
        self._entries: dict[int, Entry[M]] = {}
        self._receipts: dict[str, Entry[M]] = {}
        self._spent_receipts: dict[str, None] = {}
        self._seen: dict[tuple[str, str], tuple[float, M]] = {}
        # Standard queues: what can be received now, and what comes back when.
        self._ready: deque[Entry[M]] = deque()
        self._later: list[tuple[float, int, Entry[M]]] = []
        # FIFO queues: each group in order, and which of its messages are in flight.
        self._groups: dict[str, dict[int, Entry[M]]] = {}
        self._held: dict[str, dict[int, Entry[M]]] = {}

    def duplicate_of(self, scope: str, deduplication_id: str) -> M | None:
        """The message sent with the id within the last five minutes, be it deleted or not."""
        now = self._clock()
        while self._seen:
            oldest = next(iter(self._seen))
            if self._seen[oldest][0] > now:
                break
            del self._seen[oldest]
        seen = self._seen.get((scope, deduplication_id))
        return seen[1] if seen else None

    def remember(self, scope: str, deduplication_id: str, message: M) -> None:
        """From now on, for five minutes, the id is a duplicate."""
        self._seen[(scope, deduplication_id)] = (self._clock() + DEDUPLICATION_S, message)

    def add(self, message: M, *, delay_s: float = 0.0, sent_at: float | None = None) -> int:
        """Puts a message at the end; returns its number, which only ever grows.

        Args:
            sent_at: epoch seconds that retention counts from; now when left out.
        """
        now = self._clock()
        entry = Entry(message, next(self._numbers), sent_at or now, now + delay_s)
        self._entries[entry.number] = entry
        if self.fifo:
            self._groups.setdefault(message.group_id or "", {})[entry.number] = entry
        elif delay_s > 0:
            heapq.heappush(self._later, (entry.visible_at, entry.number, entry))
        else:
            self._ready.append(entry)
        self._changed.notify_all()
        return entry.number

    def wait(self, deadline: float) -> bool:
        """Waits until something may have become receivable, or until the deadline (epoch seconds).

        Returns:
            False once the deadline has passed.
        """
        now = self._clock()
        if now >= deadline:
            return False
        self._changed.wait(max(0.001, min(deadline, self._next_visible(now)) - now))
        return True

    def _next_visible(self, now: float) -> float:
        if not self.fifo:
            return self._later[0][0] if self._later else now + 60
        coming = [
            entry.visible_at
            for held in self._held.values()
            for entry in held.values()
            if entry.visible_at > now
        ]
        heads = [next(iter(group.values())).visible_at for group in self._groups.values()]
        return min([*coming, *(at for at in heads if at > now)], default=now + 60)

    def receivable(self) -> Iterator[Entry[M]]:
        """Messages that may be received now, in order. Whoever asks takes or removes each one it gets."""
        now = self._clock()
        yield from (self._receivable_fifo(now) if self.fifo else self._receivable_standard(now))

    def _receivable_standard(self, now: float) -> Iterator[Entry[M]]:
        while self._later and self._later[0][0] <= now:
            at, _, entry = heapq.heappop(self._later)
            # An entry whose visibility was changed meanwhile has another place in the heap.
            if entry.alive and entry.visible_at == at:
                entry.in_flight = False
                self._ready.append(entry)
        for _ in range(len(self._ready)):
            entry = self._ready.popleft()
            if entry.alive and entry.visible_at <= now:
                yield entry

    def _receivable_fifo(self, now: float) -> Iterator[Entry[M]]:
        for group in sorted(self._groups, key=lambda name: next(iter(self._groups[name]))):
            if self._is_held(group, now):
                continue
            for entry in list(self._groups.get(group, {}).values()):
                if entry.visible_at > now:
                    break
                yield entry

    def _is_held(self, group: str, now: float) -> bool:
        held = self._held.get(group, {})
        for number, entry in list(held.items()):
            if not entry.alive or entry.visible_at <= now:
                entry.in_flight = False
                del held[number]
        return bool(held)

    def take(self, entry: Entry[M], receipt: str, visibility_s: float) -> None:
        """The message is in flight for so long, known by the receipt."""
        entry.visible_at = self._clock() + visibility_s
        entry.in_flight = visibility_s > 0
        entry.receipts.append(receipt)
        self._receipts[receipt] = entry
        self._place(entry)

    def _place(self, entry: Entry[M]) -> None:
        if self.fifo:
            held = self._held.setdefault(entry.message.group_id or "", {})
            if entry.in_flight:
                held[entry.number] = entry
            else:
                held.pop(entry.number, None)
        else:
            heapq.heappush(self._later, (entry.visible_at, entry.number, entry))

    def remove(self, entry: Entry[M]) -> None:
        """The message is gone from the queue; its receipts stay known as spent."""
        entry.alive = False
        self._entries.pop(entry.number, None)
        for receipt in entry.receipts:
            self._receipts.pop(receipt, None)
            self._spent_receipts[receipt] = None
        while len(self._spent_receipts) > _REMEMBERED_RECEIPTS:
            del self._spent_receipts[next(iter(self._spent_receipts))]
        if self.fifo:
            name = entry.message.group_id or ""
            self._held.get(name, {}).pop(entry.number, None)
            group = self._groups.get(name, {})
            group.pop(entry.number, None)
            if not group:
                self._groups.pop(name, None)
                self._held.pop(name, None)
            self._changed.notify_all()

    def delete(self, receipt: str) -> None:
        """Deletes by receipt; one that was deleted before is fine.

        Raises:
            ExpiredReceipt: FIFO only, where a receipt is good as long as its visibility timeout lasts.
            UnknownReceipt: the queue never gave it out.
        """
        if receipt in self._spent_receipts:
            return
        entry = self._entry(receipt)
        if self.fifo and not self._is_current(entry, receipt):
            raise ExpiredReceipt
        self.remove(entry)

    def change_visibility(self, receipt: str, visibility_s: float) -> None:
        """The message becomes visible after so many seconds from now, 0 for at once.

        Raises:
            NotInFlight: it is visible already, or was received by somebody else since.
            UnknownReceipt: the queue never gave the receipt out, or the message is deleted.
        """
        entry = self._entry(receipt)
        if not self._is_current(entry, receipt):
            raise NotInFlight
        entry.visible_at = self._clock() + visibility_s
        entry.in_flight = visibility_s > 0
        self._place(entry)
        self._changed.notify_all()

    def _entry(self, receipt: str) -> Entry[M]:
        entry = self._receipts.get(receipt)
        if entry is None:
            raise UnknownReceipt
        return entry

    def _is_current(self, entry: Entry[M], receipt: str) -> bool:
        return entry.receipts[-1] == receipt and entry.visible_at > self._clock()

    def message_of(self, receipt: str) -> M:
        """The message that a receipt was given out for.

        Raises:
            UnknownReceipt: the queue never gave it out, or the message is deleted.
        """
        return self._entry(receipt).message

    def counts(self) -> Counts:
        """Messages by state."""
        now = self._clock()
        counts = Counts()
        for entry in self._entries.values():
            if entry.visible_at <= now:
                counts.visible += 1
            elif entry.receipts:
                counts.in_flight += 1
            else:
                counts.delayed += 1
        return counts

    def clear(self) -> None:
        """Removes every message."""
        for entry in list(self._entries.values()):
            self.remove(entry)
        self._ready.clear()
        self._later.clear()

    def close(self) -> None:
        """Wakes whoever waits: the queue is gone."""
        self._changed.notify_all()
