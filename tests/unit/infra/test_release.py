"""A release is the same bytes for the same sources, and holds what a worker is made of and nothing else."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from pathlib import Path

import pytest

from infra import release
from infra.errors import ReleaseError


@pytest.fixture
def workers(tmp_path: Path) -> Path:
    """A small workers' folder, with things beside the source that must stay out."""
    root = tmp_path / "workers"
    files = {
        "crawler/__main__.py": "print('hello')\n",
        "crawler/stages/fetch.py": "x = 1\n",
        "crawler/py.typed": "",
        "shops/one.toml": "name = 'of the folder'\n",
        "Dockerfile": "FROM scratch\n",
        "requirements.lock": "boto3==1\n",
        "crawler/__pycache__/x.cpython-311.pyc": "cache",
        ".env": "SECRET=1",
        "id_rsa": "key",
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.fixture
def shops(tmp_path: Path) -> Path:
    """The definitions that the release carries."""
    folder = tmp_path / "definitions"
    folder.mkdir()
    (folder / "two.toml").write_text("name = 'two'\n")
    return folder


def names(packed: release.Packed) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(packed.data))) as tar:
        return tar.getnames()


def test_a_release_holds_source_and_shops_under_one_folder_and_nothing_else(
    workers: Path, shops: Path
) -> None:
    assert names(release.pack(workers, shops)) == [
        "app/crawler/__main__.py",
        "app/crawler/py.typed",
        "app/crawler/stages/fetch.py",
        "app/shops/two.toml",
    ]


def test_times_modes_and_order_of_creation_do_not_change_the_bytes(workers: Path, shops: Path) -> None:
    before = release.pack(workers, shops)
    source = workers / "crawler" / "__main__.py"
    os.utime(source, (1, 1))
    source.chmod(0o600)
    (workers / "crawler" / "stages" / "fetch.py").rename(workers / "crawler" / "stages" / "moved.py")
    (workers / "crawler" / "stages" / "moved.py").rename(workers / "crawler" / "stages" / "fetch.py")
    after = release.pack(workers, shops)
    assert after.data == before.data
    assert after.digest == before.digest


def test_one_changed_character_is_another_release(workers: Path, shops: Path) -> None:
    before = release.pack(workers, shops)
    (shops / "two.toml").write_text("name = 'twO'\n")
    assert release.pack(workers, shops).key != before.key


def test_a_link_that_leaves_the_folder_is_refused(workers: Path, shops: Path) -> None:
    (workers / "crawler" / "stolen.py").symlink_to("/etc/hostname")
    with pytest.raises(ReleaseError, match=r"stolen\.py: a symbolic link that leaves the folder"):
        release.pack(workers, shops)


def test_too_much_is_refused(workers: Path, shops: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release, "LIMIT_BYTES", 10)
    with pytest.raises(ReleaseError, match="exceeds"):
        release.pack(workers, shops)


def test_a_folder_without_a_worker_is_named(tmp_path: Path, shops: Path) -> None:
    with pytest.raises(ReleaseError, match="no worker to release here"):
        release.pack(tmp_path, shops)
