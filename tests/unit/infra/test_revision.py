"""The revision of a working tree, as a release records it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from infra.revision import Revision, read

IDENTITY = {
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.com",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.com",
    "GIT_CONFIG_GLOBAL": "/dev/null",
}


def git(folder: Path, *arguments: str) -> str:
    answer = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env={**os.environ, **IDENTITY},
        capture_output=True,
        text=True,
        check=True,
    )
    return answer.stdout.strip()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    (tmp_path / "workers").mkdir()
    (tmp_path / "workers" / "a.py").write_text("a\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


def test_a_clean_tree_is_its_commit(tree: Path) -> None:
    assert read(tree, "workers") == Revision(git(tree, "rev-parse", "HEAD"), dirty=False)


@pytest.mark.parametrize("name", ["a.py", "new.py"])
def test_a_changed_or_new_source_makes_it_dirty(tree: Path, name: str) -> None:
    (tree / "workers" / name).write_text("b\n")
    assert read(tree, "workers").dirty is True


def test_what_is_not_released_does_not_make_it_dirty(tree: Path) -> None:
    (tree / "README.md").write_text("b\n")
    assert read(tree, "workers").dirty is False
    assert read(tree).dirty is True


def test_nothing_is_known_without_a_repository_or_without_git(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert read(tmp_path) == Revision()
    assert str(read(tmp_path)) == "no commit known"
    monkeypatch.setenv("PATH", "")
    assert read(tmp_path) == Revision()
