"""Deploy and rollback with the real engine, in a copy of the project whose sources the tests change."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.marathon.client import MarathonClient
from infra.release.history import ReleaseStore
from local.stack import pulumi
from local.stack.layout import ROOT
from local.stack.rehearsal import Rehearsal
from ops.standing import release_of
from ops.waiting import Pace
from tests.stack.conftest import free_ports, local_client

STACK = "local"
TIMEOUT_S = 180.0
APPS = ("/crawler/fetch", "/crawler/parse", "/crawler/plan", "/crawler/store")
pytestmark = pytest.mark.timeout(240)
"""Each starts the engine several times, and a busy machine takes long for that."""

COPIED = ("infra", "ops", "marathon_apps", "workers")


@dataclass
class Site:
    """A stack that is up, and the working tree that is deployed to it."""

    rehearsal: Rehearsal
    tree: Path
    deployed: str | None = None
    """The release of the tree, once all of it is deployed; None when that is not known."""

    @property
    def config(self) -> Path:
        """The stack file."""
        return self.rehearsal.config_file

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, **self.rehearsal.environment(self.tree)}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """The command, as a person starts it."""
        return subprocess.Popen(
            [sys.executable, "-m", "ops", *arguments, "--stack", STACK, "--config-file", str(self.config)],
            cwd=self.tree,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ops(self, *arguments: str, expect: int = 0) -> tuple[dict[str, Any], str]:
        """What it answers as JSON, and what it said."""
        stdout, stderr = (process := self.start(*arguments, "--json")).communicate(timeout=TIMEOUT_S)
        assert process.returncode == expect, stderr
        return json.loads(stdout) if stdout else {}, stderr

    def up(self) -> str:
        """A plain `pulumi up` with the stack file as it is; what it said."""
        line = ["pulumi", "up", "--yes", "--skip-preview", "--non-interactive", "--color", "never"]
        answer = subprocess.run(
            [*line, "--stack", STACK, "--config-file", str(self.config)],
            cwd=self.tree,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert answer.returncode == 0, answer.stdout
        return answer.stdout

    def live(self) -> str:
        """The release that runs, when all of the tree is deployed and the stack is not held."""
        if self.deployed is None or self.pin() is not None:
            self.ops("unpin")
            self.deployed = self.ops("deploy")[0]["release"]
        return str(self.deployed)

    def earlier(self) -> str:
        """A release that was deployed before the one that runs."""
        runs = self.live()
        if not (found := self._deployed_before(runs)):
            self.change_code("one more")
            self.deployed = None
            found = self._deployed_before(self.live())
        return found[0]

    def _deployed_before(self, runs: str) -> list[str]:
        s3, bucket = self.artifacts()
        store = ReleaseStore(s3, bucket)
        return [entry.digest for entry in store.deploys(STACK) if entry.digest != runs]

    def artifacts(self) -> tuple[Any, str]:
        """A client of S3, and the artifact bucket."""
        s3 = local_client(self.rehearsal.layout, "s3")
        names = [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
        return s3, next(name for name in names if name.startswith("storage-artifacts"))

    def change_code(self, line: str) -> None:
        """A worker's source is another one."""
        with (self.tree / "workers" / "crawler" / "__main__.py").open("a") as file:
            file.write(f"# {line}\n")

    @contextmanager
    def changed_code(self, line: str) -> Generator[None]:
        """The same, for as long as the context lasts."""
        with kept(self.tree / "workers" / "crawler" / "__main__.py"):
            self.change_code(line)
            yield

    @contextmanager
    def unplaceable(self) -> Generator[None]:
        """No machine will do for the app `store`, so that a deploy of it hangs."""
        path = self.tree / "marathon_apps" / "store.json"
        with kept(path):
            path.write_text(
                json.dumps({**json.loads(path.read_text()), "constraints": [["zone", "LIKE", "nowhere"]]})
            )
            yield

    @contextmanager
    def configured(self, key: str, change: Callable[[Any], Any]) -> Generator[None]:
        """Another value of a setting in the stack file."""
        with kept(self.config):
            document = yaml.safe_load(self.config.read_text())
            document["config"][f"trawler:{key}"] = change(document["config"].get(f"trawler:{key}"))
            self.config.write_text(yaml.safe_dump(document))
            yield

    def pin(self) -> dict[str, str] | None:
        """The release at which the stack file holds the stack."""
        return yaml.safe_load(self.config.read_text())["config"].get("trawler:release")

    @property
    def marathon(self) -> MarathonClient:
        return MarathonClient([self.rehearsal.layout.url["marathon"]])

    def releases(self) -> set[str | None]:
        """The releases that the apps are set to."""
        return {release_of(self.marathon.app(app)) for app in APPS}

    def writes(self) -> tuple[dict[str, list[str]], list[tuple[str, str]]]:
        """All that was ever written: Marathon's versions of each app, versions of objects in the artifact bucket."""
        s3, bucket = self.artifacts()
        objects = s3.list_object_versions(Bucket=bucket).get("Versions", [])
        return {app: self.marathon.versions(app) for app in APPS}, [
            (o["Key"], o["VersionId"]) for o in objects
        ]

    def tasks(self) -> set[str]:
        """Ids of the tasks of all apps."""
        return {task["id"] for app in APPS for task in self.marathon.tasks(app)}

    @contextmanager
    def removed(self, digest: str) -> Generator[None]:
        """A release is not in the bucket, for as long as the context lasts."""
        s3, bucket = self.artifacts()
        key = f"releases/{digest}.tar.gz"
        data = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        s3.delete_object(Bucket=bucket, Key=key)
        try:
            yield
        finally:
            s3.put_object(Bucket=bucket, Key=key, Body=data, ChecksumAlgorithm="SHA256")


@contextmanager
def kept(path: Path) -> Generator[None]:
    """A file is afterwards what it was."""
    before = path.read_bytes()
    try:
        yield
    finally:
        path.write_bytes(before)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Generator[Site]:
    """A stack that is up, from a tree of the tests' own."""
    tree = tmp_path_factory.mktemp("tree")
    for folder in COPIED:
        shutil.copytree(
            ROOT / folder, tree / folder, symlinks=True, ignore=shutil.ignore_patterns("__pycache__", ".venv")
        )
    for name in ("Pulumi.yaml", f"Pulumi.{STACK}.yaml"):
        shutil.copy(ROOT / name, tree / name)
    (tree / ".venv").symlink_to(ROOT / ".venv")
    (tree / "infra" / ".venv").symlink_to("../.venv")
    document = yaml.safe_load((tree / f"Pulumi.{STACK}.yaml").read_text())
    document["config"]["trawler:cluster"] |= {"settleS": 0, "deployTimeoutS": 60}
    (tree / f"Pulumi.{STACK}.yaml").write_text(yaml.safe_dump(document))
    with Rehearsal(STACK, tmp_path_factory.mktemp("run"), port_base=free_ports()) as rehearsal:
        outcome = rehearsal.up(tree)
        assert outcome.status == 0, outcome.stdout
        yield Site(rehearsal, tree)


def await_(what: Callable[[], bool]) -> None:
    """Return once that is so."""
    assert Pace(poll_s=0.05).until(lambda: what() or None, 60.0), "it did not come to that"


def test_a_changed_line_of_a_worker_goes_out_without_the_platform_changes_that_wait(site: Site) -> None:
    before = site.releases()
    site.change_code("a fix")
    with site.configured("fleet", lambda fleet: {**fleet, "maxCapacity": 5}):
        done, said = site.ops("deploy")
    site.deployed = done["release"]

    assert site.releases() == {done["release"]} != before
    assert {app["app"] for app in done["apps"] if app["settled"]} == set(APPS)
    assert "update autoscaling-target" in done["pending"]
    assert "not applied by a deploy: " in said
    scaling = local_client(site.rehearsal.layout, "application-autoscaling")
    (target,) = scaling.describe_scalable_targets(ServiceNamespace="ec2")["ScalableTargets"]
    assert target["MaxCapacity"] == 4
    steps = {"pack", "preview", "put", "fetch", "parse", "plan", "store", "record", "first_put", "total"}
    assert steps <= set(done["seconds"])


def test_a_deploy_of_what_runs_already_writes_nothing(site: Site) -> None:
    release = site.live()
    before = site.writes()

    done, _ = site.ops("deploy")

    assert done["changed"] is False
    assert done["release"] == release
    assert site.writes() == before


def test_what_needs_a_platform_change_is_refused_before_anything_is_written(site: Site) -> None:
    site.live()
    before = site.writes()

    with site.changed_code("for other queues"), site.configured("namePrefix", lambda _: "other-name"):
        _, said = site.ops("deploy", expect=3)

    assert "`pulumi up -s local` applies all of it" in said
    assert site.writes() == before


def test_a_rollback_holds_the_stack_at_the_release_before(site: Site) -> None:
    good = site.live()
    with site.changed_code("a mistake"):
        assert site.ops("deploy")[0]["release"] != good

        done, _ = site.ops("rollback")

        assert done["release"] == good
        assert site.releases() == {good}
        assert (site.pin() or {})["digest"] == good
        _, said = site.ops("deploy", expect=3)
        assert "held at release" in said
    site.ops("unpin")
    assert site.pin() is None


def test_a_rollback_to_a_release_that_was_removed_changes_nothing(site: Site) -> None:
    gone = site.earlier()
    before = site.releases()

    with site.removed(gone):
        _, said = site.ops("rollback", "--to", gone[:12], expect=1)

    assert gone[:12] in said
    assert "nothing was changed" in said
    assert site.pin() is None
    assert site.releases() == before


def test_a_rollback_past_the_engine_ends_an_update_that_hangs_and_the_next_one_adopts_it(site: Site) -> None:
    good = site.live()
    with site.changed_code("never runs"):
        with site.unplaceable():
            hanging = site.start("deploy")
            await_(lambda: good not in site.releases())
            _, refused = site.ops("deploy", expect=1)
            assert "is locked by another update" in refused

            done, _ = site.ops("rollback", "--now")

            assert done["release"] == good
            _, said = hanging.communicate(timeout=TIMEOUT_S)
        assert hanging.returncode == 1
        assert "superseded" in said
        assert "after the failed deploy" in said
        assert site.releases() == {good}

        tasks = site.tasks()
        site.up()
        assert site.tasks() == tasks
        assert site.releases() == {good}
    site.ops("unpin")


def test_ctrl_c_ends_a_deploy_in_order_and_tells_where_the_apps_stand(site: Site) -> None:
    good = site.live()
    with site.changed_code("interrupted"), site.unplaceable():
        process = site.start("deploy")
        await_(lambda: release_of(site.marathon.app("/crawler/store")) != good)

        process.send_signal(signal.SIGINT)

        _, said = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 130
    assert "after the interrupt" in said
    site.deployed = None
    left = json.loads(pulumi.export(site.rehearsal.layout))["deployment"]
    assert not left.get("pending_operations")
    assert not list(site.rehearsal.layout.state.rglob("locks/**/*.json"))
    assert all(site.marathon.app(app)["tasksRunning"] for app in APPS)
