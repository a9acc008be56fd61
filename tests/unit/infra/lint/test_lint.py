"""The lint as a whole: what is told of several files, what it knows of a stack, and the command."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pulumi
import pytest
from typer.testing import CliRunner

from crawler import worker
from infra import environment, release, room, security_groups
from infra.apps import read_all
from infra.errors import ManifestError, SettingsError
from infra.marathon.lint import Facts, check
from infra.marathon.lint.__main__ import app as command
from infra.marathon.lint.facts import AGENT_ATTRIBUTES, DRAIN_S, RELEASE_FOLDER, RELEASE_URI, TASK_PORTS
from infra.marathon.lint.stack_file import settings_of
from infra.marathon.placeholders import placeholders
from infra.settings import parse
from tests.unit.infra.lint.example import FACTS, app

ROOT = Path(__file__).resolve().parents[4]
APPS = sorted((ROOT / "marathon_apps").glob("*.json"))


def write(folder: Path, **files: Any) -> list[Path]:
    paths = [folder / f"{name}.json" for name in files]
    for path, document in zip(paths, files.values(), strict=True):
        path.write_text(document if isinstance(document, str) else json.dumps(document, indent=2))
    return paths


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(command, arguments)
    return result.exit_code, result.output


class TestTheBundledApps:
    @pytest.mark.parametrize("stack", ["local", "dev", "prod"])
    def test_break_no_rule_in_any_stack(self, stack: str) -> None:
        report = check(APPS, Facts.of(settings_of(stack, ROOT), stack))
        assert [str(finding) for finding in report.errors] == []

    @pytest.mark.parametrize("stack", ["local", "prod"])
    def test_are_warned_of_nothing(self, stack: str) -> None:
        report = check(APPS, Facts.of(settings_of(stack, ROOT), stack))
        assert [str(finding) for finding in report.warnings] == []

    def test_are_told_when_the_fleet_is_too_small_to_replace_them(self) -> None:
        settings = settings_of("prod", ROOT)
        small = settings.fleet.model_copy(update={"min_capacity": 1, "base_capacity": 1, "max_capacity": 1})
        report = check(APPS, Facts.of(settings.model_copy(update={"fleet": small}), "prod"))
        assert {finding.rule for finding in report.errors} == {"fleet-room"}

    def test_use_placeholders_and_no_addresses(self) -> None:
        for path in APPS:
            assert placeholders(json.loads(path.read_text())) >= {"image", "release_uri", "region"}


class TestSeveralFiles:
    def test_all_findings_of_all_files_are_told_in_one_text_a_line_each(self, tmp_path: Path) -> None:
        write(
            tmp_path,
            a=app(cmd="python", taskKillGracePeriodSeconds=1),
            b="{",
            c={**app(id="/c"), "instnaces": 1, "env": {"A": "${nothing}"}},
        )
        with pytest.raises(ManifestError) as refused:
            read_all(tmp_path, environment.PLACEHOLDERS, FACTS)
        first, *lines = str(refused.value).splitlines()
        assert "cannot be deployed" in first
        told = [" ".join(line.split(": ")[:3]) for line in lines]
        name = tmp_path.name
        assert told == [
            f"  {name}/a.json /cmd cmd-exec",
            f"  {name}/a.json /taskKillGracePeriodSeconds kill-grace",
            f"  {name}/b.json / json",
            f"  {name}/c.json /env/A placeholder-unknown",
            f"  {name}/c.json /instnaces unknown-field",
        ]

    def test_a_warning_is_shown_and_stops_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shown: list[str] = []
        monkeypatch.setattr(pulumi.log, "warn", shown.append)
        write(tmp_path, fetch=app(taskKillGracePeriodSeconds=60))
        assert list(read_all(tmp_path, FACTS.names, FACTS)) == ["fetch"]
        assert ["kill-grace-kept" in text for text in shown] == [True]

    def test_without_facts_of_a_stack_only_its_fleet_is_not_judged(self, tmp_path: Path) -> None:
        write(tmp_path, fetch=app(cpus=1000, env={}))
        read_all(tmp_path, environment.PLACEHOLDERS)
        write(tmp_path, fetch=app(cpus=1000, cmd="python", env={}))
        with pytest.raises(ManifestError, match="cmd-exec"):
            read_all(tmp_path, environment.PLACEHOLDERS)

    def test_a_part_of_wrong_form_is_judged_by_no_other_rule_and_the_rest_is(self, tmp_path: Path) -> None:
        files = write(tmp_path, a={**app(cmd="python"), "container": 3}, b=app(id="/b", instances=90, cpus=1))
        rules = [finding.rule for finding in check(files, FACTS).findings if finding.path.name == "a.json"]
        assert rules == ["wrong-type", "cmd-exec"]
        # and no sum over all apps is made of the others
        files = write(tmp_path, a={**app(), "cpus": "1"}, b=app(id="/b", instances=90, cpus=1))
        assert [finding.rule for finding in check(files, FACTS).findings] == ["wrong-type"]

    def test_what_looks_like_a_credential_is_not_repeated(self, tmp_path: Path) -> None:
        files = write(
            tmp_path, a=app(env={"DB_PASSWORD": "hunter22", "URL": "amqp://me:hunter22@mq.invalid/"})
        )
        found = check(files, FACTS).findings
        assert len(found) == 2
        assert "hunter22" not in "".join(str(finding) for finding in found)


class TestWhatIsKnownOfAStack:
    def test_the_drain_is_no_shorter_than_the_workers_own(self) -> None:
        leave_s = vars(worker)["_LEAVE_S"]
        hand_back_s = DRAIN_S - leave_s
        assert hand_back_s >= 2, "a worker that could not finish in time has to hand back what it holds"

    def test_the_release_has_the_folder_that_volumes_name(self) -> None:
        assert release.TOP == RELEASE_FOLDER

    def test_the_form_of_a_release_uri_is_that_of_its_key(self) -> None:
        key = release.Stored("0" * 64).key
        assert RELEASE_URI.endswith(f"/{key}")

    def test_task_ports_are_those_that_masters_may_reach(self) -> None:
        assert (TASK_PORTS[0], TASK_PORTS[-1]) == security_groups.TASK_PORTS

    def test_agents_have_the_attributes_that_a_constraint_may_name(self) -> None:
        assert {"zone", "lifecycle", "instance_type"} <= AGENT_ATTRIBUTES

    def test_placeholders_are_the_programs_own(self) -> None:
        facts = Facts.of(settings_of("prod", ROOT), "prod", "registry.invalid/worker:1")
        assert facts.names == environment.PLACEHOLDERS
        assert facts.known["image"] == "registry.invalid/worker:1"
        assert facts.known["fetch_instances"] == 4
        assert set(Facts.without_stack().known) == set(facts.known)

    def test_memory_is_what_the_type_has_less_what_the_agent_keeps(self) -> None:
        fleet = settings_of("prod", ROOT).fleet.model_copy(
            update={"instance_types": {"c6i.large": 1, "r6i.xlarge": 2, "x2gd.large": 1}, "volume_gb": 50}
        )
        assert [(each.cpus, each.mem_mib) for each in room.largest_tasks(fleet)] == [
            (2, 3072),
            (4, 31744),
            (2, float("inf")),
        ]
        assert room.room_of(fleet, 4, smallest=True).mem_mib == 4 * 3072
        assert room.largest_tasks(fleet)[0].disk_mib == 45 * 1024

    def test_an_exception_needs_a_reason(self) -> None:
        config = {"aws:region": "us-east-1"}
        allow = {"allow": [{"app": "/crawler/plan", "rule": "kill-grace", "reason": "so"}]}
        with pytest.raises(SettingsError, match=r"trawler:appLint\.allow\.0\.reason"):
            parse({**config, "trawler:appLint": json.dumps(allow)}, "trawler", "dev")

    def test_an_exception_holds_for_its_app_alone(self, tmp_path: Path) -> None:
        settings = settings_of("prod", ROOT)
        allow: list[Any] = [{"app": "/a", "rule": "kill-grace", "reason": "it holds no messages"}]
        lint = type(settings.app_lint).model_validate({"allow": allow})
        facts = Facts.of(settings.model_copy(update={"app_lint": lint}), "prod")
        files = write(
            tmp_path,
            a=app(id="/a", env={}, taskKillGracePeriodSeconds=1),
            b=app(id="/b", env={}, taskKillGracePeriodSeconds=1),
        )
        assert [(f.path.name, f.rule) for f in check(files, facts).findings] == [("b.json", "kill-grace")]


class TestTheCommand:
    def test_says_nothing_is_wrong_and_ends_with_0(self) -> None:
        status, said = run("--stack", "prod")
        assert (status, said) == (
            0,
            "4 apps, 0 errors, 0 warnings (the fleet of Pulumi.prod.yaml included)\n",
        )

    def test_names_file_and_line_and_ends_with_1(self, tmp_path: Path) -> None:
        (file,) = write(tmp_path, fetch=app(cmd="python", env={"A": "b", "DB_PASSWORD": "hunter22"}))
        status, said = run(str(file))
        assert status == 1
        lines = file.read_text().splitlines()
        for line, pointer in (("cmd", "/cmd: cmd-exec"), ("DB_PASSWORD", "/env/DB_PASSWORD: credential")):
            number = 1 + next(i for i, text in enumerate(lines) if f'"{line}"' in text)
            assert f"{file}:{number}: error: {pointer}: " in said

    def test_judges_one_file_beside_its_folder_and_tells_of_that_file(self, tmp_path: Path) -> None:
        first, second = write(tmp_path, a=app(env={}), b=app(env={}, cmd="python"))
        assert run(str(first))[0] == 0
        status, said = run(str(second))
        assert status == 1
        assert "a.json has the id /crawler/fetch already" in said

    def test_ends_with_0_where_there_are_warnings_only(self, tmp_path: Path) -> None:
        (file,) = write(tmp_path, a=app(env={}, maxLaunchDelaySeconds=3600))
        status, said = run(str(file))
        assert status == 0
        assert "warning: /maxLaunchDelaySeconds: launch-delay: " in said

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["nothing.json"], "nothing.json: no such file"),
            (["--stack", "nowhere"], "Pulumi.nowhere.yaml: there is no such file"),
            (["--colour"], "No such option"),
        ],
    )
    def test_ends_with_2_where_it_cannot_check(self, arguments: list[str], said: str) -> None:
        status, output = run(*arguments)
        assert status == 2
        assert said in output

    def test_ends_with_2_in_an_empty_folder(self, tmp_path: Path) -> None:
        assert run(str(tmp_path)) == (2, f"{tmp_path}: no app's JSON in it\n")

    def test_is_quick_for_editors_as_it_needs_no_providers_sdk(self) -> None:
        code = (
            "import sys, infra.marathon.lint.__main__;"
            "print([m for m in sys.modules if m.startswith(('pulumi_', 'boto'))])"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert done.stdout == "[]\n"


def test_names_of_a_stack_that_are_not_filled_are_found_with_its_own_names(tmp_path: Path) -> None:
    facts = replace(FACTS, names=FACTS.names - {"queue_url"})
    assert [finding.rule for finding in check(write(tmp_path, a=app()), facts).findings] == [
        "placeholder-unknown"
    ]
