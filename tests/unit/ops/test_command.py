"""The command line: one sentence for a mistake, and a status that says whose turn it is."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ops.__main__ import main
from ops.errors import MisuseError
from ops.stack_file import StackFile


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["roll", "--stack", "nowhere"],
            "Pulumi.nowhere.yaml: there is no such file; is 'nowhere' the right stack?",
        ),
        (["tunnel", "--stack", "local"], "has no masters of its own"),
        (["smoke", "--stack", "prod"], "take an expendable one, as dev"),
    ],
)
def test_a_misuse_is_one_sentence_and_status_2(
    arguments: list[str], told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["trawler", *arguments])
    assert main() == 2
    said = capsys.readouterr()
    assert told in said.err
    assert said.out == ""


def test_an_unknown_option_is_status_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["trawler", "roll", "--stack", "prod", "--fast"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "--fast" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "told"),
    [("config: [", "not YAML"), ("name: trawler", "no `config:` in it"), ("", "no `config:`")],
)
def test_a_file_that_is_no_stack_file_is_told(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "Pulumi.dev.yaml"
    path.write_text(text)
    with pytest.raises(MisuseError, match=told):
        StackFile.read("dev", path)


def test_the_copy_for_one_run_differs_in_the_fleet_alone_and_is_gone_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.prod.yaml"
    text = 'encryptionsalt: v1:abc\nconfig:\n  trawler:protect: "true"\n  trawler:fleet: {ami: ami-1, volumeGb: 50}\n'
    path.write_text(text)
    file = StackFile.read("prod", path)
    with file.with_fleet(roll={"capacity": 7}) as copied:
        copy = StackFile.read("prod", copied)
        assert copy.setting("fleet") == {"ami": "ami-1", "volumeGb": 50, "roll": {"capacity": 7}}
        assert copy.document["config"]["trawler:protect"] == "true"
        assert copy.document["encryptionsalt"] == "v1:abc"
    assert not copied.exists()
    assert path.read_text() == text
