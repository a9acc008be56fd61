"""The sandboxes of one agent, to look into from outside (Mesos, src/files/files.cpp).

Paths come from strangers: whatever they say, nothing outside the agent's own sandboxes is touched, and a symbolic link
that a task left there leads nowhere else.
"""

import grp
import os
import pwd
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: The most one read gives: 16 pages, as Mesos does.
MAX_READ = 16 * os.sysconf("SC_PAGESIZE")


class FileError(Exception):
    """A path that cannot be answered; the text is Mesos' own.

    Attributes:
        status: of the answer.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class SandboxFiles:
    """Files below ``<work_dir>/slaves/<agent>/frameworks/*/executors/*/runs/*``.

    Attributes:
        frameworks: the agent's folder ``frameworks``.
    """

    frameworks: Path

    def executors(self) -> list[tuple[str, str, Path]]:
        """Framework id, executor id and newest run of every sandbox that is there."""
        found = [
            (link.parts[-5], link.parts[-3], link.resolve())
            for link in sorted(self.frameworks.glob("*/executors/*/runs/latest"))
        ]
        return [each for each in found if self._is_inside(each[2])]

    def read(self, path: str, offset: int, length: int | None) -> dict[str, Any]:
        """A piece of a file: ``{"data": …, "offset": …}``.

        Args:
            path: absolute.
            offset: where to begin, bytes; -1 tells the size only.
            length: bytes at most, None for as many as one read gives.

        Raises:
            FileError: no such file here, or no file.
        """
        found = self._resolve(path)
        try:
            # A fifo left by a task must not hold the server up.
            descriptor = os.open(found, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise FileError(f"Failed to open file at '{path}': {error.strerror}.\n", 500) from None
        try:
            status = os.fstat(descriptor)
            if stat.S_ISDIR(status.st_mode):
                raise FileError("Cannot read a directory.\n", 400)
            if not stat.S_ISREG(status.st_mode) or self._resolve(path) != found:
                raise FileError("Cannot read this kind of file.\n", 400)
            if offset == -1 or offset >= status.st_size:
                return {"data": "", "offset": status.st_size if offset == -1 else offset}
            wanted = min(MAX_READ, status.st_size - offset if length is None else length)
            return {"data": os.pread(descriptor, wanted, offset).decode("utf-8", "replace"), "offset": offset}
        finally:
            os.close(descriptor)

    def browse(self, path: str) -> list[dict[str, Any]]:
        """What a folder holds, by name.

        Raises:
            FileError: no such folder here.
        """
        found = self._resolve(path)
        if not found.is_dir():
            raise FileError("Cannot browse a file.\n", 400)
        entries: list[dict[str, Any]] = []
        with os.scandir(found) as scan:
            for entry in sorted(scan, key=lambda each: each.name):
                with suppress(OSError):  # gone meanwhile
                    entries.append(
                        _entry(f"{path.rstrip('/')}/{entry.name}", entry.stat(follow_symlinks=False))
                    )
        return entries

    def _resolve(self, path: str) -> Path:
        if not path.startswith("/") or "\0" in path:
            raise FileError("Expecting an absolute 'path=value' in query.\n", 400)
        try:
            found = Path(path).resolve(strict=True)
        except (OSError, RuntimeError):
            raise FileError("", 404) from None
        if not self._is_inside(found):
            raise FileError("", 404)  # what lies elsewhere is not even said to be there
        return found

    def _is_inside(self, found: Path) -> bool:
        try:
            parts = found.relative_to(self.frameworks.resolve()).parts
        except ValueError:
            return False
        return len(parts) >= 5 and (parts[1], parts[3]) == ("executors", "runs")


def _entry(path: str, status: os.stat_result) -> dict[str, Any]:
    owner, group = str(status.st_uid), str(status.st_gid)
    with suppress(KeyError):
        owner = pwd.getpwuid(status.st_uid).pw_name
    with suppress(KeyError):
        group = grp.getgrgid(status.st_gid).gr_name
    return {
        "path": path,
        "mode": stat.filemode(status.st_mode),
        "nlink": status.st_nlink,
        "uid": owner,
        "gid": group,
        "size": status.st_size,
        "mtime": int(status.st_mtime),
    }
