"""Messages this worker holds. While it lives, they stay invisible to the others."""

import asyncio
import time
from collections.abc import Callable, Sequence

import structlog

from crawler.queues import Received

_log = structlog.get_logger()


class Held:
    """Receipts in hand, each with the moment until which SQS grants it.

    Args:
        hide: sets the visibility of receipts (blocking); answers the failures.
        visibility_s: what they are extended to.
    """

    def __init__(self, hide: Callable[[Sequence[str], float], dict[str, str]], visibility_s: float) -> None:
        self._hide = hide
        self._visibility_s = visibility_s
        self._until: dict[str, float] = {}

    def add(self, received: Received) -> None:
        """The message is in hand from its receive on."""
        self._until[received.receipt] = received.at + self._visibility_s

    def drop(self, receipts: Sequence[str]) -> None:
        """The messages are no longer in hand: deleted, handed back, or given up."""
        for receipt in receipts:
            self._until.pop(receipt, None)

    def has(self, receipt: str) -> bool:
        """Whether the message is still this worker's own. After a stall it may be another's."""
        return time.monotonic() < self._until.get(receipt, 0.0)

    @property
    def receipts(self) -> list[str]:
        """All receipts in hand."""
        return list(self._until)

    async def keep(self) -> None:
        """Extends what is in hand every third of the visibility timeout, until cancelled."""
        while True:
            await asyncio.sleep(self._visibility_s / 3)
            try:
                await self.extend()
            except Exception as error:  # noqa: BLE001 - the next beat tries again; two may be missed
                _log.warning("heartbeat failed", error=repr(error))

    async def extend(self) -> None:
        """What is in hand and a third of its time old has the whole time again."""
        now = time.monotonic()
        due = [receipt for receipt, until in self._until.items() if until - now < 0.8 * self._visibility_s]
        if not due:
            return
        failures = await asyncio.to_thread(self._hide, due, self._visibility_s)
        if failures:
            # Mostly a message deleted meanwhile. A lost one lapses: `has` says no once its time is over.
            first = next(iter(failures.values()))
            _log.info("visibility not extended", messages=len(failures), first=first)
        for receipt in due:
            if receipt in self._until and receipt not in failures:
                self._until[receipt] = now + self._visibility_s
