"""What a Marathon's event stream says of tasks, with the moment at which it said it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

import requests

CONNECT_TIMEOUT_S = 10.0
SILENCE_S = 60.0
"""Marathon sends an empty line each 10 s: longer silence is a dead stream."""


@dataclass(frozen=True)
class TaskEvent:
    """One `status_update_event`."""

    at: float
    """`time.monotonic()` when it was read."""

    app: str
    task: str
    state: str


@dataclass
class TaskEvents:
    """Everything seen so far; grows while its stream is open."""

    seen: list[TaskEvent] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _ended: str | None = None

    def add(self, event: TaskEvent) -> None:
        """Keep one, and wake who waits."""
        with self._changed:
            self.seen.append(event)
            self._changed.notify_all()

    def end(self, why: str) -> None:
        """Say that no more will come."""
        with self._changed:
            self._ended = why
            self._changed.notify_all()

    def nth(self, state: str, since: float, count: int, timeout_s: float) -> float:
        """When the `count`-th different task since a moment reached a state; waits for it.

        Args:
            state: such as `TASK_RUNNING`.
            since: a `time.monotonic()`.
            count: at least 1.
            timeout_s: how long to wait at most.

        Raises:
            TimeoutError: it did not happen.
            RuntimeError: the stream has ended.
        """
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while True:
                first: dict[str, float] = {}
                for event in self.seen:
                    if event.at >= since and event.state == state:
                        first.setdefault(event.task, event.at)
                if len(first) >= count:
                    return sorted(first.values())[count - 1]
                if self._ended:
                    raise RuntimeError(f"Marathon's event stream ended: {self._ended}")
                if not self._changed.wait(deadline - time.monotonic()):
                    raise TimeoutError(
                        f"{len(first)} of {count} tasks reached {state} within {timeout_s:.0f} s"
                    )


@contextmanager
def watched(marathon: str) -> Generator[TaskEvents]:
    """Follow the event stream of a Marathon while the block runs.

    Args:
        marathon: base URL.

    Raises:
        requests.RequestException: it does not answer.
    """
    events, session = TaskEvents(), requests.Session()
    session.trust_env = False
    response = session.get(
        f"{marathon}/v2/events",
        params={"event_type": "status_update_event"},
        headers={"Accept": "text/event-stream"},
        stream=True,
        timeout=(CONNECT_TIMEOUT_S, SILENCE_S),
    )
    response.raise_for_status()
    thread = threading.Thread(target=_read, args=(response, events), daemon=True)
    thread.start()
    try:
        yield events
    finally:
        response.close()
        session.close()


def _read(response: requests.Response, events: TaskEvents) -> None:
    try:
        for line in response.iter_lines(chunk_size=1):
            if line.startswith(b"data: "):
                data = json.loads(line[6:])
                events.add(TaskEvent(time.monotonic(), data["appId"], data["taskId"], data["taskStatus"]))
    except (requests.RequestException, ValueError, KeyError, AttributeError) as e:
        # AttributeError: urllib3's answer to a stream that another thread closed.
        events.end(repr(e))
    else:
        events.end("closed")
