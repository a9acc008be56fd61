"""`trawler releases`: what is stored, which of it may go, and what differs between two of them."""

from __future__ import annotations

import difflib
import gzip
import io
import tarfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from infra.errors import InfraError
from infra.release import LIMIT_BYTES, TOP
from infra.release.history import DeployEntry, ReleaseRecord, ReleaseStore
from infra.release.pack import read_members
from ops.errors import MisuseError, OpsError
from ops.standing import SHORT

WORKING_TREE = "."
"""Names the working tree where a release is asked for."""

PATCH_LIMIT = 2000
"""Most lines of a patch that are shown."""

_TAR_LIMIT_BYTES = LIMIT_BYTES + 64 * 1024 * 1024
"""Most that a release may unpack to: its files, and what a tarball adds to each."""


@dataclass(frozen=True)
class Difference:
    """A file that differs between two releases."""

    name: str
    before: int | None
    """Bytes; None where it is not there."""

    after: int | None
    patch: tuple[str, ...]
    """Unified diff of a text, line by line; empty for anything else."""

    @property
    def sign(self) -> str:
        """`+` added, `-` removed, `~` changed."""
        return "+" if self.before is None else "-" if self.after is None else "~"


def listed(releases: Sequence[ReleaseRecord], where: Mapping[str, Sequence[str]], title: str) -> Table:
    """The releases as a table.

    Args:
        releases: newest first.
        where: digest → what uses it, such as `prod (runs)`.
        title: heading.
    """
    table = Table(title=title, title_justify="left")
    for heading in ("release", "packed", "by", "commit", "image", "files", "bytes", "used by"):
        # A digest is there to be copied: it is never cut, whatever the terminal's width.
        table.add_column(
            heading,
            justify="right" if heading in {"files", "bytes"} else "left",
            min_width=SHORT if heading == "release" else None,
            overflow="fold",
        )
    for each in releases:
        commit = f"{each.commit[:SHORT]}{' + changes' if each.dirty else ''}" if each.commit else "?"
        table.add_row(
            each.digest[:SHORT],
            escape(each.when),
            escape(printable(each.who or "?")),
            escape(printable(commit)),
            escape(printable((each.image or "?").rpartition(":")[2])),
            str(each.files or "?"),
            f"{each.bytes:,}",
            escape(", ".join(where.get(each.digest, []))),
        )
    return table


def used_by(
    store: ReleaseStore, running: Iterable[str], pinned: str | None, stack: str, keep: int
) -> dict[str, list[str]]:
    """Digest → who may still need the release.

    Args:
        store: the bucket.
        running: releases that an app of the stack is set to, or a task of it runs.
        pinned: the release that the stack is held at.
        stack: the stack.
        keep: how many different releases of each stack's history count.
    """
    found: dict[str, list[str]] = {}
    for digest in dict.fromkeys(running):
        found.setdefault(digest, []).append(f"{stack} (runs)")
    if pinned:
        found.setdefault(pinned, []).append(f"{stack} (held at it)")
    for each in sorted({stack, *store.stacks()}):
        done = dict.fromkeys(entry.digest for entry in store.deploys(each))
        for place, digest in enumerate(list(done)[:keep]):
            found.setdefault(digest, []).append(f"{each} ({'last' if place == 0 else f'last but {place}'})")
    return found


def prunable(
    releases: Sequence[ReleaseRecord], where: Mapping[str, Sequence[str]], keep: int
) -> list[ReleaseRecord]:
    """The releases that nobody needs: not among the newest, used by nothing.

    Args:
        releases: newest first.
        where: see `used_by`.
        keep: how many of the newest stay, at least 1.

    Raises:
        MisuseError: `keep` is less than 1.
    """
    if keep < 1:
        raise MisuseError(
            "--keep must be at least 1: without any release nothing can be deployed or rolled back"
        )
    return [each for each in releases[keep:] if each.digest not in where]


def contents(store: ReleaseStore, name: str, root: Path, shops: str) -> tuple[str, dict[str, bytes]]:
    """A release's name for a person, and its files without the top folder.

    Args:
        store: the bucket.
        name: a digest, how one begins, or `.` for the working tree.
        root: the working tree.
        shops: its folder of shop definitions.

    Raises:
        OpsError: it is missing, not what was stored, or cannot be packed.
    """
    try:
        if name == WORKING_TREE:
            return "working tree", read_members(root / "workers", root / shops)
        digest = store.resolve(name)
        return digest[:SHORT], unpacked(store.fetch(digest))
    except InfraError as e:
        raise OpsError(str(e)) from None


def unpacked(data: bytes) -> dict[str, bytes]:
    """Name below the top folder → content of a tarball.

    Raises:
        OpsError: it is none, or unpacks to more than a release may hold.
    """
    try:
        with gzip.open(io.BytesIO(data)) as stream:
            plain = stream.read(_TAR_LIMIT_BYTES + 1)
        if len(plain) > _TAR_LIMIT_BYTES:
            raise OpsError(
                f"the release unpacks to more than {_TAR_LIMIT_BYTES} bytes, and is not looked into"
            )
        with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
            files = ((member.name, tar.extractfile(member)) for member in tar if member.isreg())
            return {name.removeprefix(f"{TOP}/"): file.read() for name, file in files if file}
    except (OSError, EOFError, zlib.error, tarfile.TarError) as e:
        raise OpsError(f"the release is no tarball: {e}") from None


def differences(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> list[Difference]:
    """Every file that differs, by name."""
    return [
        Difference(
            name,
            len(before[name]) if name in before else None,
            len(after[name]) if name in after else None,
            _patch(name, before.get(name, b""), after.get(name, b"")),
        )
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]


def shown(found: Sequence[Difference], *, patch: bool) -> list[str]:
    """The differences as lines for a terminal; names and contents are foreign, and cannot steer it.

    Args:
        found: the differences.
        patch: with the changed lines of texts.
    """
    lines = [
        f"{each.sign} {printable(each.name)}  {_size(each.before)} → {_size(each.after)}" for each in found
    ]
    if patch:
        all_lines = [printable(line) for each in found for line in each.patch]
        lines += all_lines[:PATCH_LIMIT]
        if len(all_lines) > PATCH_LIMIT:
            lines.append(f"… and {len(all_lines) - PATCH_LIMIT} more lines")
    return lines


def printable(text: str) -> str:
    """The text without anything that a terminal would obey."""
    return "".join(c if c.isprintable() or c == "\t" else f"\\x{ord(c):02x}" for c in text)


def summary(deploys: Sequence[DeployEntry]) -> str:
    """When a stack was deployed last."""
    return (
        f"last deployed {deploys[0].when} by {printable(deploys[0].who or '?')}"
        if deploys
        else "never deployed"
    )


def _patch(name: str, before: bytes, after: bytes) -> tuple[str, ...]:
    try:
        old, new = before.decode(), after.decode()
    except UnicodeDecodeError:
        return ()
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), f"a/{name}", f"b/{name}", lineterm="")
    return tuple(lines)


def _size(size: int | None) -> str:
    return "none" if size is None else f"{size:,} bytes"
