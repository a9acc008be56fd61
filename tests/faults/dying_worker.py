"""A worker that kills itself with SIGKILL between two phases of its runner, once.

    python -m tests.faults.dying_worker STAGE PHASE NTH MARKER

It dies just before PHASE (`write`, `send`, `mark` or `delete`) is carried out for the NTH time with something to
do, and leaves the file MARKER. Started again with that file there, it lives.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from crawler import log, worker
from crawler.runner import Runner
from crawler.settings import STAGES, read_settings
from crawler.settling import Settled


class DyingRunner(Runner):
    """The real runner, with one way to die in each phase."""

    phase: str
    left: int
    marker: Path

    def _die_before(self, phase: str, has_work: bool) -> None:
        if phase != self.phase or not has_work or self.marker.exists():
            return
        type(self).left -= 1
        if self.left <= 0:
            self.marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    async def _write(self, batch: Sequence[Settled]) -> dict[tuple[str, str], int]:
        self._die_before("write", any(one.writes for one in batch))
        return await super()._write(batch)

    async def _send(self, batch: Sequence[Settled]) -> None:
        self._die_before("send", any(one.sends for one in batch))
        await super()._send(batch)

    async def _mark(self, batch: Sequence[Settled], counts: dict[tuple[str, str], int]) -> None:
        self._die_before("mark", any(one.marks for one in batch))
        await super()._mark(batch, counts)

    async def _delete(self, batch: Sequence[Settled]) -> None:
        self._die_before("delete", any(one.received for one in batch))
        await super()._delete(batch)


def main(stage: str, phase: str, nth: str, marker: str) -> None:
    """Run the worker."""
    DyingRunner.phase, DyingRunner.left, DyingRunner.marker = phase, int(nth), Path(marker)
    settings = read_settings(next(s for s in STAGES if s == stage), os.environ)
    log.configure(settings.stage)
    worker.main(settings, DyingRunner)


if __name__ == "__main__":
    main(*sys.argv[1:])
