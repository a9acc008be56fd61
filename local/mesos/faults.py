"""What production does to Marathon's clients, on order: ``NAME[=VALUE][@APP]``.

A fault counts wherever it can (the next three requests, the second task), so that a test sees the same each time.
Where a value is a number of seconds, its effect is the waiting itself.
"""

import logging
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from local.mesos.marathon import ids

_log = logging.getLogger(__name__)

FaultName = Literal[
    "disk-full",
    "dropped-events",
    "failed-pull",
    "locked",
    "lost-agent",
    "lost-answer",
    "lost-leader",
    "never-healthy",
    "slow-answers",
    "slow-fetch",
    "unauthorized",
]
_NAMES: dict[str, FaultName] = {name: name for name in get_args(FaultName)}
_SHAPE = re.compile(r"(?P<name>[a-z-]+)(?:=(?P<value>[^@]*))?(?:@(?P<app>.+))?")

_Kind = Literal["count", "seconds", "count or seconds"]
#: Kind of VALUE, and what holds without one (None: without end).
_VALUES: dict[FaultName, tuple[_Kind, float | None]] = {
    "disk-full": ("count", None),
    "dropped-events": ("count", 1),
    "failed-pull": ("count", None),
    "locked": ("count", 1),
    "lost-agent": ("count or seconds", 1),
    "lost-answer": ("count", 1),
    "lost-leader": ("count or seconds", 1),
    "never-healthy": ("count", None),
    "slow-answers": ("seconds", 5.0),
    "slow-fetch": ("seconds", 10.0),
    "unauthorized": ("count", None),
}
_WITHOUT_APP: frozenset[FaultName] = frozenset({"dropped-events", "lost-leader", "unauthorized"})


class FaultError(ValueError):
    """A fault that is not written as the grammar has it; the text quotes it and says what would do."""


@dataclass
class Fault:
    """One fault that was ordered.

    Attributes:
        name: which.
        count: how often (requests, tasks, events), None for ever or for a time.
        seconds: how long, None where it is counted.
        app: only that app and what is below that group; None for all.
        used: how often it has taken effect.
        since: monotonic seconds of its first effect.
    """

    name: FaultName
    count: int | None = None
    seconds: float | None = None
    app: str | None = None
    used: int = 0
    since: float | None = None

    def concerns(self, app_id: str | None) -> bool:
        if self.app is None:
            return True
        return app_id is not None and (app_id == self.app or ids.is_below(app_id, self.app))

    def __str__(self) -> str:
        value = "" if self.count is None else f"={self.count}"
        if self.seconds is not None:
            value = f"={self.seconds:g}s"
        return f"{self.name}{value}{'@' + self.app if self.app else ''}"


def parse(text: str) -> Fault:
    """A fault as written on the command line.

    Raises:
        FaultError: no such fault, or a value or app that it does not take.
    """
    match = _SHAPE.fullmatch(text.strip())
    name = _NAMES.get(match["name"]) if match else None
    if match is None or name is None:
        raise FaultError(f"'{text}' is no fault; NAME[=VALUE][@APP] with one of {', '.join(_NAMES)}")
    kind, default = _VALUES[name]
    app = match["app"]
    if app is not None and name in _WITHOUT_APP:
        raise FaultError(f"'{text}': {name} concerns no single app; leave @{app} out")
    if app is not None:
        app = ids.canonical(app)
        if ids.problems(app):
            raise FaultError(f"'{text}': {app} is no app id")
    if match["value"] is None:
        in_seconds, value = kind == "seconds", default
    else:
        in_seconds, value = _value(text, match["value"], kind)
    if in_seconds:
        return Fault(name, seconds=value, app=app)
    return Fault(name, count=None if value is None else int(value), app=app)


def _value(text: str, value: str, kind: _Kind) -> tuple[bool, float]:
    if kind != "seconds" and re.fullmatch(r"[1-9]\d{0,6}", value):
        return False, int(value)
    seconds = re.fullmatch(r"(\d{1,5}(?:\.\d{1,3})?)(s?)", value)
    if seconds and kind != "count" and (seconds[2] or kind == "seconds"):
        return True, float(seconds[1])
    wanted = {
        "count": "a whole number from 1",
        "seconds": "seconds, e.g. 2.5",
        "count or seconds": "a whole number from 1, or seconds with an s, e.g. 5s",
    }
    raise FaultError(f"'{text}': '{value}' is not what it takes: {wanted[kind]}")


@dataclass
class Faults:
    """The faults in force.

    Attributes:
        ordered: from the command line.
        file: more of them, one a line, read again whenever it changes; without the file there are none.
        clock: monotonic seconds.
    """

    ordered: list[Fault] = field(default_factory=list[Fault])
    file: Path | None = None
    clock: Callable[[], float] = time.monotonic
    _of_file: list[Fault] = field(default_factory=list[Fault])
    _seen: tuple[int, int, int] | None = None

    @classmethod
    def of(cls, texts: Iterable[str], file: Path | None = None) -> "Faults":
        """Faults as written.

        Raises:
            FaultError: one of them, or a line of the file, is none.
        """
        faults = cls([parse(each) for each in texts], file)
        faults._read(strict=True)
        return faults

    def all(self) -> list[Fault]:
        self._read()
        return [*self.ordered, *self._of_file]

    def find(self, name: FaultName, app_id: str | None = None) -> Fault | None:
        """The fault of a name that is in force now, for an app where one is meant; nothing is counted."""
        for fault in self.all():
            if fault.name == name and fault.concerns(app_id) and not self._is_over(fault):
                return fault
        return None

    def take(self, name: FaultName, app_id: str | None = None, *, where: str) -> Fault | None:
        """Like `find`, and the fault takes effect once: it is counted, and ``where`` goes to the log."""
        fault = self.find(name, app_id)
        if fault is not None:
            fault.used += 1
            fault.since = self.clock() if fault.since is None else fault.since
            _log.warning("fault %s: %s", fault, where)
        return fault

    def order(self, fault: Fault) -> None:
        """One more fault, from now on."""
        self.ordered.append(fault)

    def _is_over(self, fault: Fault) -> bool:
        if fault.count is not None:
            return fault.used >= fault.count
        lasts = fault.name == "lost-leader" and fault.since is not None and fault.seconds is not None
        return lasts and self.clock() - (fault.since or 0) >= (fault.seconds or 0)

    def _read(self, *, strict: bool = False) -> None:
        if self.file is None:
            return
        try:
            stat = self.file.stat()
        except OSError:
            self._seen, self._of_file = None, []
            return
        seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        if seen == self._seen:
            return
        self._seen = seen
        try:
            lines = self.file.read_text(encoding="utf-8").splitlines()
            self._of_file = [parse(each) for each in lines if each.strip() and not each.startswith("#")]
        except (OSError, ValueError) as error:
            if strict:
                raise FaultError(f"{self.file}: {error}") from None
            _log.warning("%s: %s; the faults of before stay", self.file, error)
            return
        if self._of_file:
            _log.warning("faults of %s: %s", self.file, ", ".join(map(str, self._of_file)))
