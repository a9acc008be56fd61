"""Check the workflows with actionlint, built once from its Go module into the user's cache.

Runs on the system's Python with the standard library alone. Where Go is missing the check is left out, and says so;
`--required` makes that a failure.

    python3 tools/actionlint/run.py [--required]
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PACKAGE = "github.com/rhysd/actionlint/cmd/actionlint"
BUILD_TIMEOUT_S = 600
CHECK_TIMEOUT_S = 120


def main(arguments: Sequence[str]) -> int:
    """0 when no workflow has a fault, or the check is left out; 1 otherwise."""
    binary = cached()
    if not binary.exists():
        if not shutil.which("go"):
            _say("left out: no `go` to build actionlint with; install Go 1.25, or trust CI, which has it")
            return 1 if "--required" in arguments else 0
        try:
            build(binary)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as e:
            output = (e.stderr or b"").decode(errors="replace").strip()
            _say(f"cannot build actionlint: {output or e}")
            return 1
    # Shell and Python inside workflows are for other tools, which are not everywhere: the same result on each machine.
    command = [str(binary), "-shellcheck=", "-pyflakes=", "-no-color"]
    try:
        faults = subprocess.run(command, cwd=ROOT, timeout=CHECK_TIMEOUT_S, check=False).returncode
    except subprocess.TimeoutExpired:
        _say(f"no end after {CHECK_TIMEOUT_S} s")
        return 1
    return 1 if faults else 0


def cached() -> Path:
    """Where the binary of the pinned version stands, shared by all checkouts."""
    version = re.search(r"github\.com/rhysd/actionlint (v[\d.]+)", (HERE / "go.mod").read_text())
    if version is None:
        raise SystemExit(f"{HERE / 'go.mod'} names no version of actionlint")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "trawler" / "actionlint" / version[1] / "actionlint"


def build(binary: Path) -> None:
    """The binary is there, whole.

    Raises:
        subprocess.SubprocessError: the build failed or took too long.
    """
    _say(f"building {binary.parent.name} (once, some seconds) …")
    binary.parent.mkdir(parents=True, exist_ok=True)
    # Built beside and moved: another run never meets half a binary.
    with tempfile.TemporaryDirectory(dir=binary.parent) as folder:
        made = Path(folder) / "actionlint"
        subprocess.run(
            ["go", "build", "-C", str(HERE), "-trimpath", "-ldflags", "-s -w", "-o", str(made), PACKAGE],
            check=True,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=BUILD_TIMEOUT_S,
        )
        made.replace(binary)


def _say(line: str) -> None:
    print(f"actionlint: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
