"""The wheels that a hashed lock names, for a machine other than this one: a folder that an image is built from.

pip takes them from wherever this machine's own configuration says, and checks every hash. A package that is published
as source alone is made a wheel of here, with the setuptools of the repository's own lock, so that the image needs
nothing to build with. What was made for a lock is kept, and made again only when lock or architecture are others.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from ops.errors import MisuseError, OpsError

Architecture = Literal["x86_64", "arm64"]

GLIBC = 36
"""Minor version of the C library up to which wheels are taken: Debian 12's is 2.36."""

DOWNLOAD_TIMEOUT_S = 1200
_FIRST_GLIBC = {"x86_64": 5, "aarch64": 17}
_LEGACY = {"x86_64": ("manylinux2014", "manylinux2010", "manylinux1"), "aarch64": ("manylinux2014",)}
_PYTHON = re.compile(r"--python-version[= ](\d+\.\d+)")
_PATCH_RELEASES = 40


@dataclass(frozen=True)
class Lock:
    """A hashed requirements file, as `uv pip compile --generate-hashes` writes it."""

    text: str
    python: str
    """The minor version that it was made for, `3.11`."""

    @classmethod
    def read(cls, path: Path) -> Lock:
        """The file.

        Raises:
            MisuseError: it is missing, or does not say which Python it is for.
        """
        try:
            text = path.read_text()
        except OSError as e:
            raise MisuseError(f"{path}: cannot be read: {e.strerror}") from None
        python = _PYTHON.search(text)
        if python is None:
            raise MisuseError(f"{path}: does not say for which Python it is; `make lock` writes it anew")
        return cls(text, python[1])

    def rounds(self, architecture: Architecture) -> list[str]:
        """Requirements files that name, together, every wheel some machine of this kind may want.

        A package that is locked in two versions, for two ranges of Python's patch releases, is in two of them: pip
        takes one version of a package at a time, and goes by the Python that it runs on itself.

        Raises:
            MisuseError: an entry cannot be read.
        """
        rounds: list[dict[str, str]] = []
        for entry in re.split(r"\n(?=[A-Za-z0-9])", self.text):
            words = entry.replace("\\\n", " ").split(" --hash=", 1)
            if len(words) == 1:
                continue  # the comment that comes first
            try:
                requirement = Requirement(words[0].strip())
            except InvalidRequirement as e:
                raise MisuseError(f"the lock has an entry that is none: {words[0].strip()}: {e}") from None
            if not self._wanted(requirement, architecture):
                continue
            line = f"{requirement.name}{requirement.specifier} --hash={words[1].partition('#')[0].strip()}"
            free = next((r for r in rounds if requirement.name not in r), None)
            if free is None:
                rounds.append(free := {})
            free[requirement.name] = line
        return ["\n".join(each.values()) + "\n" for each in rounds]

    def allowing(self, name: str, sha256: str) -> str:
        """The lock's text, in which one more file of a package is good."""
        entry = re.compile(rf"(?m)^({re.escape(name)}==.*?\\\n)")
        return entry.sub(lambda found: f"{found[1]}    --hash=sha256:{sha256} \\\n", self.text)

    def _wanted(self, requirement: Requirement, architecture: Architecture) -> bool:
        if requirement.marker is None:
            return True
        environment = {
            "implementation_name": "cpython",
            "os_name": "posix",
            "platform_machine": machine(architecture),
            "platform_python_implementation": "CPython",
            "platform_system": "Linux",
            "python_version": self.python,
            "sys_platform": "linux",
        }
        releases = [f"{self.python}.{patch}" for patch in range(_PATCH_RELEASES)]
        return any(requirement.marker.evaluate({**environment, "python_full_version": r}) for r in releases)


def machine(architecture: Architecture) -> str:
    """What `uname -m` says there."""
    return "aarch64" if architecture == "arm64" else "x86_64"


def platforms(architecture: Architecture) -> list[str]:
    """Platform tags of the wheels that run there, newest C library first (PEP 600)."""
    name = machine(architecture)
    newest_first = range(GLIBC, _FIRST_GLIBC[name] - 1, -1)
    return [f"manylinux_2_{minor}_{name}" for minor in newest_first] + [
        f"{old}_{name}" for old in _LEGACY[name]
    ]


def cache() -> Path:
    """Where wheels are kept, shared by all checkouts."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "trawler" / "wheels"


def download(lock: Lock, architecture: Architecture, folder: Path, say: Callable[[str], None]) -> Path:
    """A folder with the lock and, in `wheels`, what it names: what the Dockerfile wants beside it.

    Args:
        lock: what is wanted.
        architecture: of the machine that will run them.
        folder: of all such folders, made when missing.
        say: called with a line of progress.

    Raises:
        OpsError: pip failed: no such wheel, another hash, no index; the text holds pip's last lines.
        MisuseError: the lock cannot be read, or names a package that would have to be compiled.
    """
    key = hashlib.sha256(f"{architecture}\n{lock.text}".encode()).hexdigest()[:16]
    target = folder / key
    folder.mkdir(parents=True, exist_ok=True)
    with _exclusive(folder / f".{key}.lock"):
        if target.is_dir():
            return target
        rounds = lock.rounds(architecture)
        say(f"downloading the wheels of {sum(text.count(chr(10)) for text in rounds)} packages …")
        with tempfile.TemporaryDirectory(dir=folder, prefix=".new-") as made:
            new = Path(made) / key
            new.mkdir()
            for number, text in enumerate(rounds):
                requirements = Path(made) / f"round-{number}.txt"
                requirements.write_text(text)
                _pip(_arguments(requirements, new / "wheels", lock.python, architecture))
            for source in sorted(new.glob("wheels/*")):
                if source.suffix != ".whl":
                    lock = _made_wheel(source, lock, say)
            (new / "requirements.lock").write_text(lock.text)
            # Named last: a folder of this name is always whole.
            new.rename(target)
    return target


def _arguments(requirements: Path, target: Path, python: str, architecture: Architecture) -> list[str]:
    line = ["download", "--no-deps", "--require-hashes", "--prefer-binary", "--no-build-isolation"]
    # pip knows the minor version only; for which patch releases a package is, the lock has decided.
    line += ["--ignore-requires-python"]
    line += ["--dest", str(target), "--implementation", "cp", "--python-version", python]
    line += [part for platform in platforms(architecture) for part in ("--platform", platform)]
    return [*line, "-r", str(requirements)]


def _made_wheel(source: Path, lock: Lock, say: Callable[[str], None]) -> Lock:
    """The wheel lies in the place of its source, whose hash pip has checked; the lock that takes it for good."""
    say(f"making a wheel of {source.name}, which is published as source alone …")
    with tempfile.TemporaryDirectory(dir=source.parent) as made:
        line = ["wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", made, str(source)]
        _pip(line)
        [wheel] = Path(made).glob("*.whl")
        name, _, _, tags = parse_wheel_filename(wheel.name)
        if any(tag.platform != "any" for tag in tags):
            raise MisuseError(
                f"{source.name} has to be compiled, and nothing is compiled for an image: choose a version of {name} "
                "that is published as a wheel for it"
            )
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        wheel.rename(source.parent / wheel.name)
    source.unlink()
    return replace(lock, text=lock.allowing(canonicalize_name(name), digest))


def _pip(arguments: Sequence[str]) -> None:
    line = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet", *arguments]
    # Zip archives know no date before 1980; the same source makes the same wheel.
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "315532800"}
    try:
        done = subprocess.run(
            line, capture_output=True, text=True, timeout=DOWNLOAD_TIMEOUT_S, check=False, env=environment
        )
    except subprocess.TimeoutExpired:
        raise OpsError(
            f"the wheels did not come within {DOWNLOAD_TIMEOUT_S} s; is the package index slow?"
        ) from None
    if done.returncode != 0:
        said = "\n".join(f"  {text}" for text in done.stderr.strip().splitlines()[-12:])
        raise OpsError(
            f"pip cannot get the wheels that workers/requirements.lock names:\n{said}\n"
            "Nothing was built. A hash that differs means a changed lock (`make lock`) or a changed package: look "
            "before you trust it"
        )


@contextmanager
def _exclusive(path: Path) -> Generator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
