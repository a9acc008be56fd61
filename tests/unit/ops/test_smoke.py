"""A smoke test builds, checks and destroys, asks before both, and touches nothing that is protected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from ops.engine import Engine
from ops.errors import ConsentError, MisuseError, OpsError
from ops.smoke import run
from ops.smoke.findings import FailedCheck, Finding, NotHere
from ops.smoke.site import Site
from ops.stack_file import StackFile
from ops.talk import Talk
from tests.unit.ops.world import Time


@dataclass(frozen=True)
class Recorder(Engine):
    """An engine that remembers what it was told to do."""

    told: list[str] = field(default_factory=list[str])
    up_fails: bool = False

    def show_preview(self) -> None:
        self.told.append("preview")

    def up(self, config: Path | None = None, targets: object = ()) -> None:  # noqa: ARG002
        self.told.append("up")
        if self.up_fails:
            raise OpsError("pulumi up of dev ended with status 255")

    def destroy(self) -> None:
        self.told.append("destroy")


@pytest.fixture
def file(tmp_path: Path) -> StackFile:
    return stack_file(tmp_path, "dev", protect="false")


def stack_file(folder: Path, stack: str, protect: str) -> StackFile:
    path = folder / f"Pulumi.{stack}.yaml"
    config = {"trawler:protect": protect, "trawler:cluster": {"mode": "existing"}}
    path.write_text(yaml.safe_dump({"config": config}))
    return StackFile.read(stack, path)


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS knows us."""

    def identity(_file: StackFile) -> str:
        return "account 123456789012 as arn:aws:iam::123456789012:user/me"

    monkeypatch.setattr(run, "identity", identity)


def smoke(
    file: StackFile, engine: Engine, yes: bool = True, keep: bool = False, checks_only: bool = False
) -> list[Finding]:
    site = Site(file, {}, Time().pace, 60.0, None)
    return run.smoke(
        file,
        engine,
        Talk(yes=yes),
        lambda: site,
        keep=keep,
        checks_only=checks_only,
        pace=site.pace,
    )


def checks(monkeypatch: pytest.MonkeyPatch, **answers: Exception | str) -> None:
    """These checks, each with what it finds."""

    def check(answer: Exception | str) -> Callable[[Site], str]:
        def look(_: Site) -> str:
            if isinstance(answer, Exception):
                raise answer
            return answer

        return look

    monkeypatch.setattr(run, "CHECKS", tuple((name, check(answer)) for name, answer in answers.items()))


def test_it_builds_checks_and_destroys(file: StackFile, monkeypatch: pytest.MonkeyPatch) -> None:
    checks(monkeypatch, fleet="2 instances")
    engine = Recorder("dev", file.path)
    (finding,) = smoke(file, engine)
    assert (finding.check, finding.verdict, finding.found) == ("fleet", "ok", "2 instances")
    assert engine.told == ["preview", "up", "destroy"]


def test_every_check_is_made_and_a_failed_one_says_what_to_do(
    file: StackFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks(
        monkeypatch,
        first=FailedCheck("no capacity", "ask for quota"),
        second=NotHere("no machine boots here"),
        third=OpsError("AccessDenied"),
        fourth="fine",
    )
    findings = smoke(file, Recorder("dev", file.path))
    assert [f.verdict for f in findings] == ["failed", "not here", "failed", "ok"]
    assert findings[0].todo == "ask for quota"
    assert run.failed(findings)
    assert not run.failed(findings[1:2])


@pytest.mark.parametrize(("stack", "protect"), [("prod", "false"), ("dev", "true")])
def test_what_is_protected_is_refused_before_anything(tmp_path: Path, stack: str, protect: str) -> None:
    file = stack_file(tmp_path, stack, protect)
    engine = Recorder(stack, file.path)
    with pytest.raises(MisuseError, match="take an expendable one"):
        smoke(file, engine)
    assert engine.told == []


def test_nothing_is_built_without_a_yes(file: StackFile) -> None:
    engine = Recorder("dev", file.path)
    with pytest.raises(ConsentError, match="Build dev in account 123456789012"):
        smoke(file, engine, yes=False)
    assert engine.told == ["preview"]


@pytest.mark.parametrize(
    ("keep", "checks_only", "told"), [(True, False, ["preview", "up"]), (False, True, [])]
)
def test_what_should_stand_is_left_standing(
    file: StackFile, monkeypatch: pytest.MonkeyPatch, keep: bool, checks_only: bool, told: list[str]
) -> None:
    checks(monkeypatch, fleet="2 instances")
    engine = Recorder("dev", file.path)
    smoke(file, engine, keep=keep, checks_only=checks_only)
    assert engine.told == told


def test_a_failed_build_is_not_forgotten(file: StackFile) -> None:
    with pytest.raises(OpsError, match=r"(?s)status 255.*is billed: .*pulumi destroy --stack dev"):
        smoke(file, Recorder("dev", file.path, up_fails=True))
