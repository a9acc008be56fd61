"""Ends every task when the server is gone, however it went: run by its path, alone, with nothing imported from here.

It reads ``+<pid> <container>`` and ``-<pid>`` lines on its standard input, which only the server holds open. At the end
of input it sends SIGTERM to the first processes named and not taken back, and SIGKILL to all that belongs to them after
the grace given as its argument. PR_SET_PDEATHSIG would not do: it reaches the direct child only and fires when the
*thread* that forked ends.
"""

import contextlib
import os
import signal
import sys
import time
from pathlib import Path


def members(container: str) -> list[int]:
    """Processes that carry a container's name in their environment, in whatever group or session they are."""
    wanted = f"MESOS_CONTAINER_NAME={container}".encode()
    found: list[int] = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if wanted in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found


def kill_all(leader: int, container: str) -> None:
    """SIGKILL to the group of ``leader`` and to whatever of the container left that group."""
    with contextlib.suppress(OSError):
        os.killpg(leader, signal.SIGKILL)
    for pid in members(container):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def group_lives(leader: int) -> bool:
    try:
        os.killpg(leader, 0)
    except OSError:
        return False
    return True


def main(grace_s: float) -> None:
    containers: dict[int, str] = {}
    for line in sys.stdin:
        pid, _, container = line[1:].strip().partition(" ")
        if line.startswith("+"):
            containers[int(pid)] = container
        else:
            containers.pop(int(pid), None)
    for pid in containers:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + grace_s
    while time.monotonic() < deadline and any(map(group_lives, containers)):
        time.sleep(0.05)
    for pid, container in containers.items():
        kill_all(pid, container)


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends when its input does
    main(float(sys.argv[1]))
