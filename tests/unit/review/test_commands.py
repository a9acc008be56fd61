"""`python -m review` as CI calls it, on previews made elsewhere."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from review.__main__ import main
from tests.unit.review.support import FIXTURES


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    said: str


Command = Callable[..., Ended]


@pytest.fixture
def review(capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command line in this process."""

    def run(*arguments: str | Path) -> Ended:
        status = main([str(argument) for argument in arguments])
        return Ended(status, capsys.readouterr().err)

    return run


def report_of(name: str, out: Path) -> list[str | Path]:
    return ["report", "--preview", FIXTURES / f"{name}.json", "--stack", "prod", "--out", out]


def test_a_dangerous_change_ends_with_three_until_its_kinds_are_labelled(
    review: Command, tmp_path: Path
) -> None:
    out = tmp_path / "new" / "report.md"
    ended = review(*report_of("mixed", out))
    assert ended.status == 3
    assert "4 dangerous changes need a yes" in ended.said
    kinds = ("fleet-replacement", "capacity-reset", "task-restart", "iam-widening")
    labels = [part for kind in kinds for part in ("--label", f"acknowledged: {kind}")]
    assert review(*report_of("mixed", out), *labels, "--label", "enhancement").status == 0
    assert "4 dangerous changes, acknowledged" in out.read_text()


def test_an_engine_that_left_no_json_still_gives_a_report_and_fails(review: Command, tmp_path: Path) -> None:
    broken, out = tmp_path / "preview.json", tmp_path / "report.md"
    broken.write_text("panic: fatal: \x1b[31man assertion has failed\n")
    ended = review("report", "--preview", broken, "--stack", "prod", "--out", out)
    assert ended.status == 1
    assert "an assertion has failed" in out.read_text()


def test_it_runs_as_a_module(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "review", *map(str, report_of("code", tmp_path / "report.md"))]
    root = FIXTURES.parents[3]
    ended = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["report", "--preview", "none.json", "--stack", "prod", "--out", "x.md"], "none.json: No such file"),
        (["report", "--preview", "README.md", "--stack", "a b", "--out", "x.md"], "a stack's name has"),
        (["preview", "--stack", "nowhere"], "no file Pulumi.nowhere.yaml"),
        (["diff", "--base", "no-such-ref", "--stack", "prod"], "no such commit here"),
        (["diff", "--base", "HEAD", "--stack", "prod", "--acknowledge", "x"], "no such danger"),
        (["preview"], "Missing option '--stack'"),
    ],
)
def test_a_mistake_is_one_text_and_status_two(review: Command, arguments: list[str], said: str) -> None:
    ended = review(*arguments)
    assert ended.status == 2
    assert said in ended.said
