"""The delay before an app that keeps failing is launched again (RateLimiter of Marathon 1.11)."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from local.mesos.marathon.definition import App


@dataclass
class Delay:
    """A delay in force; both moments are on the limiter's clock."""

    seconds: float
    until: float
    last_failure: float


class RateLimiter:
    """Holds one delay for each app and configuration; a scale keeps it, a change of configuration starts clean.

    Args:
        clock: seconds; of the wall where delays are to outlive this process.

    Attributes:
        delays: those in force, by app id and version of the configuration.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.delays: dict[tuple[str, str], Delay] = {}

    def failed(self, app: App, config_version: str) -> float:
        """Lengthen the delay after a failure; its new length in seconds."""
        now = self._clock()
        key = (app.id, config_version)
        before = self._current(key, app)
        wanted = before.seconds * app.backoff_factor if before else float(app.backoff_seconds)
        seconds = min(wanted, float(app.max_launch_delay_seconds))
        self.delays[key] = Delay(seconds, now + seconds, now)
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
        for key in [key for key in self.delays if key[0] == app_id]:
            del self.delays[key]

    def _current(self, key: tuple[str, str], app: App) -> Delay | None:
        delay = self.delays.get(key)
        forgotten_after = max(app.max_launch_delay_seconds, app.backoff_seconds)
        if delay and self._clock() - delay.last_failure > forgotten_after + delay.seconds:
            del self.delays[key]
            return None
        return delay
