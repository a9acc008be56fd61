"""What each step of an update takes, from the engine's events."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ops.steps import NOTHING


@dataclass
class Timeline:
    """Seconds of the steps that change something, as they are seen."""

    clock: Callable[[], float] = time.monotonic
    seconds: dict[str, float] = field(default_factory=dict[str, float])
    """Logical name → seconds, of the steps that have ended well."""

    failed: list[str] = field(default_factory=list[str])
    """Logical names of the steps that have failed."""

    began: dict[str, float] = field(default_factory=dict[str, float])
    """Logical name → when it began, by the clock."""

    def read(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Take notice of events as they come."""
        now = self.clock()
        for event in events:
            for kind in ("resourcePreEvent", "resOutputsEvent", "resOpFailedEvent"):
                step = event.get(kind, {}).get("metadata", {})
                if step and step.get("op") not in NOTHING and "pulumi:providers:" not in step["urn"]:
                    self._seen(kind, str(step["urn"]).rsplit("::", 1)[-1], now)

    def _seen(self, kind: str, name: str, now: float) -> None:
        match kind:
            case "resourcePreEvent":
                self.began.setdefault(name, now)
            case "resOutputsEvent":
                if name in self.began:
                    self.seconds[name] = now - self.began[name]
            case _:
                self.failed.append(name)
