"""One runner for every stage: receive, handle, and carry out what the handler declared, always in the same order.

Writes → sends → marks → delete. A worker may die between any two: what was received comes back, and each effect is
harmless the second time (conditional puts, deduplication ids, states that only move forward).
"""

import asyncio
import contextlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from crawler.context import Context
from crawler.errors import InvalidMessageError
from crawler.frontier.rows import Row
from crawler.frontier.table import Frontier
from crawler.held import Held
from crawler.items import Items
from crawler.messages import Message, Pump, decode, encode
from crawler.outcome import (
    Advance,
    Discover,
    Done,
    Finish,
    KeepHost,
    KeepItems,
    KeepPage,
    Move,
    Moves,
    Outcome,
    Pause,
    Retry,
    Send,
    StartCrawl,
)
from crawler.queues import BATCH, Letter, Queues, Received
from crawler.settings import Stage
from crawler.settling import Delivery, Settled, settle

_log = structlog.get_logger()
_COLLECT_S = 0.2
_FAILED_S = 5.0
"""A message whose effects could not be had comes back after this long."""


class Handler(Protocol):
    """A stage: a function of a message, its row, and what the context lets it read."""

    async def handle(self, message: Message, row: Row | None, context: Context) -> Outcome:
        """What is to be done about the message."""
        ...


class IdleHandler(Handler, Protocol):
    """A stage that also has ideas of its own, every few seconds."""

    idle_every_s: float

    async def idle(self, context: Context) -> Sequence[Done]:
        """What is to be done without being asked."""
        ...


@dataclass(frozen=True)
class Tables:
    """What the runner writes to besides queues."""

    frontier: Frontier
    items: Items | None = None
    """Only store has it."""


class Runner:
    """Runs one stage until told to stop. The four phases are methods, so that a fault can be put between any two."""

    def __init__(
        self,
        handler: Handler,
        context: Context,
        queues: Queues,
        tables: Tables,
        idle: IdleHandler | None = None,
    ) -> None:
        self.handler = handler
        self.context = context
        self.settings = context.settings
        self.stage: Stage = context.settings.stage
        self.queues = queues
        self.tables = tables
        self.idle_handler = idle
        self.held = Held(self._hide_blocking, self.settings.visibility_s)
        self._idle_at = 0.0

    # ---- the loop of standard queues

    async def run(self, stop: asyncio.Event) -> None:
        """Works until `stop` is set; then what is held was finished or handed back."""
        heartbeat = asyncio.create_task(self.held.keep())
        try:
            while not stop.is_set():
                await self._idle()
                received = await self.receive()
                if stop.is_set():
                    break
                if received:
                    await self._work_safely(received)
                    if len(received) < BATCH and self.stage != "plan":
                        await self._collect(stop)
        finally:
            heartbeat.cancel()
            await self.hand_back(self.held.receipts, 0)

    async def _collect(self, stop: asyncio.Event) -> None:
        """The queue ran dry: a moment's patience makes the next batch larger, and calls fewer."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _COLLECT_S)

    async def _work_safely(self, received: Sequence[Received]) -> None:
        try:
            await self._work(received)
        except Exception as error:  # noqa: BLE001 - the frontier is away: the messages come again
            _log.error("batch not handled", messages=len(received), error=repr(error))
            await self.hand_back([one.receipt for one in received], _FAILED_S)

    async def _work(self, received: Sequence[Received]) -> None:
        deliveries, settled = await self.understand(received)
        outcomes = await asyncio.gather(*(self.handle(delivery) for delivery in deliveries))
        for delivery, outcome in zip(deliveries, outcomes, strict=True):
            settled.append(settle(delivery, outcome, self.context))
            if isinstance(outcome, Pause):
                await self.hand_back([delivery.received.receipt], outcome.seconds)
        await self.commit(settled)

    async def _idle(self) -> None:
        if self.idle_handler is None or time.monotonic() < self._idle_at:
            return
        self._idle_at = time.monotonic() + self.idle_handler.idle_every_s
        try:
            outcomes = await self.idle_handler.idle(self.context)
        except Exception as error:  # noqa: BLE001 - logged; the next idle moment tries again
            _log.error("idle work failed", error=repr(error))
            return
        settled = [Settled(None, done.writes, done.sends, done.marks) for done in outcomes]
        if settled:
            await self.commit(settled)

    # ---- steps, shared with the lanes of FIFO queues

    async def receive(self) -> list[Received]:
        """Up to ten messages, in hand from now on; none after an error, which is logged."""
        try:
            received = await asyncio.to_thread(
                self.queues.receive, self.stage, self.settings.wait_s, self.settings.visibility_s
            )
        except Exception as error:  # noqa: BLE001 - the queue may be away for a while; the worker waits for it
            _log.error("receive failed", queue=self.settings.queue_url, error=repr(error))
            await asyncio.sleep(1 + self.context.chance())
            return []
        for one in received:
            self.held.add(one)
        return received

    async def understand(self, received: Sequence[Received]) -> tuple[list[Delivery], list[Settled]]:
        """Messages with their rows, in one read; and for those that cannot be read, their way to the dead letters."""
        read: list[tuple[Received, Message]] = []
        poison: list[Settled] = []
        for one in received:
            try:
                message = decode(one.body)
                if isinstance(message, Pump) != (self.stage == "plan"):
                    raise InvalidMessageError(
                        f"a {type(message).__name__} message does not belong in the {self.stage} queue"
                    )
            except InvalidMessageError as error:
                _log.error("invalid message", message=one.id, reason=str(error))
                poison.append(Settled(one, dead_letter=str(error)))
            else:
                read.append((one, message))
        rows = await self.rows(message for _, message in read)
        return [
            Delivery(one, message, rows.get(_row_key(message) or ("", ""))) for one, message in read
        ], poison

    async def rows(self, messages: Iterable[Message]) -> dict[tuple[str, str], Row]:
        """The rows of messages, read now."""
        keys = [key for message in messages if (key := _row_key(message)) is not None]
        return await asyncio.to_thread(self.tables.frontier.rows, keys) if keys else {}

    async def handle(self, delivery: Delivery) -> Outcome:
        """The handler's outcome; whatever it raises is a reason to try again, and poison in the end."""
        message = delivery.message
        started = time.monotonic()
        try:
            outcome = await self.handler.handle(message, delivery.row, self.context)
        except Exception as error:  # noqa: BLE001 - the worker outlives any message; this one is retried, then buried
            _log.error(
                "handler failed", crawl=message.crawl, url=getattr(message, "url", None), exc_info=error
            )
            outcome = Retry(f"{type(error).__name__}: {error}"[:300], poison=True)
        _log.info(
            getattr(outcome, "note", type(outcome).__name__.lower()),
            crawl=message.crawl,
            **({"turn": message.turn} if isinstance(message, Pump) else {"url": message.url}),
            **({} if isinstance(outcome, Done) else {"reason": outcome.reason}),
            ms=round((time.monotonic() - started) * 1_000),
        )
        return outcome

    async def commit(self, batch: Sequence[Settled]) -> bool:
        """All effects of the batch stand, or those that failed are left to redelivery.

        Returns:
            Whether all of them stand.
        """
        try:
            await self._phases(batch)
        except Exception as error:  # noqa: BLE001 - one bad message must not take its batch along
            if len(batch) == 1:
                await self._give_up(batch[0], error)
                return False
            _log.warning("batch failed, one by one now", messages=len(batch), error=repr(error))
            return all([await self.commit([one]) for one in batch])
        for one in batch:
            if one.committed is not None and not one.committed.done():
                one.committed.set_result(True)
        return True

    async def _give_up(self, one: Settled, error: Exception) -> None:
        _log.error("effects failed", message=one.received.id if one.received else None, exc_info=error)
        if one.received is not None:
            await self.hand_back([one.received.receipt], _FAILED_S)
        if one.committed is not None and not one.committed.done():
            one.committed.set_result(False)

    async def _phases(self, batch: Sequence[Settled]) -> None:
        counts = await self._write(batch)
        await self._send(batch)
        await self._mark(batch, counts)
        await self._delete([one for one in batch if one.delete])

    async def _write(self, batch: Sequence[Settled]) -> dict[tuple[str, str], int]:
        """First phase: tables and pages. Answers how many items each page added to its crawl."""
        for one in batch:
            for write in one.writes:
                if isinstance(write, StartCrawl | Advance | Finish) and not await self._take(write):
                    one.stale = True
        writes = [write for one in batch if not one.stale for write in one.writes]
        for write in writes:
            if isinstance(write, KeepPage) and self.context.pages is not None:
                await asyncio.to_thread(self.context.pages.put, write.key, write.body)
            elif isinstance(write, KeepHost):
                await asyncio.to_thread(self.context.crawls.keep_host, write.host)
        counts: dict[tuple[str, str], int] = {}
        items = [write for write in writes if isinstance(write, KeepItems)]
        if items and self.tables.items is not None:
            counts = await asyncio.to_thread(self.tables.items.keep, items)
        moves = [move for write in writes if isinstance(write, Moves) for move in write.moves]
        if moves:
            await asyncio.to_thread(self.tables.frontier.move, moves)
        finds = [write for write in writes if isinstance(write, Discover)]
        if finds:
            await asyncio.to_thread(self.tables.frontier.discover, finds, self.context.now())
        return counts

    async def _take(self, write: StartCrawl | Advance | Finish) -> bool:
        crawls = self.context.crawls
        match write:
            case StartCrawl():
                return await asyncio.to_thread(
                    crawls.start, write.crawl, write.shop, write.now, write.previous
                )
            case Advance():
                return await asyncio.to_thread(crawls.advance, write.crawl, write.turn, write.now)
            case Finish():
                return await asyncio.to_thread(crawls.finish, write.crawl, write.now)

    async def _send(self, batch: Sequence[Settled]) -> None:
        """Second phase: messages for other stages, and dead letters."""
        letters: dict[Stage, list[Letter]] = {}
        for one in batch:
            for send in () if one.stale else one.sends:
                letters.setdefault(send.stage, []).append(_letter(send))
        for stage, some in letters.items():
            await asyncio.to_thread(self.queues.send, stage, some)
        dead = [
            _dead_letter(one, one.received, self.stage) for one in batch if one.dead_letter and one.received
        ]
        if dead:
            await asyncio.to_thread(self.queues.bury, dead)

    async def _mark(self, batch: Sequence[Settled], counts: dict[tuple[str, str], int]) -> None:
        """Third phase: rows change state, counters with them."""
        marks = [_with_items(mark, counts) for one in batch if not one.stale for mark in one.marks]
        if marks:
            await asyncio.to_thread(self.tables.frontier.move, marks)

    async def _delete(self, batch: Sequence[Settled]) -> None:
        """Fourth phase: the messages are gone."""
        receipts = [one.received.receipt for one in batch if one.received is not None]
        if not receipts:
            return
        failures = await asyncio.to_thread(self.queues.delete, self.stage, receipts)
        self.held.drop(receipts)
        if failures:
            _log.warning("delete failed; they will come again", messages=len(failures), first=failures[0])

    async def hand_back(self, receipts: Sequence[str], seconds: float) -> None:
        """The messages are not this worker's any more; others see them after so many seconds."""
        if not receipts:
            return
        self.held.drop(receipts)
        try:
            failures = await asyncio.to_thread(self._hide_blocking, receipts, seconds)
        except Exception as error:  # noqa: BLE001 - then they come back when their visibility ends
            _log.warning("hand-back failed", messages=len(receipts), error=repr(error))
            return
        _log.info("handed back", messages=len(receipts) - len(failures), seconds=round(seconds, 2))

    def _hide_blocking(self, receipts: Sequence[str], seconds: float) -> dict[str, str]:
        return self.queues.hide(self.stage, receipts, seconds)


def _row_key(message: Message) -> tuple[str, str] | None:
    return None if isinstance(message, Pump) else (message.crawl, message.row)


def _letter(send: Send) -> Letter:
    return Letter(encode(send.message), send.delay_s, send.group, send.deduplication)


def _with_items(mark: Move, counts: dict[tuple[str, str], int]) -> Move:
    items = counts.get((mark.row.crawl, mark.row.row), 0)
    return replace(mark, counters={**mark.counters, "items": items}) if items else mark


def _dead_letter(one: Settled, received: Received, stage: Stage) -> Letter:
    attributes = {
        "reason": (one.dead_letter or "unknown")[:1_000],
        "stage": stage,
        "history": " | ".join(one.history)[:2_000] or "-",
    }
    attributes = {name: _printable(value) for name, value in attributes.items()}
    fifo = received.group or None
    return Letter(received.body, 0, fifo, received.id if fifo else None, attributes)


def _printable(text: str) -> str:
    """SQS takes only what XML 1.0 takes."""
    return "".join(char if char >= " " or char in "\t\n\r" else "?" for char in text) or "?"
