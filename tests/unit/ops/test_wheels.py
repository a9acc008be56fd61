"""Which wheels a lock means for a machine other than this one."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.errors import MisuseError
from ops.wheels import Lock, platforms

HEAD = "#    uv pip compile --generate-hashes --universal --python-version 3.11 workers/requirements.in\n"
ENTRIES = """\
six==1.17.0 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
    # via a
soup==2.10 ; python_full_version < '3.11.5' \\
    --hash=sha256:cc
soup==4.1.2 ; python_full_version >= '3.11.5' \\
    --hash=sha256:dd
    # via b
winonly==1.0 ; sys_platform == 'win32' \\
    --hash=sha256:ee
old==1.0 ; python_version < '3.11' \\
    --hash=sha256:ff
"""


def lock(tmp_path: Path, text: str = HEAD + ENTRIES) -> Lock:
    path = tmp_path / "requirements.lock"
    path.write_text(text)
    return Lock.read(path)


def test_every_hash_of_a_package_is_kept_and_packages_of_other_systems_are_left_out(tmp_path: Path) -> None:
    wanted = "".join(lock(tmp_path).rounds("x86_64"))
    assert "six==1.17.0 --hash=sha256:aa" in wanted
    assert "--hash=sha256:bb" in wanted
    assert "winonly" not in wanted
    assert "old" not in wanted


def test_a_package_that_is_locked_twice_is_fetched_in_both_versions(tmp_path: Path) -> None:
    """The base image's patch release decides, not that of the Python that downloads."""
    first, second = lock(tmp_path).rounds("x86_64")
    assert "soup==2.10" in first
    assert second == "soup==4.1.2 --hash=sha256:dd\n"


def test_a_wheel_made_here_is_one_more_good_file_of_its_package_and_of_no_other(tmp_path: Path) -> None:
    text = lock(tmp_path).allowing("six", "99")
    assert text == (HEAD + ENTRIES).replace("six==1.17.0 \\\n", "six==1.17.0 \\\n    --hash=sha256:99 \\\n")


def test_a_lock_that_does_not_say_its_python_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MisuseError, match="does not say for which Python"):
        lock(tmp_path, ENTRIES)
    with pytest.raises(MisuseError, match="cannot be read"):
        Lock.read(tmp_path / "missing.lock")


def test_wheels_for_a_c_library_newer_than_the_base_image_s_are_not_taken() -> None:
    assert platforms("x86_64")[0] == "manylinux_2_36_x86_64"
    assert "manylinux2014_x86_64" in platforms("x86_64")
    assert all(platform.endswith("_aarch64") for platform in platforms("arm64"))
