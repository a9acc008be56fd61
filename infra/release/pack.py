"""The workers' folder as a tarball that is byte-identical for identical sources, on any machine."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import deflate
import pathspec

from infra.errors import ReleaseError
from infra.release import rules
from infra.release.rules import Verdict
from infra.storage_names import release_key

TOP = "app"
"""The tarball's one top folder. The fetcher always extracts into the sandbox's root, so this is the name
that an app's relative `hostPath` mounts."""

FILE_LIMIT_BYTES = 5 * 1024 * 1024
LIMIT_BYTES = 50 * 1024 * 1024
"""Largest sum of file sizes in a release. More is a mistake: data belongs in the bucket, not in the source."""

LIMIT_FILES = 20_000
LEVEL = 6
"""Of the compressor: 9 takes three times as long and saves 2 % of the bytes."""

_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


@dataclass(frozen=True)
class Packed:
    """A release before it is stored."""

    data: bytes
    digest: str
    """SHA-256 of `data`, hex."""

    files: int
    """How many files it holds."""

    @property
    def key(self) -> str:
        """Object key in the artifact bucket: the digest is in it, as an agent's fetch cache is never refreshed."""
        return release_key(self.digest)


@dataclass(frozen=True)
class Stored:
    """A release that was stored before."""

    digest: str
    """SHA-256 of the tarball, hex."""

    @property
    def key(self) -> str:
        """Object key in the artifact bucket."""
        return release_key(self.digest)


def pack(workers: Path, shops: Path) -> Packed:
    """The tarball of a workers' folder: names sorted; times, owners and modes fixed; one top folder.

    The compressor comes with the locked packages, since the machine's own zlib may be one of several that write
    different bytes for the same input (docs/adr/0011).

    Args:
        workers: the application's folder. Its own `shops/` is left out in favour of `shops`.
        shops: folder whose `*.toml` become the release's `shops/`.

    Raises:
        ReleaseError: a folder is missing, or a file is refused; names the file and says what to do.
    """
    if not (workers / "crawler" / "__main__.py").is_file():
        raise ReleaseError(f"{workers}: no worker to release here (crawler/__main__.py is missing)")
    if not shops.is_dir():
        raise ReleaseError(f"{shops}: the folder of shop definitions is missing; see the setting `shops`")
    members = read_members(workers, shops)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT, encoding="utf-8") as tar:
        for name in sorted(members, key=str.encode):
            info = tarfile.TarInfo(f"{TOP}/{name}")
            info.size = len(members[name])
            info.mode = 0o644
            try:
                tar.addfile(info, io.BytesIO(members[name]))
            except ValueError as e:
                raise ReleaseError(f"{workers / name}: {e}: shorten its path") from None
    data = bytes(deflate.gzip_compress(buffer.getvalue(), LEVEL))
    return Packed(data, hashlib.sha256(data).hexdigest(), len(members))


def read_members(workers: Path, shops: Path) -> dict[str, bytes]:
    """Name below the top folder → content of everything that a release of these folders holds.

    Args and errors as of `pack`.
    """
    members: dict[str, bytes] = {}
    folded: dict[str, str] = {}
    total = 0
    for name, path in [*_sources(workers), *_shops(shops)]:
        data = _read(path, workers if path.is_relative_to(workers) else shops)
        total += len(data)
        if len(data) > FILE_LIMIT_BYTES:
            raise ReleaseError(f"{path}: {_mib(len(data))} is more than a file of a release may hold "
                               f"({_mib(FILE_LIMIT_BYTES)}); data belongs in a bucket")  # fmt: skip
        if total > LIMIT_BYTES:
            raise ReleaseError(f"{path}: with this file the release exceeds {_mib(LIMIT_BYTES)}")
        if len(members) >= LIMIT_FILES:
            raise ReleaseError(f"{path}: with this file the release has more than {LIMIT_FILES:,} files")
        if found := rules.credential_in(data):
            line, kind = found
            raise ReleaseError(
                f"{path}:{line}: looks like {kind}, and everybody in the VPC can read a release; put it into Secrets "
                f"Manager, or mark the line with `{rules.ALLOWED.decode()}` where it is none"
            )
        # Folders, too: two of them would be one there.
        for each in _with_folders(name):
            other = folded.setdefault(each.casefold(), each)
            if other != each:
                raise ReleaseError(
                    f"{path}: {each} differs from {other} only by case; some machines hold but one of them"
                )
        members[name] = data
    return members


def _with_folders(name: str) -> Iterator[str]:
    """A name, and those of the folders above it."""
    while name:
        yield name
        name = name.rpartition("/")[0]


def _shops(shops: Path) -> Iterator[tuple[str, Path]]:
    """Name → path of the definitions; the crawler reads `*.toml` directly in the folder, and nothing else."""
    for entry in _entries(shops, "", _ignored(shops)):
        path = shops / entry.name
        if entry.name.endswith(".toml"):
            yield f"shops/{entry.name}", path
        elif _goes_in(path, _verdict(entry)):
            raise ReleaseError(
                f"{path}: a shop is a .toml file directly in this folder, and nothing else is read there; move it, "
                f"or name it in {shops / rules.IGNORE_FILE}"
            )


def _sources(workers: Path) -> Iterator[tuple[str, Path]]:
    """Name → path of what goes in, the folder's own `shops/` left out."""
    ignored = _ignored(workers)
    waiting = [(workers, "")]
    while waiting:
        folder, prefix = waiting.pop()
        for entry in _entries(folder, prefix, ignored):
            name, path = prefix + entry.name, folder / entry.name
            if name == "shops" or not _goes_in(path, _verdict(entry)):
                continue
            if _is_folder(entry):
                waiting.append((path, f"{name}/"))
            else:
                yield name, path


def _entries(folder: Path, prefix: str, ignored: pathspec.GitIgnoreSpec) -> Iterator[os.DirEntry[str]]:
    """What a folder holds and no ignore file names, by name."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as e:
        raise ReleaseError(f"{folder}: cannot be read: {e.strerror}") from None
    for entry in entries:
        if not ignored.match_file(prefix + entry.name + ("/" if _is_folder(entry) else "")):
            _refuse_strange(folder / entry.name, entry.name)
            yield entry


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is one itself: what a link leads to is not walked through."""
    return entry.is_dir(follow_symlinks=False)


def _verdict(entry: os.DirEntry[str]) -> Verdict:
    by_folder = rules.folder_verdict(entry.name)
    if _is_folder(entry):
        return by_folder
    # A link to a virtual environment stays out as the folder itself would.
    if entry.is_symlink() and by_folder is Verdict.OUT:
        return by_folder
    return rules.file_verdict(entry.name)


def _ignored(workers: Path) -> pathspec.GitIgnoreSpec:
    path = workers / rules.IGNORE_FILE
    try:
        lines = path.read_text("utf-8").splitlines() if path.is_file() else []
        return pathspec.GitIgnoreSpec.from_lines(lines)
    except (OSError, ValueError) as e:
        raise ReleaseError(f"{path}: cannot be understood: {e}") from None


def _goes_in(path: Path, verdict: Verdict) -> bool:
    match verdict:
        case Verdict.IN:
            return True
        case Verdict.OUT:
            return False
        case Verdict.CREDENTIAL:
            raise ReleaseError(
                f"{path}: files of this name hold credentials, and everybody in the VPC can read a release; "
                "move it out of the folder"
            )
        case Verdict.UNKNOWN:
            raise ReleaseError(
                f"{path}: a file of this kind is neither known as source nor as something that stays out; name it in "
                f"{rules.IGNORE_FILE} to leave it out, or add its kind to infra/release/rules.py"
            )


def _refuse_strange(path: Path, name: str) -> None:
    if what := rules.strange(name):
        raise ReleaseError(f"{str(path)!r}: its name {what}; rename it")


def _read(path: Path, root: Path) -> bytes:
    """The content of a plain file, or of one inside the same folder that a link leads to."""
    try:
        if path.is_symlink():
            target = path.resolve(strict=True)
            if not target.is_relative_to(root.resolve()):
                raise ReleaseError(f"{path}: a symbolic link that leaves the folder cannot be released")
            path = target
        descriptor = os.open(path, _OPEN_FLAGS)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ReleaseError(f"{path}: is no plain file, and cannot be released")
            return file.read(FILE_LIMIT_BYTES + 1)
    except OSError as e:
        raise ReleaseError(f"{path}: cannot be read: {e.strerror}") from None
    except RuntimeError:  # how Python before 3.13 tells of a link that leads to itself
        raise ReleaseError(f"{path}: cannot be read: the symbolic link leads to itself") from None


def _mib(size: int) -> str:
    return f"{size / 1024**2:.0f} MiB" if size >= 1024**2 else f"{size} bytes"
