"""Waits that end: until something is so, or until their time is over."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Pace:
    """How a wait goes by."""

    poll_s: float = 5.0
    """Between two looks, seconds."""

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def until(self, look: Callable[[], T | None], timeout_s: float) -> T | None:
        """What `look` gives, once that is not None; None when that was not so within the time.

        Args:
            look: called at least once.
            timeout_s: longest wait, seconds.
        """
        deadline = self.clock() + timeout_s
        while (found := look()) is None:
            left = deadline - self.clock()
            if left <= 0:
                return None
            self.sleep(min(self.poll_s, left))
        return found
