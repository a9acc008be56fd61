"""Prepared changes through the real engine: what the review says of each, on top of `prod` as it is.

The base is brought up once; nothing is deployed after that.
"""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Generator
from pathlib import Path

import pytest
from pydantic import BaseModel

from local.stack.layout import ROOT
from local.stack.rehearsal import Rehearsal
from review import runs
from review.assembly import review_of
from review.report import render
from tests.stack.conftest import free_ports

CHANGES = Path(__file__).with_name("changes")
STACK = "prod"
PARTS = ("infra", "marathon_apps", "policies", "workers", "README.md", "Pulumi.yaml", f"Pulumi.{STACK}.yaml")


class Edit(BaseModel):
    """A text of a file that becomes another."""

    file: str
    find: str
    becomes: str


class Expected(BaseModel):
    """What the review must say."""

    status: int
    words: str
    dangers: list[str]
    says: list[str]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the working tree, to be changed."""
    copy = tmp_path_factory.mktemp("changes") / "tree"
    copy.mkdir()
    for name in PARTS:
        part = ROOT / name
        if part.is_dir():
            shutil.copytree(part, copy / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(part, copy / name)
    return copy


@pytest.fixture(scope="module")
def base(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[Rehearsal]:
    """The environment as it is, up."""
    run = tmp_path_factory.mktemp("changes-run")
    with Rehearsal(STACK, run, port_base=free_ports()) as rehearsal:
        outcome = rehearsal.up(tree)
        assert outcome.status == 0, outcome.stdout + outcome.stderr
        yield rehearsal


def edits(change: Path) -> list[Edit]:
    return [Edit.model_validate(raw) for raw in tomllib.loads((change / "change.toml").read_text())["edit"]]


@pytest.fixture
def changed(tree: Path, request: pytest.FixtureRequest) -> Generator[Path]:
    """The tree with one change in it."""
    change: Path = request.param
    before = {edit.file: (tree / edit.file).read_text() for edit in edits(change)}
    try:
        for edit in edits(change):
            text = (tree / edit.file).read_text()
            assert text.count(edit.find) >= 1, f"{change.name}: {edit.file} has no {edit.find!r} any more"
            (tree / edit.file).write_text(text.replace(edit.find, edit.becomes, 1))
        yield tree
    finally:
        for file, text in before.items():
            (tree / file).write_text(text)


prepared = sorted(path for path in CHANGES.iterdir() if path.is_dir())


@pytest.mark.parametrize(
    ("changed", "change"), [(p, p) for p in prepared], indirect=["changed"], ids=[p.name for p in prepared]
)
def test_a_prepared_change_gets_its_verdict(base: Rehearsal, changed: Path, change: Path) -> None:
    expected = Expected.model_validate(tomllib.loads((change / "expected.toml").read_text()))
    outcome = base.preview(changed)
    made = runs.made(outcome, changed, base.layout.run, (runs.ON_STAND_INS,))
    review = review_of(STACK, made, frozenset())
    text = render(review)
    assert review.verdict.status == expected.status, text
    assert expected.words in review.verdict.words
    assert [f"{danger.kind}: {danger.subject}" for danger in review.dangers] == expected.dangers
    assert [said for said in expected.says if said not in text] == [], text
    assert str(changed) not in text
