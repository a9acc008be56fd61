"""A command of the engine that runs beside others: started, watched, interrupted in order, waited for.

It has a process group of its own, so that a Ctrl-C of the terminal reaches it exactly once: a second one makes the
engine leave at once, with its lock held and its steps half done.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, cast

from ops.errors import OpsError

POLL_S = 0.05
GRACE_S = 120.0
"""After an interrupt the engine ends the steps under way and saves its state, seconds."""

Event = dict[str, Any]


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    stdout: str
    stderr: str


@dataclass
class EngineRun:
    """A command under way. Left as a context it has ended, whatever the reason."""

    process: subprocess.Popen[str]
    name: str
    """As a person would call it, for messages: `pulumi up of prod`."""

    echo: bool
    _said: dict[str, list[str]] = field(default_factory=lambda: {"stdout": [], "stderr": []})
    _readers: list[threading.Thread] = field(default_factory=list[threading.Thread])
    _interrupted: bool = False

    @classmethod
    def start(
        cls, line: Sequence[str], root: Path, environment: Mapping[str, str], name: str, *, echo: bool = False
    ) -> EngineRun:
        """Start it.

        Args:
            line: the whole command line.
            root: working directory.
            environment: all of it.
            name: as a person would call it.
            echo: show on standard error what it says, as it says it.
        """
        process = subprocess.Popen(
            line,
            cwd=root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            process_group=0,
        )
        run = cls(process, name, echo)
        for stream, pipe in (("stdout", process.stdout), ("stderr", process.stderr)):
            reader = threading.Thread(target=run._read, args=(stream, cast(IO[str], pipe)), daemon=True)
            reader.start()
            run._readers.append(reader)
        return run

    def __enter__(self) -> EngineRun:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self.process.poll() is None

    def wait(self, timeout_s: float, look: Callable[[], None] = lambda: None) -> Ended:
        """Wait for its end.

        Args:
            timeout_s: longest time; then it is interrupted.
            look: called every now and then meanwhile.

        Raises:
            OpsError: its time is over.
        """
        deadline = time.monotonic() + timeout_s
        while self.running:
            if time.monotonic() > deadline:
                self.end()
                raise OpsError(f"{self.name}: not done in {timeout_s:.0f} s, interrupted")
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(POLL_S)
            look()
        return self._ended()

    def end(self, grace_s: float = GRACE_S) -> None:
        """It has ended: by itself, or in order after one interrupt, or by force when that takes too long."""
        if self.running:
            self.interrupt()
            try:
                self.process.wait(grace_s)
            except (subprocess.TimeoutExpired, KeyboardInterrupt):
                # Its own group only: plugins that it has started end when it is gone.
                self.process.kill()
                self.process.wait()
        self._ended()

    def interrupt(self) -> None:
        """Ask it, once, to end the steps under way and leave."""
        if self.running and not self._interrupted:
            self._interrupted = True
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGINT)

    def said(self, stream: str) -> str:
        """What it has said so far.

        Args:
            stream: `stdout` or `stderr`.
        """
        return "\n".join(self._said[stream])

    def _ended(self) -> Ended:
        for reader in self._readers:
            reader.join(5)  # a plugin that outlives the engine may hold the pipe
        return Ended(self.process.returncode, self.said("stdout"), self.said("stderr"))

    def _read(self, stream: str, pipe: IO[str]) -> None:
        with pipe:
            for line in pipe:
                self._said[stream].append(line.rstrip("\n"))
                if self.echo:
                    print(line, end="", file=sys.stderr, flush=True)


class EventLog:
    """The engine's event log (`--event-log`), read while it is written."""

    VARIABLES: Mapping[str, str] = {"PULUMI_DEBUG_COMMANDS": "true"}
    """Without it the engine has no such option."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "events.json"
        self._offset = 0

    def news(self) -> list[Event]:
        """The events since the last call: whole lines only."""
        try:
            with self.path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        # What the engine says of itself at debug level is most of it.
        lines = (line for line in whole.splitlines() if b'"diagnosticEvent"' not in line)
        return [json.loads(line) for line in lines]


def environment(**more: str) -> dict[str, str]:
    """The caller's environment, for one of the engine's commands.

    Args:
        more: variables on top of it.
    """
    # One JSON document is read here, not the stream of events that this variable asks for.
    streaming = "PULUMI_ENABLE_STREAMING_JSON_PREVIEW"
    return {**{name: value for name, value in os.environ.items() if name != streaming}, **more}
