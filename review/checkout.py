"""The base revision of a change, checked out beside the working tree for as long as it is needed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from review.errors import MisuseError, ReviewError

GIT_TIMEOUT_S = 60.0


def resolved(root: Path, ref: str) -> str:
    """The commit of a ref, hex.

    Raises:
        MisuseError: the folder is no git checkout, or it knows no such commit.
    """
    if _git(root, "rev-parse", "--show-toplevel").returncode != 0:
        raise MisuseError(f"{root}: not a git checkout; a difference needs one")
    answer = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    if answer.returncode != 0:
        raise MisuseError(
            f"--base {ref}: no such commit here; is it fetched? (`git fetch origin`, or fetch-depth: 0 in CI)"
        )
    return answer.stdout.strip()


@contextmanager
def worktree(root: Path, commit: str, folder: Path) -> Generator[Path]:
    """The commit's files in `folder`, a worktree that is gone afterwards.

    Args:
        root: the checkout.
        commit: full hash.
        folder: where; what an earlier run left there is removed.

    Raises:
        ReviewError: git refuses.
    """
    _remove(root, folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Hooks are the checkout's owner's, for work of their own.
    answer = _git(
        root, "-c", "core.hooksPath=", "worktree", "add", "--quiet", "--detach", str(folder), commit
    )
    try:
        if answer.returncode != 0:
            raise ReviewError(f"git worktree add {folder}: {answer.stderr.strip()}")
        yield folder
    finally:
        _remove(root, folder)


def _remove(root: Path, folder: Path) -> None:
    if folder.exists():
        _git(root, "worktree", "remove", "--force", str(folder))
        shutil.rmtree(folder, ignore_errors=True)
    _git(root, "worktree", "prune")


def _git(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["git", *arguments],
            cwd=root,
            capture_output=True,
            text=True,
            timeout=GIT_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as e:
        raise ReviewError(f"git {arguments[0]}: {e}") from None
