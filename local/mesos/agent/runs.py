"""What an agent writes down of a run, so that the next one finds it: ``<work_dir>/meta/slaves/…/runs/<container>``.

The folder mirrors the sandbox's path and lies outside of it, where no task looks (as a Mesos agent's checkpoints do).
It holds the executor's ``lock``, the FIFOs ``control`` and ``alive``, ``pid`` and, once the task has ended, ``status``.
"""

import contextlib
import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from local.mesos.agent.sandbox import Sandbox

_META = "meta"


@dataclass(frozen=True)
class RunFolder:
    path: Path

    @property
    def container_id(self) -> str:
        return self.path.name

    @property
    def alive(self) -> Path:
        """A FIFO that the executor holds open for writing as long as it lives."""
        return self.path / "alive"

    def make(self) -> int:
        """Make the folder, and give a descriptor that holds its lock: the executor is to inherit it. Raises OSError."""
        self.path.mkdir(parents=True, mode=0o700)
        for name in ("control", "alive"):
            os.mkfifo(self.path / name, 0o600)
        lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return lock

    @property
    def is_held(self) -> bool:
        """Whether the executor lives."""
        try:
            lock = os.open(self.path / "lock", os.O_RDWR)
        except OSError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
        return False

    def status(self) -> int | None:
        """The task's exit status; None while it has none, or where its executor was killed."""
        return self._number("status")

    def pid(self) -> int | None:
        """The task's first process; None before it was started."""
        return self._number("pid")

    def order_kill(self, grace_s: float) -> bool:
        """Tell the executor to end its task; False where none listens (yet, or any more)."""
        try:
            control = os.open(self.path / "control", os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno in {errno.ENXIO, errno.ENOENT}:
                return False
            raise
        with contextlib.suppress(BlockingIOError), os.fdopen(control, "wb", buffering=0) as order:
            order.write(f"kill {grace_s:.3f}\n".encode())
        return True

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)

    def _number(self, name: str) -> int | None:
        try:
            return int((self.path / name).read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None


def run_of(sandbox: Sandbox) -> RunFolder:
    """The record of the run whose sandbox this is."""
    work_dir = sandbox.work_dir
    return RunFolder(work_dir / _META / sandbox.path.relative_to(work_dir))


def all_runs(work_dir: Path) -> Iterator[RunFolder]:
    """Every run that left a record in a work folder."""
    for path in (work_dir / _META).glob("slaves/*/frameworks/*/executors/*/runs/*"):
        yield RunFolder(path)


def stand_by(work_dir: Path) -> tuple[Path, int]:
    """The FIFO by which executors know that a server is there, and a descriptor that says so while it is open."""
    fifo = work_dir / _META / "server"
    fifo.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with contextlib.suppress(FileExistsError):
        os.mkfifo(fifo, 0o600)
    return fifo, os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
