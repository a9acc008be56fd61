"""Removes a server's containers when the server was killed: run by its path, alone, with nothing imported from here.

Its standard input is held open by the server only. A line on it says that all is well; its end without one says that
the server is gone. After the time that containers may run without one, unless another holds the lock by then,
everything that carries the label is stopped and removed.
"""

import fcntl
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

CALL_TIMEOUT_S = 60.0
GRACE_S = 5
LOOK_S = 1.0
"""Between two looks for a server that came back."""


def watch(
    programs: Sequence[str], environment: Mapping[str, str], label: str, timeout_s: float, lock: Path | None
) -> "subprocess.Popen[bytes]":
    """Start the watchdog of one label.

    Args:
        programs: the interpreter to run it with, and ``docker``.
        environment: those programs'.
        label: ``key=value`` on the containers.
        timeout_s: seconds from the server's end to that of the containers.
        lock: file that a server which came back in time holds; None where none is waited for.
    """
    python, docker = programs
    return subprocess.Popen(
        [python, "-I", "-S", __file__, docker, label, str(timeout_s), str(lock or "")],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True, cwd="/", env=dict(environment),
    )  # fmt: skip


def dismiss(watchdog: "subprocess.Popen[bytes]") -> None:
    """End a watchdog: its server ends in order."""
    with suppress(OSError):
        watchdog.communicate(b"done\n", timeout=CALL_TIMEOUT_S)


def main(docker: str, label: str, timeout_s: str, lock: str) -> None:
    server = _name(lock)
    if sys.stdin.readline():
        return
    deadline = time.monotonic() + float(timeout_s)
    while True:
        with _held(lock) as free:
            if not free or _name(lock) != server:
                return  # a server came back, and knows which of them to keep
            if time.monotonic() >= deadline:
                _remove(docker, label)
                return
        time.sleep(min(LOOK_S, max(0.0, deadline - time.monotonic())))


def _name(lock: str) -> bytes:
    """What the last server that held the lock wrote there; empty where there is no lock."""
    try:
        return Path(lock).read_bytes() if lock else b""
    except OSError:
        return b""


@contextmanager
def _held(lock: str) -> Generator[bool]:
    """Whether no server holds the lock; none comes meanwhile. Always so where there is no lock."""
    if not lock or not Path(lock).exists():
        yield True
        return
    with Path(lock).open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _remove(docker: str, label: str) -> None:
    command = [docker, "ps", "--all", "--quiet", "--filter", f"label={label}"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=CALL_TIMEOUT_S, check=False)
    ids = said.stdout.split()
    if ids:
        stop = [docker, "stop", "--time", str(GRACE_S), *ids]
        subprocess.run(stop, capture_output=True, timeout=CALL_TIMEOUT_S, check=False)
        remove = [docker, "rm", "--force", "--volumes", *ids]
        subprocess.run(remove, capture_output=True, timeout=CALL_TIMEOUT_S, check=False)


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends when its input does
    main(*sys.argv[1:])
