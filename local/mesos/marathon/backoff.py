"""The delay before an app that keeps failing is launched again (RateLimiter of Marathon 1.11)."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from local.mesos.marathon.definition import App


@dataclass
class _Delay:
    seconds: float
    until: float
    last_failure: float


class RateLimiter:
    """Holds one delay for each app and configuration; a scale keeps it, a change of configuration starts clean.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._delays: dict[tuple[str, str], _Delay] = {}

    def failed(self, app: App, config_version: str) -> float:
        """Lengthen the delay after a failure; its new length in seconds."""
        now = self._clock()
        key = (app.id, config_version)
        before = self._current(key, app)
        wanted = before.seconds * app.backoff_factor if before else float(app.backoff_seconds)
        seconds = min(wanted, float(app.max_launch_delay_seconds))
        self._delays[key] = _Delay(seconds, now + seconds, now)
        return seconds

    def advanced(self, app: App, config_version: str) -> None:
        """A task of the app got further (staging, starting, running): an existing delay counts down anew."""
        if delay := self._current((app.id, config_version), app):
            delay.until = self._clock() + delay.seconds

    def remaining(self, app: App, config_version: str) -> float:
        """Seconds until the app may be launched; 0 when it may be now."""
        delay = self._current((app.id, config_version), app)
        return max(0.0, delay.until - self._clock()) if delay else 0.0

    def clear(self, app_id: str) -> None:
        """Forget every delay of an app, whatever its configuration."""
        for key in [key for key in self._delays if key[0] == app_id]:
            del self._delays[key]

    def _current(self, key: tuple[str, str], app: App) -> _Delay | None:
        delay = self._delays.get(key)
        forgotten_after = max(app.max_launch_delay_seconds, app.backoff_seconds)
        if delay and self._clock() - delay.last_failure > forgotten_after + delay.seconds:
            del self._delays[key]
            return None
        return delay
