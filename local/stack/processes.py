"""Child processes that are ready when they are said to be, and gone when they are said to be gone."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

POLL_S = 0.05
TERM_GRACE_S = 15.0


class StackError(Exception):
    """The local stack cannot be; the text says what is in the way and what to do."""


@dataclass(frozen=True)
class Child:
    """A process that this one started."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path


def start(
    name: str, command: Sequence[str | Path], log: Path, environment: Mapping[str, str] | None = None
) -> Child:
    """Start a process in a group of its own, its output in `log`.

    A group of its own keeps a Ctrl-C of the terminal from it: whoever started it ends it, in order.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
    return Child(name, process, log)


def await_ready(child: Child, ready: Callable[[], bool], timeout_s: float) -> None:
    """Return once `ready` says so.

    Raises:
        StackError: the process ended, or is not ready in time; with the end of its log.
    """
    deadline = time.monotonic() + timeout_s
    while not ready():
        code = child.process.poll()
        if code is not None:
            raise StackError(f"{child.name} ended with status {code}:\n{tail(child.log)}")
        if time.monotonic() > deadline:
            raise StackError(f"{child.name} is not ready after {timeout_s:.0f} s:\n{tail(child.log)}")
        time.sleep(POLL_S)


def end(children: Sequence[Child]) -> None:
    """SIGTERM to all at once, SIGKILL to the group of whoever is left after a grace of 15 s."""
    for child in children:
        if child.process.poll() is None:
            child.process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + TERM_GRACE_S
    for child in children:
        try:
            child.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(child.process.pid, signal.SIGKILL)
            child.process.wait()


def tail(log: Path, lines: int = 8) -> str:
    """The last lines of a log, indented."""
    text = log.read_text(errors="replace") if log.is_file() else ""
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:])


def require_free(ports: Sequence[int]) -> None:
    """Raise StackError for the first port that is taken, saying how to choose others."""
    for port in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                raise StackError(
                    f"port {port} on 127.0.0.1 is taken: end what listens there, or choose eight free "
                    "ports in a row with PORT_BASE=20000"
                ) from None
