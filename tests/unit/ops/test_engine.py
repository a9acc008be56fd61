"""The engine is called as a person would call it, and what it complains of reaches that person."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path

import pytest

from ops.engine import Engine
from ops.errors import MisuseError, OpsError

FAKE = """#!{python}
import json, os, pathlib, sys
streaming = "PULUMI_ENABLE_STREAMING_JSON_PREVIEW" in os.environ
pathlib.Path({record!r}).write_text(json.dumps({{"argv": sys.argv[1:], "streaming": streaming}}))
print({stdout!r})
print({stderr!r}, file=sys.stderr)
sys.exit({status})
"""


class FakePulumi:
    """A `pulumi` on PATH that answers what it is told to, and remembers how it was called."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._record = folder / "called.json"

    def answers(self, stdout: str = "", stderr: str = "", status: int = 0) -> None:
        """From now on."""
        program = self._folder / "pulumi"
        text = FAKE.format(
            python=sys.executable, record=str(self._record), stdout=stdout, stderr=stderr, status=status
        )
        program.write_text(text)
        program.chmod(stat.S_IRWXU)

    def called(self) -> tuple[list[str], bool]:
        """Arguments, and whether it was asked to stream."""
        said = json.loads(self._record.read_text())
        return said["argv"], said["streaming"]


@pytest.fixture
def pulumi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakePulumi:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return FakePulumi(tmp_path)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine("prod", tmp_path / "Pulumi.prod.yaml", tmp_path)


def test_an_update_is_limited_to_its_targets_and_takes_another_configuration(
    pulumi: FakePulumi, engine: Engine
) -> None:
    pulumi.answers()
    engine.up(Path("/elsewhere/Pulumi.prod.yaml"), ["urn:a", "urn:b"])
    argv, _ = pulumi.called()
    assert argv[0] == "up"
    assert [argv[i + 1] for i, part in enumerate(argv) if part == "--target"] == ["urn:a", "urn:b"]
    assert argv[argv.index("--config-file") + 1] == "/elsewhere/Pulumi.prod.yaml"
    assert argv[argv.index("--stack") + 1] == "prod"


def test_a_preview_is_one_document_whatever_the_shell_asks_for(
    pulumi: FakePulumi, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_ENABLE_STREAMING_JSON_PREVIEW", "true")
    pulumi.answers('{"duration": 1}')
    assert engine.preview(engine.config).steps == ()
    assert pulumi.called()[1] is False


def test_a_failed_preview_tells_what_the_program_said(pulumi: FakePulumi, engine: Engine) -> None:
    said = json.dumps({"diagnostics": [{"severity": "error", "message": "Pulumi.prod.yaml is not valid"}]})
    pulumi.answers(said, status=255)
    with pytest.raises(OpsError, match=r"preview of prod failed:\nPulumi\.prod\.yaml is not valid"):
        engine.preview(engine.config)


def test_a_preview_that_is_none_is_no_success(pulumi: FakePulumi, engine: Engine) -> None:
    pulumi.answers("Updating…")
    with pytest.raises(OpsError, match="printed no preview"):
        engine.preview(engine.config)


def test_a_failed_update_is_told_by_its_status(pulumi: FakePulumi, engine: Engine) -> None:
    pulumi.answers(status=255)
    with pytest.raises(OpsError, match="pulumi up of prod ended with status 255"):
        engine.up()


def test_an_unknown_stack_is_told_in_the_engines_words(pulumi: FakePulumi, engine: Engine) -> None:
    pulumi.answers(stderr="error: no stack named 'prod' found", status=6)
    with pytest.raises(OpsError, match="no stack named 'prod' found"):
        engine.outputs()


def test_a_resource_that_waits_for_its_deletion_is_not_the_current_one(
    pulumi: FakePulumi, engine: Engine
) -> None:
    resources = [
        {"urn": "u", "type": "t", "id": "old", "delete": True},
        {"urn": "u", "type": "t", "id": "new", "protect": True, "retainOnDelete": True},
    ]
    pulumi.answers(json.dumps({"deployment": {"resources": resources}}))
    (found,) = engine.resources("t")
    assert (found.id, found.protected, found.retained) == ("new", True, True)


def test_a_missing_engine_is_one_sentence(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    with pytest.raises(MisuseError, match="`pulumi` is not on PATH"):
        engine.up()
