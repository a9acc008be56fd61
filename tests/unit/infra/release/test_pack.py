"""A release is the same bytes for the same sources, and holds what a worker is made of and nothing else."""

from __future__ import annotations

import gzip
import importlib
import io
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.errors import ReleaseError
from infra.release import Packed, pack

pack_module = importlib.import_module("infra.release.pack")

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"[:40]
AFTER = {
    "an AWS access key id": "key = 'AKIA" + "IOSFODNN7EXAMPLE'",
    "an AWS secret access key": f"aws_secret_access_key = '{SECRET}'",
    "a private key": "-----BEGIN RSA " + "PRIVATE KEY-----",
    "a GitHub token": "token = 'ghp_" + "a1" * 18 + "'",
    "a Slack token": "token = 'xoxb-" + "1234567890-abc'",
    "a Google API key": "key = 'AIza" + "x" * 35 + "'",
    "a Stripe key": "key = 'sk_live_" + "a1" * 10 + "'",
    "a password in a URL": "proxy = 'http://me:" + "hunter2@proxy.example'",
}


def names(packed: Packed) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(packed.data))) as tar:
        return tar.getnames()


def test_a_release_holds_source_and_shops_under_one_folder_and_nothing_else(
    workers: Path, shops: Path
) -> None:
    packed = pack(workers, shops)
    assert names(packed) == [
        "app/crawler/__main__.py",
        "app/crawler/py.typed",
        "app/crawler/stages/fetch.py",
        "app/shops/two.toml",
    ]
    assert packed.files == 4


def test_every_member_is_a_plain_file_of_nobody_at_no_time(workers: Path, shops: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(pack(workers, shops).data))) as tar:
        seen = {(m.isreg(), m.mode, m.uid, m.gid, m.mtime, m.uname, m.gname) for m in tar}
    assert seen == {(True, 0o644, 0, 0, 0, "", "")}


def test_times_modes_and_order_of_creation_do_not_change_the_bytes(
    workers: Path, shops: Path, tmp_path: Path
) -> None:
    before = pack(workers, shops)
    old_mask = os.umask(0o077)
    try:
        copy = tmp_path / "elsewhere" / "w"
        for path in sorted(workers.rglob("*"), reverse=True):
            if path.is_file():
                target = copy / path.relative_to(workers)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
                os.utime(target, (1, 1))
                target.chmod(0o700)
    finally:
        os.umask(old_mask)
    after = pack(copy, shops)
    assert after == before


def test_the_header_names_neither_time_nor_system(workers: Path, shops: Path) -> None:
    assert pack(workers, shops).data[4:10] == b"\0\0\0\0\0\xff"


def test_the_same_sources_are_the_same_release_on_every_machine(tmp_path: Path) -> None:
    """Where this fails, the compressor or the tarball's form is another: every digest changes once."""
    (tmp_path / "crawler").mkdir()
    (tmp_path / "shops").mkdir()
    (tmp_path / "crawler" / "__main__.py").write_text("print('hello')\n" * 100)
    (tmp_path / "crawler" / "größe.txt").write_text("ß\n", "utf-8")
    assert pack(tmp_path, tmp_path / "shops").digest == (
        "577186c74eced0475b157093190bf5d228074f7c640bfb163d277eb450917d5d"
    )


def test_one_changed_character_is_another_release(workers: Path, shops: Path) -> None:
    before = pack(workers, shops)
    (shops / "two.toml").write_text("name = 'twO'\n")
    assert pack(workers, shops).key != before.key


def _link_out(root: Path) -> None:
    (root / "crawler" / "stolen.py").symlink_to("/etc/hostname")


def _link_to_nothing(root: Path) -> None:
    (root / "crawler" / "gone.py").symlink_to("nowhere.py")


def _fifo(root: Path) -> None:
    os.mkfifo(root / "crawler" / "pipe.py")


def _cases_collide(root: Path) -> None:
    (root / "crawler" / "Stages.py").write_text("")
    (root / "crawler" / "stages.py").write_text("")


def _link_to_itself(root: Path) -> None:
    (root / "crawler" / "loop.py").symlink_to("loop.py")


def _folders_collide(root: Path) -> None:
    for name in ("Data/a.py", "data/b.py"):
        (root / name).parent.mkdir()
        (root / name).write_text("")


def _turned_round(root: Path) -> None:
    (root / "crawler" / "a\u202eyp.py").write_text("")


def _two_characters(root: Path) -> None:
    (root / "crawler" / "caf\u0065\u0301.py").write_text("")


def _key_in_capitals(root: Path) -> None:
    (root / "crawler" / "SERVER.PEM").write_text("key")


def _control_character(root: Path) -> None:
    (root / "crawler" / "a\nb.py").write_text("")


def _not_utf8(root: Path) -> None:
    os.close(os.open(os.fsencode(root / "crawler") + b"/\xff.py", os.O_CREAT | os.O_WRONLY))


def _too_long(root: Path) -> None:
    folder = root / ("f" * 120) / ("g" * 120)
    folder.mkdir(parents=True)
    (folder / "m.py").write_text("")


def _unknown(root: Path) -> None:
    (root / "crawler" / "model.bin").write_bytes(b"\0")


def _environment(root: Path) -> None:
    (root / ".env").write_text("A=1")


def _key(root: Path) -> None:
    (root / "crawler" / "id_rsa").write_text("key")


def _folder_of_keys(root: Path) -> None:
    (root / ".aws").mkdir()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_link_out, r"stolen\.py: a symbolic link that leaves the folder"),
        (_link_to_nothing, r"gone\.py: cannot be read"),
        (_fifo, r"pipe\.py: is no plain file"),
        (_link_to_itself, r"loop\.py: cannot be read"),
        (_cases_collide, r"tages\.py: crawler/.tages\.py differs from crawler/.tages\.py only by case"),
        (_folders_collide, r"\.py: .ata differs from .ata only by case"),
        (_control_character, "its name holds a control character .*; rename it"),
        (_turned_round, "its name holds a control character .*; rename it"),
        (_two_characters, "its name writes a letter and its accent as two characters"),
        (_key_in_capitals, r"SERVER\.PEM: files of this name hold credentials"),
        (_not_utf8, "its name is not UTF-8"),
        (_too_long, r"m\.py: .*shorten its path"),
        (_unknown, r"model\.bin: .* name it in \.releaseignore"),
        (_environment, r"\.env: files of this name hold credentials"),
        (_key, r"id_rsa: files of this name hold credentials"),
        (_folder_of_keys, r"\.aws: files of this name hold credentials"),
    ],
)
def test_what_cannot_be_released_is_named(
    workers: Path, shops: Path, spoil: Callable[[Path], None], said: str
) -> None:
    spoil(workers)
    with pytest.raises(ReleaseError, match=said):
        pack(workers, shops)


@pytest.mark.parametrize(("kind", "text"), AFTER.items())
def test_what_looks_like_a_credential_is_refused_with_its_line(
    workers: Path, shops: Path, kind: str, text: str
) -> None:
    source = workers / "crawler" / "stages" / "fetch.py"
    source.write_text(f"x = 1\n{text}\n")
    with pytest.raises(ReleaseError, match=rf"fetch\.py:2: looks like {kind}"):
        pack(workers, shops)
    source.write_text(f"x = 1\n{text}  # pragma: allowlist secret\n")
    assert "app/crawler/stages/fetch.py" in names(pack(workers, shops))


def test_a_url_without_a_password_is_no_credential(workers: Path, shops: Path) -> None:
    (workers / "crawler" / "stages" / "fetch.py").write_text(
        "a = 'https://example.com:8080/@x'\nb = f'http://{user}:{password}@host'\nc = 'http://a/b:c@d'\n"
    )
    assert pack(workers, shops)


def test_what_an_ignore_file_names_stays_out(workers: Path, shops: Path) -> None:
    (workers / "crawler" / "model.bin").write_bytes(b"\0")
    (workers / "data").mkdir()
    (workers / "data" / "big.bin").write_bytes(b"\0")
    (workers / ".releaseignore").write_text("*.bin\n/data/\n")
    assert not [name for name in names(pack(workers, shops)) if "bin" in name or "data" in name]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("three.yaml", "neither known as source"),
        ("draft/three.toml", "a shop is a .toml file directly in this folder"),
        ("three.json", "a shop is a .toml file directly in this folder"),
        (".env", "files of this name hold credentials"),
    ],
)
def test_what_is_no_shop_is_not_left_out_in_silence(workers: Path, shops: Path, name: str, said: str) -> None:
    (shops / "README.md").write_text("for people")
    before = names(pack(workers, shops))
    (shops / name).parent.mkdir(exist_ok=True)
    (shops / name).write_text("")
    with pytest.raises(ReleaseError, match=said):
        pack(workers, shops)
    (shops / ".releaseignore").write_text(f"/{name.partition('/')[0]}\n")
    assert names(pack(workers, shops)) == before


def test_a_link_to_a_folder_that_stays_out_stays_out(workers: Path, shops: Path, tmp_path: Path) -> None:
    before = pack(workers, shops)
    (workers / ".venv").symlink_to(tmp_path)
    assert pack(workers, shops) == before


def test_a_link_within_the_folder_is_its_content(workers: Path, shops: Path) -> None:
    (workers / "crawler" / "same.py").symlink_to("stages/fetch.py")
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(pack(workers, shops).data))) as tar:
        member = tar.extractfile("app/crawler/same.py")
        assert member is not None
        assert member.read() == b"x = 1\n"


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        ("LIMIT_BYTES", "with this file the release exceeds 10 bytes"),
        ("FILE_LIMIT_BYTES", "more than a file of a release may hold"),
        ("LIMIT_FILES", "more than 1 files"),
    ],
)
def test_too_much_is_refused(
    workers: Path, shops: Path, monkeypatch: pytest.MonkeyPatch, limit: str, said: str
) -> None:
    monkeypatch.setattr(pack_module, limit, 1 if limit == "LIMIT_FILES" else 10)
    with pytest.raises(ReleaseError, match=said):
        pack(workers, shops)


def test_a_folder_without_a_worker_is_named(tmp_path: Path, shops: Path) -> None:
    with pytest.raises(ReleaseError, match="no worker to release here"):
        pack(tmp_path, shops)


def test_the_projects_own_workers_can_be_released() -> None:
    root = Path(__file__).resolve().parents[4]
    held = names(pack(root / "workers", root / "workers" / "shops"))
    assert "app/crawler/__main__.py" in held
    assert not [name for name in held if "Dockerfile" in name or "requirements" in name]
