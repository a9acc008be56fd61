"""Which releases may go, and what differs between two."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import pytest
from rich.console import Console

from infra.release import pack
from infra.release.history import ReleaseRecord
from ops.errors import MisuseError, OpsError
from ops.releases import differences, listed, prunable, shown, unpacked

DIGESTS = [letter * 64 for letter in "abcdef"]
RELEASES = [ReleaseRecord(digest, 10, f"2026-01-0{9 - n}") for n, digest in enumerate(DIGESTS)]


def test_the_newest_and_what_is_used_stay() -> None:
    where = {DIGESTS[3]: ["prod (runs)"]}
    assert [each.digest for each in prunable(RELEASES, where, 2)] == [DIGESTS[2], DIGESTS[4], DIGESTS[5]]


def test_the_last_release_is_never_taken_out() -> None:
    with pytest.raises(MisuseError, match="--keep must be at least 1"):
        prunable(RELEASES, {}, 0)


def test_differences_tell_added_removed_and_changed_files() -> None:
    before = {"a.py": b"x = 1\n", "gone.py": b"", "same.py": b"s"}
    after = {"a.py": b"x = 2\n", "new.bin": b"\xff\xfe", "same.py": b"s"}
    found = differences(before, after)
    assert [(each.sign, each.name) for each in found] == [("~", "a.py"), ("-", "gone.py"), ("+", "new.bin")]
    assert shown(found, patch=True) == [
        "~ a.py  6 bytes → 6 bytes",
        "- gone.py  0 bytes → none",
        "+ new.bin  none → 2 bytes",
        "--- a/a.py",
        "+++ b/a.py",
        "@@ -1 +1 @@",
        "-x = 1",
        "+x = 2",
    ]


def test_names_and_contents_cannot_steer_the_terminal() -> None:
    found = differences({}, {"\x1b[2Jx.py": b"\x1b]0;title\x07\n"})
    assert not any("\x1b" in line or "\x07" in line for line in shown(found, patch=True))
    record = ReleaseRecord(DIGESTS[0], 1, "now", who="\x1b[31m[red]me", image="r:\x1b[2J")
    table = listed([record], {}, "stack")
    assert not any("\x1b" in str(cell) for column in table.columns for cell in column.cells)


def test_a_digest_can_be_copied_from_the_narrowest_list() -> None:
    record = ReleaseRecord(
        DIGESTS[0], 1, "2026-01-01T00:00:00Z", "ada (GitHub Actions)", "c" * 40, True, "r:t"
    )
    console = Console(width=80, file=io.StringIO())
    console.print(listed([record], {DIGESTS[0]: ["prod (runs)", "prod (last)"]}, "prod"))
    assert DIGESTS[0][:12] in console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]


def test_a_release_unpacks_to_what_was_packed() -> None:
    root = Path(__file__).resolve().parents[3]
    held = unpacked(pack(root / "workers", root / "workers" / "shops").data)
    assert held["crawler/__main__.py"] == (root / "workers" / "crawler" / "__main__.py").read_bytes()


def test_what_is_no_release_is_told() -> None:
    with pytest.raises(OpsError, match="no tarball"):
        unpacked(b"no gzip")
    with pytest.raises(OpsError, match="no tarball"):
        unpacked(gzip.compress(b"no tar at all" * 100))
