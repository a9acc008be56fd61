"""Make this checkout ready to work in: Python packages, and the Pulumi engine where it is missing.

Runs on the system's Python with the standard library alone, since nothing else is there yet. Every step is
skipped when its result is there; an interrupted step is done again.

    python3 tools/setup.py            everything that `make` needs
    python3 tools/setup.py --python   the virtual environment only
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import venv
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCKS = (ROOT / "tools" / "installer.lock", ROOT / "requirements.lock")

OLDEST_PYTHON = (3, 11)
OLDEST_ENGINE = (3, 200, 0)
ENGINE = "v3.200.0"
ENGINE_TIMEOUT_S = 1800
TICK_S = 10.0

# What the engine wants beside its two binaries; all three ship inside the engine's SDK module.
SDK_SCRIPTS = (
    "python/cmd/pulumi-language-python-exec",
    "python/dist/pulumi-resource-pulumi-python",
    "python/dist/pulumi-analyzer-policy-python",
)


class SetupError(Exception):
    """A step failed; the text says which, where its output is, and what to do."""


def main(arguments: Sequence[str]) -> int:
    """Run the steps; 0 when the checkout is ready."""
    if sys.version_info < OLDEST_PYTHON:
        return _fail(
            f"Python {'.'.join(map(str, OLDEST_PYTHON))} or later is needed, this is {sys.version.split()[0]}"
        )
    try:
        python_packages()
        if "--python" not in arguments:
            engine()
    except SetupError as e:
        return _fail(str(e))
    except KeyboardInterrupt:
        return _fail("interrupted; the same command goes on from here")
    return 0


def python_packages() -> None:
    """`.venv` holds exactly what the locks say, and the project itself."""
    digest = hashlib.sha256(sys.version.encode())
    for part in (*LOCKS, ROOT / "pyproject.toml"):
        digest.update(part.read_bytes())
    stamp = VENV / "installed.sha256"
    if stamp.is_file() and stamp.read_text() == digest.hexdigest() and PYTHON.exists():
        return
    with _step("Python packages", ROOT / "build" / "setup-python.log") as log:
        if VENV.exists():
            shutil.rmtree(VENV)
        venv.create(VENV, with_pip=True, symlinks=True)
        _run([PYTHON, "-m", "pip", "install", "--require-hashes", "-r", LOCKS[0]], log)
        uv = [VENV / "bin" / "uv", "pip", "install", "--python", PYTHON]
        _run([*uv, "--require-hashes", "-r", LOCKS[1]], log)
        _run([*uv, "--no-deps", "--no-build-isolation", "--editable", ROOT], log)
        stamp.write_text(digest.hexdigest())


def engine() -> None:
    """A `pulumi` that is new enough: the one on PATH, else one built from its Go modules into the user's cache."""
    if _found(shutil.which("pulumi")) or _found(str(engine_folder() / "pulumi")):
        return
    if not shutil.which("go"):
        raise SetupError(
            f"no `pulumi` of at least {'.'.join(map(str, OLDEST_ENGINE))} is on PATH, and no `go` to build one: "
            "install Pulumi (https://www.pulumi.com/docs/install) or Go 1.25, then run the command again"
        )
    folder, work = engine_folder(), engine_folder().with_name("bin.partial")
    with _step(
        f"Pulumi engine {ENGINE} (built once, some minutes)", ROOT / "build" / "setup-pulumi.log"
    ) as log:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        version = f"-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version={ENGINE}"
        for module, package, flags in (
            ("engine", "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi", f"-s -w {version}"),
            ("language-python", "github.com/pulumi/pulumi/sdk/v3/python/cmd/pulumi-language-python", "-s -w"),
        ):
            target = work / package.rsplit("/", 1)[-1]
            source = ROOT / "tools" / "pulumi" / module
            _run(["go", "build", "-C", source, "-trimpath", "-ldflags", flags, "-o", target, package], log)
        sdk = Path(
            subprocess.run(
                [
                    "go",
                    "list",
                    "-C",
                    ROOT / "tools/pulumi/engine",
                    "-m",
                    "-f",
                    "{{.Dir}}",
                    "github.com/pulumi/pulumi/sdk/v3",
                ],
                check=True,
                capture_output=True,
                text=True,
                timeout=120,
            ).stdout.strip()
        )
        for script in SDK_SCRIPTS:
            target = work / Path(script).name
            shutil.copyfile(sdk / script, target)
            target.chmod(0o755)
        shutil.rmtree(folder, ignore_errors=True)
        work.rename(folder)


def engine_folder() -> Path:
    """Where an engine that was built here stands: in the user's cache, shared by all checkouts."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "trawler" / "pulumi" / ENGINE / "bin"


def _found(pulumi: str | None) -> bool:
    if not pulumi or not Path(pulumi).exists():
        return False
    answer = subprocess.run([pulumi, "version"], capture_output=True, text=True, timeout=60, check=False)
    match = re.search(r"v?(\d+)\.(\d+)\.(\d+)", answer.stdout)
    return match is not None and tuple(map(int, match.groups())) >= OLDEST_ENGINE


@contextmanager
def _step(title: str, log: Path) -> Generator[Path]:
    """Say what is being done and for how long; the output goes to a log, whose end is shown on failure."""
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("")
    started, done = time.monotonic(), threading.Event()
    _say(f"setup: {title} …")

    def tick() -> None:
        while not done.wait(TICK_S):
            _say(f"setup: {title} … {time.monotonic() - started:.0f} s")

    ticker = threading.Thread(target=tick, daemon=True)
    ticker.start()
    try:
        yield log
    except subprocess.SubprocessError as e:
        tail = "\n".join(f"    {line}" for line in log.read_text(errors="replace").splitlines()[-15:])
        command = e.cmd if isinstance(e, (subprocess.CalledProcessError, subprocess.TimeoutExpired)) else ""
        raise SetupError(
            f"{title}: `{' '.join(map(str, command))}` failed:\n{tail}\n  all of it: {log}"
        ) from None
    finally:
        done.set()
        ticker.join()
    _say(f"setup: {title}: {time.monotonic() - started:.0f} s")


def _run(command: Sequence[str | Path], log: Path) -> None:
    with log.open("a") as out:
        subprocess.run(
            [str(part) for part in command],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            timeout=ENGINE_TIMEOUT_S,
        )


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _fail(message: str) -> int:
    _say(f"setup: {message}")
    return 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
