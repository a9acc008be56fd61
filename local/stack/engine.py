"""One run of the engine: bounded in time, and nothing of it left afterwards, however it ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from local.stack.processes import StackError

CANCEL_GRACE_S = 3.0
"""How long the engine, told to cancel, may wait for the program and for calls in flight before these are ended."""

SAVE_GRACE_S = 5.0
"""How long it may take after that to save its state and give its lock back."""

KILL_TIMEOUT_S = 5.0
LAST_LINES = 20


@dataclass(frozen=True)
class Finished:
    """How a run ended."""

    status: int
    stdout: str
    stderr: str
    seconds: float


def run(
    command: Sequence[str | Path], folder: Path, environment: Mapping[str, str], timeout_s: float
) -> Finished:
    """Run a command of the engine to its end.

    It has a session of its own: a Ctrl-C of the terminal does not reach it, and everything it starts can be found
    again. On an error here, a timeout or Ctrl-C it is asked to cancel, then ended with all of its descendants.

    Args:
        command: of `pulumi`.
        folder: working directory.
        environment: on top of this process's own.
        timeout_s: longest time.

    Raises:
        StackError: it cannot be started, or takes too long.
    """
    line = [str(part) for part in command]
    started = time.monotonic()
    try:
        process = subprocess.Popen(
            line,
            cwd=folder,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
    except OSError as e:
        raise StackError(
            f"{line[0]} cannot be started: {e.strerror}; `make setup` builds the engine"
        ) from None
    try:
        stdout, stderr = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        said = _end(process)
        raise StackError(
            f"`{' '.join(line[:2])}` did not end within {timeout_s:.0f} s; the last it said:\n{said}"
        ) from None
    finally:
        _end(process)
    return Finished(process.returncode, stdout, stderr, time.monotonic() - started)


def _end(process: subprocess.Popen[str]) -> str:
    """Nothing of it runs any more; the last lines of what it said meanwhile, indented."""
    said: str | None = ""
    try:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            said = _output(process, CANCEL_GRACE_S)
            if said is None:
                _kill([each for each in _session(process.pid) if each.pid != process.pid])
                said = _output(process, SAVE_GRACE_S)
    finally:  # also where a second Ctrl-C cuts the grace short
        _kill(_session(process.pid))
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
    return "\n".join(f"    {line}" for line in (said or "").splitlines()[-LAST_LINES:])


def _output(process: subprocess.Popen[str], timeout_s: float) -> str | None:
    """All it has written, once it has ended; None where it does not end in time."""
    try:
        stdout, stderr = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        return None
    return f"{stdout.rstrip()}\n{stderr}"


def _kill(left: Sequence[psutil.Process]) -> None:
    """Return once they run no more, which takes the system a moment."""
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    deadline = time.monotonic() + KILL_TIMEOUT_S
    while any(_runs(process) for process in left) and time.monotonic() < deadline:
        time.sleep(0.01)


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _session(leader: int) -> list[psutil.Process]:
    """Processes of a session, found although their parents have gone."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == leader:
                found.append(process)
        except (OSError, psutil.NoSuchProcess):
            continue
    return found
