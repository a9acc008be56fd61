"""A copy of this checkout that a benchmark may change."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from local.stack.layout import ROOT

LIST_TIMEOUT_S = 60


@contextmanager
def copied() -> Generator[Path]:
    """The tracked files, and those that git would track, in a folder of their own."""
    with tempfile.TemporaryDirectory(prefix="trawler-bench-") as folder:
        checkout = Path(folder)
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=LIST_TIMEOUT_S,
            check=True,
        )
        for name in filter(None, listed.stdout.split("\0")):
            source, target = ROOT / name, checkout / name
            if source.is_file() or source.is_symlink():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target, follow_symlinks=False)
        yield checkout
