"""A shop's access log: one JSON object a line, for whoever judges a crawler by what it asked for."""

from pathlib import Path
from typing import IO

import msgspec


class Access(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One request.

    `at` is its arrival in epoch seconds, `monotonic` the same moment on a clock that is never set; `path` is as sent,
    with query. `ms` passed until the answer was sent. `retry_after` is what it asked to wait, in seconds.
    """

    at: float
    monotonic: float
    method: str
    path: str
    status: int
    ms: float
    user_agent: str
    retry_after: float | None = None


class AccessLog:
    """Appends to `path`, a line just before a request is answered; starts empty."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: IO[bytes] = path.open("wb", buffering=0)

    def write(self, access: Access) -> None:
        """Add one line; it is in the file when this returns."""
        self._file.write(msgspec.json.encode(access) + b"\n")

    def close(self) -> None:
        """Release the file."""
        self._file.close()


def read(path: Path) -> list[Access]:
    """The requests in `path` in order of arrival."""
    return sorted(
        msgspec.json.Decoder(Access).decode_lines(path.read_bytes()), key=lambda access: access.monotonic
    )
