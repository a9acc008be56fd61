"""Which commit a working tree stands at: what a release says of its origin."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

TIMEOUT_S = 20.0
HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True)
class Revision:
    """A commit, and whether the tree differs from it. Nothing is known where there is no repository or no git."""

    commit: str | None = None
    """Full hash, hex."""

    dirty: bool | None = None
    """Whether a tracked file differs from the commit, or one that git does not ignore is not tracked."""

    def __str__(self) -> str:
        if self.commit is None:
            return "no commit known"
        return f"{self.commit[:12]}{' with uncommitted changes' if self.dirty else ''}"


def read(root: Path, *within: str) -> Revision:
    """The revision of a working tree.

    Args:
        root: a folder of the tree.
        within: paths below `root` whose state makes the tree dirty; all of them where none is given.
    """
    git = shutil.which("git")
    if git is None:
        return Revision()
    commit = _ask(git, root, "rev-parse", "--verify", "HEAD")
    if commit is None or not commit or not HEX.issuperset(commit):
        return Revision()
    changes = _ask(git, root, "status", "--porcelain", "--untracked-files=normal", "--", *within)
    return Revision(commit, None if changes is None else bool(changes))


def _ask(git: str, root: Path, *arguments: str) -> str | None:
    # A hook or a pager of the person's has no part in it, and no lock is taken beside their own commands.
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_PAGER": "cat"}
    try:
        answer = subprocess.run(
            [git, "-c", "core.fsmonitor=false", *arguments],
            cwd=root,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None
