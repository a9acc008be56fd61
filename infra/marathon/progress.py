"""How far an app's tasks are, from one read of it to the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]

ENDING = frozenset({"TASK_KILLING", "TASK_KILLED", "TASK_FINISHED"})


def moment(timestamp: str) -> datetime:
    """Marathon's time, with a fraction or without; the oldest one for an empty text."""
    return datetime.fromisoformat(timestamp) if timestamp else datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Seen:
    """An app's tasks as one read shows them."""

    line: str
    """For a person."""

    is_done: bool
    """As many new tasks as wanted run and are healthy, and no old one is left."""

    old: int
    """Tasks of an earlier configuration that still run."""

    failures: int
    """New tasks that failed since one last came to run well."""

    config_version: str
    """When the app's configuration last changed."""


class Progress:
    """What is known of a deployment's tasks."""

    def __init__(self, settle_s: float, before: Mapping[str, Any] | None, since: str) -> None:
        """Nothing seen yet.

        Args:
            settle_s: how long a task without health checks must have run to count.
            before: the app as it was, whose tasks have settled.
            since: Marathon's time of the deployment, empty where it is not known.
        """
        self._settle_s = settle_s
        self._since = since
        self._running_since = dict.fromkeys((t["id"] for t in _tasks(before or {}, "TASK_RUNNING")), 0.0)
        self._good: set[str] = set()
        self._failed: set[tuple[str, str]] = set()
        self._in_a_row = 0
        self.last_failure: Json | None = None
        """Of a new task; None while none has failed."""

        self.new_tasks: list[Json] = []
        """As last read."""

    def seen(self, app: Mapping[str, Any], now: float) -> Seen:
        """Take in another read.

        Args:
            app: with tasks, counts and last failure.
            now: monotonic time, seconds.
        """
        config = app.get("versionInfo", {}).get("lastConfigChangeAt", app["version"])
        alive = [t for t in app.get("tasks", []) if t.get("state") not in ENDING]
        old = [t for t in alive if "version" in t and moment(t["version"]) < moment(config)]
        new = self.new_tasks = [t for t in alive if t not in old]
        running = [t for t in new if t.get("state") == "TASK_RUNNING"]
        for task in running:
            self._running_since.setdefault(task["id"], now)
        checked = bool(app.get("healthChecks"))
        good = [t for t in running if self._is_good(t, now, checked)]
        self._count(app, config, good)
        healthy = f", {len(good)} healthy" if checked else ""
        staged = sum(t.get("state") in {"TASK_STAGING", "TASK_STARTING"} for t in new)
        line = f"{staged} staged, {len(running)} running{healthy} of {app['instances']}"
        if old:
            line += f"; {len(old)} of the earlier version still run"
        if self._in_a_row:
            line += f"; {self._in_a_row} failed in a row"
        return Seen(
            line=line,
            is_done=len(good) >= app["instances"] and not old,
            old=len(old),
            failures=self._in_a_row,
            config_version=config,
        )

    def _is_good(self, task: Mapping[str, Any], now: float, checked: bool) -> bool:
        if checked:
            results: list[Json] = task.get("healthCheckResults") or []
            return bool(results) and all(result.get("alive") for result in results)
        return now - self._running_since[task["id"]] >= self._settle_s

    def _count(self, app: Mapping[str, Any], config: str, good: list[Json]) -> None:
        """A failure of a new task is one more in a row; a task that came to run well ends the row."""
        failure: Json | None = app.get("lastTaskFailure")
        if failure and moment(failure["timestamp"]) > moment(self._since or config):
            key = (failure["taskId"], failure["timestamp"])
            if moment(failure["version"]) >= moment(config) and key not in self._failed:
                self._failed.add(key)
                self._in_a_row += 1
                self.last_failure = failure
        fresh = {t["id"] for t in good} - self._good
        if fresh:
            self._good |= fresh
            self._in_a_row = 0


def _tasks(app: Mapping[str, Any], state: str) -> list[Json]:
    return [t for t in app.get("tasks", []) if t.get("state") == state]
