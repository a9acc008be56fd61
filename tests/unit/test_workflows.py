"""The workflows: what each job may do, what it runs, and what its scripts leave behind."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
GITHUB = ROOT / ".github"
FILES = sorted((GITHUB / "workflows").glob("*.yml"))

FOREIGN = re.compile(
    r"\$\{\{[^}]*\b(github\.event|github\.head_ref|inputs|matrix|vars|steps|needs)\b[^}]*\}\}"
)
"""Text that others choose, or that a later change could let them choose."""

needs_jq = pytest.mark.skipif(shutil.which("jq") is None, reason="no jq, which every GitHub runner has")


def workflow(name: str) -> dict[str, Any]:
    loaded: dict[Any, Any] = yaml.safe_load((GITHUB / "workflows" / f"{name}.yml").read_text())
    # YAML 1.1 reads the key `on` as a truth value.
    loaded["on"] = loaded.pop(True)
    return loaded


def jobs() -> Iterator[tuple[str, dict[str, Any]]]:
    for file in FILES:
        for name, job in workflow(file.stem)["jobs"].items():
            yield f"{file.stem}.{name}", job


def steps() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, job in jobs():
        for step in job.get("steps", []):
            yield name, step


def test_actionlint_finds_no_fault() -> None:
    checked = subprocess.run(
        ["python3", "tools/actionlint/run.py", "--required"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    if "no `go`" in checked.stderr:
        pytest.skip("no Go to build actionlint with")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_action_is_pinned_to_a_commit_with_its_version_beside_it() -> None:
    for file in FILES:
        for line in re.findall(r"uses: *(\S.*)", file.read_text()):
            if not line.startswith("./"):
                assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), (file.name, line)


def test_an_action_has_the_same_commit_everywhere() -> None:
    pins: dict[str, set[str]] = {}
    for _, step in steps():
        if "@" in step.get("uses", ""):
            action, _, commit = step["uses"].partition("@")
            pins.setdefault("/".join(action.split("/")[:2]), set()).add(commit)
    assert {action: commits for action, commits in pins.items() if len(commits) > 1} == {}


def test_no_job_gets_a_permission_it_does_not_name_and_each_ends_in_time() -> None:
    for file in FILES:
        assert workflow(file.stem)["permissions"] == {}, file.name
    for name, job in jobs():
        assert job["permissions"], name
        if "steps" in job:
            assert 0 < job["timeout-minutes"] <= 90, name


def test_no_checkout_leaves_a_token_behind() -> None:
    for name, step in steps():
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False, name


def test_no_script_is_made_of_text_that_others_choose() -> None:
    for name, step in steps():
        assert not FOREIGN.search(step.get("run", "")), (name, step.get("name"))


def test_the_code_of_a_pull_request_never_runs_beside_a_token_that_writes() -> None:
    for file in FILES:
        assert "pull_request_target" not in workflow(file.stem)["on"], file.name
        if "pull_request" in workflow(file.stem)["on"]:
            for name, job in workflow(file.stem)["jobs"].items():
                written = {k for k, v in job["permissions"].items() if v == "write"} - {"id-token"}
                assert written == set(), (file.name, name)


def test_the_job_for_forks_has_no_credentials() -> None:
    diff = workflow("preview")["jobs"]["diff"]
    assert diff["permissions"] == {"contents": "read"}
    assert "if" not in diff
    assert "secrets." not in json.dumps(diff)
    assert not any("configure-aws-credentials" in step.get("uses", "") for step in diff["steps"])


def test_a_real_preview_is_for_branches_of_the_repository_itself_and_takes_the_preview_role() -> None:
    real = workflow("preview")["jobs"]["real"]
    assert "github.event.pull_request.head.repo.full_name == github.repository" in real["if"]
    assert "environment" not in real  # else its token's subject were the environment's
    roles = [s["with"]["role-to-assume"] for s in real["steps"] if "aws-actions" in s.get("uses", "")]
    assert roles == ["${{ vars.AWS_PREVIEW_ROLE }}"]


def test_what_posts_comments_runs_nothing_of_the_pull_request() -> None:
    [job] = workflow("comment")["jobs"].values()
    for step in job["steps"]:
        assert "ref" not in step.get("with", {})
        assert "repository" not in step.get("with", {})
        assert "download-artifact" not in step.get("uses", "")
    assert "--head-sha" in job["steps"][-1]["run"]
    assert "id-token" not in job["permissions"]


def test_a_comment_is_posted_for_a_failed_preview_too() -> None:
    [job] = workflow("comment")["jobs"].values()
    assert "'failure'" in job["if"]
    for name in ("diff", "real"):
        left = [
            s for s in workflow("preview")["jobs"][name]["steps"] if "upload-artifact" in s.get("uses", "")
        ]
        assert [s["if"] for s in left] == ["${{ !cancelled() }}"]


def test_an_update_waits_for_its_environment_and_is_never_cut_off() -> None:
    up = workflow("deploy-stack")["jobs"]["up"]
    assert up["environment"] == "${{ inputs.stack }}"
    assert up["needs"] == "preview"
    assert up["concurrency"] == {"group": "deploy-${{ inputs.stack }}", "cancel-in-progress": False}
    assert "dev" in workflow("deploy")["jobs"]["prod"]["needs"]


def test_only_an_update_takes_the_deploy_role() -> None:
    taking = {name for name, step in steps() if "AWS_DEPLOY_ROLE" in json.dumps(step.get("with", {}))}
    assert taking == {"deploy-stack.up"}


def test_only_the_branch_of_the_image_sees_the_registry_s_password() -> None:
    with_secrets = {name for name, job in jobs() if "secrets." in json.dumps(job)}
    assert with_secrets == {"image.build"}
    assert workflow("image")["on"]["push"] == {"branches": ["dockerbuild"]}
    assert workflow("image")["jobs"]["build"]["environment"] == "image"
    for name, step in steps():
        if "docker login" in step.get("run", ""):
            assert "--password-stdin" in step["run"], name


def test_code_is_deployed_by_the_same_command_as_on_a_person_s_machine() -> None:
    up = {s["name"]: s for s in workflow("deploy-stack")["jobs"]["up"]["steps"] if "name" in s}
    assert up["Code"]["run"] == 'make deploy STACK="$STACK"'
    assert (up["Code"]["if"], up["Code and platform"]["if"]) == (
        "${{ !inputs.platform }}",
        "${{ inputs.platform }}",
    )
    scope = workflow("deploy")["jobs"]["scope"]
    assert "github.ref_name == github.event.repository.default_branch" in scope["if"]
    for stack in ("dev", "prod"):
        assert "scope" in workflow("deploy")["jobs"][stack]["needs"]


def test_every_verb_and_script_that_a_workflow_runs_exists() -> None:
    verbs = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text()))
    for name, step in steps():
        for verb in re.findall(r"\bmake ([a-z-]+)", step.get("run", "")):
            assert verb in verbs, (name, verb)
        for script in re.findall(r"(?:^|\s)(\.github/[a-z-]+|\.ci/run)", step.get("run", "")):
            assert os.access(ROOT / script, os.X_OK), (name, script)


@pytest.fixture
def runner(tmp_path: Path) -> Path:
    """A checkout with the scripts, and commands of our own where the runner has real ones."""
    shutil.copytree(GITHUB, tmp_path / ".github")
    for folder in ("bin", ".venv/bin"):
        (tmp_path / folder).mkdir(parents=True)
    return tmp_path


def fake(runner: Path, command: str, script: str) -> None:
    """A command that notes its arguments in `calls`, and then does `script`."""
    file = runner / command
    file.write_text(f'#!/usr/bin/env bash\necho "{file.name} $*" >> {runner}/calls\n{script}\n')
    file.chmod(0o755)


def run(runner: Path, script: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{runner}/bin:{os.environ['PATH']}", **more}
    return subprocess.run(
        [f".github/{script}", *arguments],
        cwd=runner,
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def calls(runner: Path) -> str:
    file = runner / "calls"
    return file.read_text() if file.exists() else ""


REPORT = 'while [[ $# -gt 0 ]]; do [[ $1 == --out ]] && echo "report" > "$2"; shift; done'


def preview(status: int, **summary: int) -> str:
    """A `pulumi` whose preview ends so."""
    document = json.dumps(
        {"changeSummary": summary, "diagnostics": [{"severity": "error", "message": "no such stack"}]}
    )
    return f"echo '{document}'; exit {status}"


def test_a_report_is_left_with_the_number_of_its_pull_request(runner: Path) -> None:
    (runner / "made.md").write_text("made\n")
    assert run(runner, "leave-report", "prod", "7", "made.md", "left").returncode == 0
    assert ((runner / "left/number").read_text(), (runner / "left/report.md").read_text()) == (
        "7\n",
        "made\n",
    )


def test_where_no_report_was_made_the_comment_says_so_and_leads_to_the_log(runner: Path) -> None:
    where = {"GITHUB_SERVER_URL": "https://github.example", "GITHUB_REPOSITORY": "o/r", "GITHUB_RUN_ID": "5"}
    run(runner, "leave-report", "prod", "7", "missing.md", "left", **where)
    report = (runner / "left/report.md").read_text()
    assert report.startswith("<!-- trawler-preview:prod -->\n")
    assert "could not be made" in report
    assert "https://github.example/o/r/actions/runs/5" in report


@pytest.mark.parametrize(
    ("engine", "report", "expected"), [(0, 0, 0), (1, 0, 1), (255, 1, 1), (0, 3, 3), (1, 3, 3)]
)
def test_a_preview_ends_with_the_worse_of_the_engine_and_the_report(
    runner: Path, engine: int, report: int, expected: int
) -> None:
    fake(runner, "bin/pulumi", preview(engine))
    fake(runner, ".venv/bin/python", f"{REPORT}; exit {report}")
    (runner / "labels").write_text("acknowledged: task-restart\n$(touch hacked)\n")
    assert run(runner, "preview", "prod", "out", "labels").returncode == expected
    assert "--policy-pack policies" in calls(runner)
    assert "--label acknowledged: task-restart --label $(touch hacked)" in calls(runner)
    assert not (runner / "hacked").exists()


@needs_jq
def test_drift_is_what_a_refreshed_preview_would_change_and_nothing_else(runner: Path) -> None:
    fake(runner, ".venv/bin/python", REPORT)
    fake(runner, "bin/pulumi", preview(0, same=40, refresh=3))
    assert run(runner, "look-for-drift", "prod", "out").returncode == 0
    assert not (runner / "out/drift").exists()
    fake(runner, "bin/pulumi", preview(0, same=40, update=2))
    assert run(runner, "look-for-drift", "prod", "out").returncode == 0
    assert (runner / "out/drift").read_text() == "2\n"
    assert (runner / "out/report.md").exists()


@needs_jq
def test_a_comparison_that_failed_is_no_drift_but_a_failure_with_its_reason(runner: Path) -> None:
    for script in (preview(255), "exit 1", preview(255, update=4)):
        fake(runner, "bin/pulumi", script)
        answer = run(runner, "look-for-drift", "prod", "out")
        assert (answer.returncode, "could not be compared" in answer.stderr) == (1, True)
        assert not (runner / "out/drift").exists()
    assert "no such stack" in answer.stderr


@pytest.mark.parametrize(
    ("drift", "open_issue", "told"),
    [
        (True, "", "issue create --title Drift in prod"),
        (True, "12", "issue edit 12"),
        (False, "12", "issue close 12"),
    ],
)
def test_a_stack_has_one_issue_while_it_drifts(runner: Path, drift: bool, open_issue: str, told: str) -> None:
    fake(runner, "bin/gh", f'[[ "$1 $2" == "issue list" ]] && echo "{open_issue}"; true')
    (runner / "out").mkdir()
    (runner / "out/report.md").write_text("report\n")
    if drift:
        (runner / "out/drift").write_text("1\n")
    assert run(runner, "drift-issue", "prod", "out").returncode == 0
    assert told in calls(runner)
    assert sum(verb in calls(runner) for verb in ("issue create", "issue edit", "issue close")) == 1


def test_without_drift_and_without_an_issue_nothing_is_written(runner: Path) -> None:
    fake(runner, "bin/gh", "true")
    assert run(runner, "drift-issue", "prod", "out").returncode == 0
    assert calls(runner).count("\n") == 1


def committed(runner: Path, path: str) -> str:
    """The commit in which this file is new."""
    (runner / path).parent.mkdir(parents=True, exist_ok=True)
    (runner / path).write_text("new")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com"]
    subprocess.run([*git, "add", path], cwd=runner, check=True, timeout=20)
    subprocess.run([*git, "commit", "--quiet", "-m", path], cwd=runner, check=True, timeout=20)
    done = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=runner, check=True, timeout=20, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_a_push_that_touches_code_alone_is_deployed_as_code_and_any_other_whole(runner: Path) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=runner, check=True, timeout=20)
    first = committed(runner, "infra/fleet.py")
    second = committed(runner, "workers/crawler/fetch.py")
    third = committed(runner, "infra/queues.py")
    fourth = committed(runner, "marathon_apps/fetch.json")

    def scope(asked: str, before: str, after: str) -> str:
        done = run(runner, "deploy-scope", asked, before, after)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert scope("", first, second) == "platform=false\n"
    assert scope("", third, fourth) == "platform=false\n"
    assert scope("", second, third) == "platform=true\n"
    assert scope("", first, fourth) == "platform=true\n"
    assert scope("", "0" * 40, fourth) == "platform=true\n"
    assert scope("", third, second) == "platform=true\n"
    assert scope("false", first, fourth) == "platform=false\n"


def test_a_tunnel_is_waited_for_and_its_failure_told(runner: Path) -> None:
    fake(runner, ".venv/bin/python", "echo '{}'; exec sleep 30 > /dev/null 2>&1")
    opened = run(runner, "open-tunnel", "prod", ".")
    pid = int((runner / "tunnel.pid").read_text())
    os.kill(pid, 15)
    assert opened.returncode == 0
    (runner / "tunnel.json").unlink()
    fake(runner, ".venv/bin/python", "echo 'no master runs' >&2; exit 1")
    failed = run(runner, "open-tunnel", "prod", ".")
    assert (failed.returncode, "no master runs" in failed.stderr) == (1, True)
