"""Previews made on this machine, over a rehearsal that only plays one."""

from __future__ import annotations

import json
import subprocess
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from local.stack.processes import StackError
from local.stack.rehearsal import Outcome
from review import runs
from review.errors import MisuseError, ReviewError

PREVIEW = json.dumps({"steps": [], "changeSummary": {"same": 3}, "duration": 1})


def an_outcome(
    status: int = 0, stdout: str = "", preview: str | None = None, events: Path | None = None
) -> Outcome:
    return Outcome(status, stdout, "", preview, events, 2.0)


@dataclass
class PlayedRehearsal:
    """Remembers what it was asked, and answers as told."""

    up_outcome: Outcome = field(default_factory=an_outcome)
    preview_outcome: Outcome = field(default_factory=lambda: an_outcome(preview=PREVIEW))
    asked: list[tuple[str, dict[str, str], Path | None]] = field(default_factory=list)
    run: Path | None = None

    def __call__(self, _stack: str, run: Path) -> nullcontext[PlayedRehearsal]:
        self.run = run
        return nullcontext(self)

    def up(self, checkout: Path) -> Outcome:
        self.asked.append(("up", contents(checkout), None))
        return self.up_outcome

    def preview(self, checkout: Path, *, policy_pack: Path | None = None) -> Outcome:
        self.asked.append(("preview", contents(checkout), policy_pack))
        return self.preview_outcome


def contents(checkout: Path) -> dict[str, str]:
    return {p.name: p.read_text() for p in checkout.iterdir() if p.is_file() and p.name != ".git"}


def git(root: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
    answer = subprocess.run(
        ["git", *identity, *arguments], cwd=root, capture_output=True, text=True, check=True
    )
    return answer.stdout.strip()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout with one commit, and a working tree that has gone on."""
    root = tmp_path / "checkout"
    root.mkdir()
    (root / "Pulumi.prod.yaml").write_text("config: {}\n")
    (root / "program.txt").write_text("base\n")
    git(root, "init", "-q", "-b", "main")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "base")
    (root / "program.txt").write_text("working tree\n")
    return root


@pytest.fixture
def build(tmp_path: Path) -> Path:
    return tmp_path / "build"


def left(build: Path, root: Path) -> tuple[list[str], int]:
    """What is left in the build folder, and how many worktrees git knows."""
    names = sorted(path.name for path in build.iterdir()) if build.exists() else []
    return names, len(git(root, "worktree", "list").splitlines())


def test_the_base_is_brought_up_and_the_working_tree_previewed_on_top(root: Path, build: Path) -> None:
    played = PlayedRehearsal()
    made = runs.on_base(root, "prod", "HEAD", build, played)
    assert [(what, files["program.txt"]) for what, files, _ in played.asked] == [
        ("up", "base\n"),
        ("preview", "working tree\n"),
    ]
    assert not made.failed
    assert git(root, "rev-parse", "HEAD")[:12] in made.notes[1]


def test_nothing_is_left_behind(root: Path, build: Path) -> None:
    played = PlayedRehearsal()
    runs.on_base(root, "prod", "HEAD", build, played)
    assert left(build, root) == ([], 1)
    assert played.run is not None
    assert not played.run.exists()


def test_the_policy_pack_is_asked_where_there_is_one(root: Path, build: Path) -> None:
    played = PlayedRehearsal()
    runs.on_nothing(root, "prod", build, played)
    (root / "policies").mkdir()
    (root / "policies" / "PulumiPolicy.yaml").write_text("runtime: python\n")
    runs.on_nothing(root, "prod", build, played)
    assert [pack for _, _, pack in played.asked] == [None, root / "policies"]


def test_a_base_without_the_stack_is_nothing_to_begin_with(root: Path, build: Path) -> None:
    (root / "Pulumi.dev.yaml").write_text("config: {}\n")
    played = PlayedRehearsal()
    made = runs.on_base(root, "dev", "HEAD", build, played)
    assert [what for what, _, _ in played.asked] == ["preview"]
    assert "has no such stack" in made.notes[1]


def test_a_base_that_does_not_come_up_is_told_with_what_the_engine_said(root: Path, build: Path) -> None:
    said = (
        "Updating (prod):\n +  aws:sqs:Queue q creating (0s) error: name too long\nDiagnostics:\n"
        "  aws:sqs:QueuePolicy (p):\n    warning: not enforced here\n\n"
        "  \x1b[31maws:sqs:Queue (q):\x1b[0m\n    error: name too long\n\n"
        "  pulumi:pulumi:Stack (trawler-prod):\n    error: update failed\n\nResources:\n    + 3 created\n"
    )
    played = PlayedRehearsal(up_outcome=an_outcome(255, said))
    with pytest.raises(
        ReviewError, match=r"(?s)base revision HEAD .* does not come up.*error: name too long$"
    ):
        runs.on_base(root, "prod", "HEAD", build, played)
    assert left(build, root) == ([], 1)


@pytest.mark.parametrize("ref", ["no-such-branch", "--help", "HEAD^{tree}"])
def test_a_base_that_is_no_commit_is_a_mistake(root: Path, build: Path, ref: str) -> None:
    with pytest.raises(MisuseError, match="no such commit here"):
        runs.on_base(root, "prod", ref, build, PlayedRehearsal())


def test_a_folder_that_is_no_checkout_is_a_mistake(tmp_path: Path, build: Path) -> None:
    (tmp_path / "Pulumi.prod.yaml").write_text("config: {}\n")
    with pytest.raises(MisuseError, match="not a git checkout"):
        runs.on_base(tmp_path, "prod", "HEAD", build, PlayedRehearsal())


@pytest.mark.parametrize(
    ("stack", "said"),
    [("staging", "no file Pulumi.staging.yaml here; there are prod"), ("../prod", "a stack's name")],
)
def test_a_stack_without_a_file_is_a_mistake(root: Path, build: Path, stack: str, said: str) -> None:
    with pytest.raises(MisuseError, match=said):
        runs.on_nothing(root, stack, build, PlayedRehearsal())
    with pytest.raises(MisuseError, match=said):
        runs.on_base(root, stack, "HEAD", build, PlayedRehearsal())


def test_a_stack_that_cannot_be_started_is_one_text_and_leaves_nothing(root: Path, build: Path) -> None:
    def refused(_stack: str, _run: Path) -> nullcontext[PlayedRehearsal]:
        raise StackError("port 5599 on 127.0.0.1 is taken")

    with pytest.raises(ReviewError, match="the local stack: port 5599"):
        runs.on_base(root, "prod", "HEAD", build, refused)
    assert left(build, root) == ([], 1)


def test_an_interrupt_leaves_nothing(root: Path, build: Path) -> None:
    def interrupted(_stack: str, _run: Path) -> nullcontext[PlayedRehearsal]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        runs.on_base(root, "prod", "HEAD", build, interrupted)
    assert left(build, root) == ([], 1)


def test_what_an_earlier_run_that_was_killed_left_is_in_nobodys_way(root: Path, build: Path) -> None:
    commit = git(root, "rev-parse", "HEAD")
    git(root, "worktree", "add", "-q", "--detach", str(build / f"base-{commit[:12]}"), commit)
    runs.on_base(root, "prod", "HEAD", build, PlayedRehearsal())
    assert left(build, root) == ([], 1)


def test_the_preview_and_its_events_hold_nothing_of_the_machine(
    root: Path, build: Path, tmp_path: Path
) -> None:
    events = tmp_path / "events.json"
    events.write_text(json.dumps({"diagnosticEvent": {"message": f"{root}/infra/a.py"}}) + "\n")
    message = f"error: File {root}/infra/__main__.py, {Path.home()}/x"
    preview = json.dumps({"diagnostics": [{"message": message, "severity": "error"}]})
    played = PlayedRehearsal(preview_outcome=an_outcome(255, preview=preview, events=events))
    made = runs.on_nothing(root, "prod", build, played)
    assert made.failed
    assert "error: File ./infra/__main__.py, ~/x" in (made.json or "")
    assert str(root) not in (made.events or "")


def test_an_engine_that_panics_gives_no_preview_and_fails(root: Path, build: Path) -> None:
    made = runs.on_nothing(root, "prod", build, PlayedRehearsal(preview_outcome=an_outcome(2)))
    assert (made.json, made.failed) == (None, True)
