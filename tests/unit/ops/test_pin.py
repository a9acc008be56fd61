"""A pin is one key of the stack file; every other line of it survives."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ops.errors import MisuseError
from ops.pin import Pin, pin_of, pinned, write
from ops.stack_file import ROOT, StackFile

PIN = Pin("1" * 64, "127.0.0.1:5000/trawler/worker:0123456789abcdef")
OTHER = Pin("e" * 64, "quay.io/trawler/worker:fedcba9876543210")


def stack_file(folder: Path, text: str) -> StackFile:
    path = folder / "Pulumi.prod.yaml"
    path.write_text(text)
    return StackFile.read("prod", path)


@pytest.mark.parametrize("stack", ["local", "dev", "prod"])
def test_a_pin_that_comes_and_goes_leaves_the_stack_file_as_it_was(stack: str) -> None:
    text = (ROOT / f"Pulumi.{stack}.yaml").read_text()
    held = pinned(text, PIN)
    assert yaml.safe_load(held)["config"]["trawler:release"] == {"digest": PIN.digest, "image": PIN.image}
    assert [line for line in held.splitlines() if line not in text.splitlines()] == held.splitlines()[2:6]
    assert pinned(held, None) == text
    assert pinned(pinned(held, OTHER), None) == text


def test_another_pin_takes_the_place_of_the_first() -> None:
    held = pinned(pinned("config:\n  aws:region: us-east-1\n", PIN), OTHER)
    assert held.count("trawler:release") == 1
    assert OTHER.digest in held


@pytest.mark.parametrize(
    "text",
    [
        "config:\n  a: 1\n  trawler:release: {digest: a, image: b}\n  # of b\n  b: 2\n",
        "config:\n  a: 1\n  trawler:release:\n    # inner\n    digest: a\n    image: b\n  # of b\n  b: 2\n",
        "config:\n  a: 1\n  # of b\n  b: 2\n  trawler:release:\n    digest: a\n    image: b",
        "config:\r\n    a: 1\r\n    trawler:release:\r\n        digest: a\r\n    # of b\r\n    b: 2\r\n",
    ],
)
def test_a_pin_written_by_hand_is_taken_out_whole(text: str) -> None:
    left = pinned(text, None)
    assert yaml.safe_load(left) == {"config": {"a": 1, "b": 2}}
    assert "# of b" in left
    assert "inner" not in left


@pytest.mark.parametrize("text", ["config: {a: 1}\n", "config:\n", "a: 1\n"])
def test_a_file_of_another_form_is_left_to_the_person(text: str) -> None:
    with pytest.raises(MisuseError):
        pinned(text, PIN)


def test_a_written_pin_is_read_again_and_keeps_the_files_mode(tmp_path: Path) -> None:
    file = stack_file(tmp_path, "config:\n  aws:region: us-east-1\n")
    file.path.chmod(0o640)
    assert pin_of(file) is None
    assert pin_of(write(file, PIN)) == PIN
    assert file.path.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["Pulumi.prod.yaml"]


def test_a_pin_that_is_none_is_told_with_its_key(tmp_path: Path) -> None:
    file = stack_file(tmp_path, "config:\n  trawler:release: {digest: abc, image: b}\n")
    with pytest.raises(MisuseError, match="trawler:release is not valid"):
        pin_of(file)
