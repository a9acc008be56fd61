"""The holder's side of `infra.gate`: an update gets ready while its preview is still looked at."""

from __future__ import annotations

import fcntl
from pathlib import Path
from types import TracebackType

from infra import gate


class Gate:
    """A gate that is shut. Left as a context, it lets nothing through that it did not let through before.

    Args:
        folder: a folder of the deploy's own.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "gate"
        self._file = self._path.open("w")
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __enter__(self) -> Gate:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def variables(self) -> dict[str, str]:
        """Environment of an update that has to wait at this gate."""
        return {gate.VARIABLE: str(self._path)}

    def open(self, digest: str) -> None:
        """Let that release through."""
        self._file.write(digest)
        self.close()

    def close(self) -> None:
        """Whoever waits goes on: with the release that was let through, or with a refusal."""
        self._file.close()
