"""The FIFO stage: one lane a host, requests in order, and the host's rest kept across the whole fleet.

SQS gives a message group to one receiver at a time. A lane keeps its last message until the host has rested, so the
group stays shut to every other worker; a lane that must go early hands back with what remains of the rest.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Sequence

import structlog

from crawler.outcome import Pause
from crawler.queues import BATCH, Received
from crawler.runner import Runner
from crawler.settling import Delivery, Settled, settle

_log = structlog.get_logger()

LINGER_S = 0.25
"""Effects of several hosts' pages are collected for so long, then carried out as one batch."""
_FINISH_S = 2.0
"""On SIGTERM, a rest no longer than this is waited for; a longer one is left to the queue."""
_REQUEST_S = 4.0
"""On SIGTERM, a request under way may take so long before it is given up."""


async def _until(at: float, stop: asyncio.Event) -> None:
    """Returns at the monotonic time, or when stopped."""
    wait = at - time.monotonic()
    if wait <= 0:
        return
    try:
        await asyncio.wait_for(stop.wait(), wait)
    except TimeoutError:
        return


class Committer:
    """Carries out effects in batches, soon after they were declared."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._waiting: list[Settled] = []
        self._some = asyncio.Event()
        self._now = asyncio.Event()

    def add(self, settled: Settled, *, hurry: bool = False) -> "asyncio.Future[bool]":
        """The effects will stand soon, or at once where a host waits for it; the answer tells when, and whether."""
        settled.committed = asyncio.get_running_loop().create_future()
        self._waiting.append(settled)
        self._some.set()
        if hurry or len(self._waiting) >= BATCH:
            self._now.set()
        return settled.committed

    async def run(self) -> None:
        """Commits until cancelled; `drain` does what is left then."""
        while True:
            await self._some.wait()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._now.wait(), LINGER_S)
            await self.drain()

    async def drain(self) -> None:
        """Everything declared until now stands, or has failed."""
        batch, self._waiting = self._waiting, []
        self._some.clear()
        self._now.clear()
        if batch:
            await self._runner.commit(batch)


class Lane:
    """One host's messages, one after the other."""

    def __init__(self, group: str, lanes: "Lanes") -> None:
        self.group = group
        self._lanes = lanes
        self._runner = lanes.runner
        self._queue: deque[Delivery] = deque()
        self._handled: set[str] = set()
        self._commits: list[asyncio.Future[bool]] = []
        self._tail: list[Settled] = []
        self._free_at = 0.0

    def extend(self, deliveries: Sequence[Delivery]) -> None:
        """More of the same group."""
        self._queue.extend(deliveries)

    @property
    def waiting(self) -> bool:
        """Whether messages are left that nobody has begun."""
        return bool(self._queue)

    async def run(self, stop: asyncio.Event) -> None:
        """Every message is settled, or handed back; the host has rested before others may have it."""
        while True:
            while self._queue and not stop.is_set():
                await _until(self._free_at, stop)
                if stop.is_set():
                    break
                if not await self._step(self._queue.popleft(), stop):
                    return
            if self._queue:
                await self._leave()
                return
            rest = self._free_at - time.monotonic()
            if stop.is_set() and rest > _FINISH_S:
                await self._commit_all()
                await self._runner.hand_back(self._tail_receipts(), rest)
                return
            await _until(self._free_at, stop if not stop.is_set() else asyncio.Event())
            if not self._queue and time.monotonic() >= self._free_at:
                break
        await self._close()

    async def _step(self, delivery: Delivery, stop: asyncio.Event) -> bool:
        """One message; whether the lane goes on."""
        if not self._runner.held.has(delivery.received.receipt):
            _log.warning(
                "message lost to its visibility timeout", group=self.group, message=delivery.received.id
            )
            return True
        delivery = await self._fresh(delivery)
        request = asyncio.ensure_future(self._runner.handle(delivery))
        stopped = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait({request, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not request.done():
                await asyncio.wait({request}, timeout=_REQUEST_S)
        finally:
            stopped.cancel()
        if not request.done():
            request.cancel()
            self._queue.appendleft(delivery)
            # The host may still be busy with it: the shop's own delay from now, as after any request.
            shop = self._runner.context.shops.get(delivery.message.shop)
            self._free_at = time.monotonic() + (shop.delay_s if shop else 1.0)
            return True
        outcome = request.result()
        settled = settle(delivery, outcome, self._runner.context)
        if isinstance(outcome, Pause):
            await self._pause(delivery, settled, outcome)
            return False
        self._free_at = max(self._free_at, time.monotonic() + outcome.cooldown_s)
        last = not self._queue
        if last:
            settled.delete = False
            self._tail.append(settled)
        self._commits.append(self._lanes.committer.add(settled, hurry=last))
        if any(done.done() and not done.result() for done in self._commits):
            await self._leave()  # tables or queues are away: asking the host for more would be for nothing
            return False
        return True

    async def _fresh(self, delivery: Delivery) -> Delivery:
        """The delivery; with its row read anew where this lane already handled a copy of it."""
        row = delivery.row
        if row is None:
            return delivery
        if row.row in self._handled:
            await self._commit_all()
            rows = await self._runner.rows([delivery.message])
            return Delivery(delivery.received, delivery.message, rows.get((row.crawl, row.row)))
        self._handled.add(row.row)
        return delivery

    async def _pause(self, delivery: Delivery, settled: Settled, outcome: Pause) -> None:
        self._commits.append(self._lanes.committer.add(settled))
        receipts = [delivery.received.receipt, *(one.received.receipt for one in self._queue)]
        self._queue.clear()
        # First shut the group for the whole pause, then let go of what is done.
        await self._runner.hand_back(receipts, outcome.seconds)
        await self._close()

    async def _leave(self) -> None:
        """What was not begun goes back, shut for the rest of the host's rest; what is done is deleted."""
        receipts = [one.received.receipt for one in self._queue]
        self._queue.clear()
        await self._runner.hand_back(receipts, max(0.0, self._free_at - time.monotonic()))
        await self._close()

    async def _close(self) -> None:
        await self._commit_all()
        done = [
            one for one in self._tail if one.committed and one.committed.done() and one.committed.result()
        ]
        self._tail = []
        await self._lanes.delete(done)

    async def _commit_all(self) -> None:
        if self._commits:
            await asyncio.wait(self._commits, timeout=60)
            self._commits = [one for one in self._commits if not one.done()]

    def _tail_receipts(self) -> list[str]:
        return [one.received.receipt for one in self._tail if one.received is not None]


class Lanes:
    """The loop of the FIFO queue: hosts at the same time, each in its lane."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self.committer = Committer(runner)
        self._lanes: dict[str, Lane] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Works until `stop` is set; then what is held was finished or handed back."""
        heartbeat = asyncio.create_task(self.runner.held.keep())
        commits = asyncio.create_task(self.committer.run())
        stopped = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                if commits.done():
                    commits.result()  # a worker that cannot commit must not go on as if it could
                if len(self._lanes) >= self.runner.settings.hosts_at_once:
                    await asyncio.wait({*self._tasks, stopped, commits}, return_when=asyncio.FIRST_COMPLETED)
                    continue
                received = await self.runner.receive()
                if stop.is_set():
                    await self.runner.hand_back([one.receipt for one in received], 0)
                elif received:
                    await self._open(received, stop)
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=_REQUEST_S + _FINISH_S)
        finally:
            sound = not commits.done()
            for task in (heartbeat, commits, stopped, *self._tasks):
                task.cancel()
            if sound:
                await self.committer.drain()
            await self.runner.hand_back(self.runner.held.receipts, 1)

    async def _open(self, received: Sequence[Received], stop: asyncio.Event) -> None:
        try:
            deliveries, poison = await self.runner.understand(received)
        except Exception as error:  # noqa: BLE001 - the frontier is away: the messages come again
            _log.error("frontier not readable", error=repr(error))
            await self.runner.hand_back([one.receipt for one in received], 5)
            return
        for settled in poison:
            self.committer.add(settled)
        groups: dict[str, list[Delivery]] = {}
        for delivery in deliveries:
            groups.setdefault(delivery.received.group, []).append(delivery)
        for group, some in groups.items():
            lane = self._lanes.get(group)
            if lane is not None:
                lane.extend(some)
                continue
            lane = self._lanes[group] = Lane(group, self)
            lane.extend(some)
            task = asyncio.create_task(self._drive(lane, stop))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _drive(self, lane: Lane, stop: asyncio.Event) -> None:
        try:
            await lane.run(stop)
            while lane.waiting and not stop.is_set():  # came in while the lane was closing
                await lane.run(stop)
        except Exception as error:  # noqa: BLE001 - its messages lapse and come again; other hosts go on
            _log.error("lane failed", group=lane.group, exc_info=error)
        finally:
            self._lanes.pop(lane.group, None)

    async def delete(self, done: Sequence[Settled]) -> None:
        """The messages are gone, through the runner's own last phase."""
        if done:
            await self.runner.commit([Settled(one.received) for one in done])
