"""The `trawler` command on a protected stack and the real engine: the stack is checked, and its fleet rolled."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.stack import pulumi
from local.stack.layout import ROOT
from local.stack.rehearsal import Rehearsal
from ops.engine import Engine
from ops.smoke.run import checked
from ops.smoke.site import Site
from ops.stack_file import StackFile
from ops.talk import Talk
from ops.waiting import Pace
from tests.stack.conftest import local_client

STACK = "local"
TIMEOUT_S = 120.0
TYPES = (
    *("c5.large", "c5a.large", "c6a.large", "c6i.large", "m5.large"),
    *("m5a.large", "m6a.large", "m6i.large", "r5.large", "r6i.large"),
)
"""As many as a protected stack needs."""


LIVES = ("submitted", "active", "modifying")
"""States of a request that keeps instances; a cancelled one is told of for a while."""


@dataclass
class Protected:
    """A protected stack that is up."""

    rehearsal: Rehearsal
    config: Path

    @property
    def ec2(self) -> Any:
        return local_client(self.rehearsal.layout, "ec2")

    def set(self, section: str, **values: Any) -> None:
        """Settings of a section, in the stack file."""
        document = yaml.safe_load(self.config.read_text())
        document["config"][f"trawler:{section}"] |= values
        self.config.write_text(yaml.safe_dump(document))

    def ops(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The command, as an operator runs it."""
        return subprocess.run(
            [sys.executable, "-m", "ops", *arguments, "--stack", STACK, "--config-file", str(self.config)],
            cwd=ROOT,
            env={**os.environ, **pulumi.environment(self.rehearsal.layout)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )

    def state(self) -> list[dict[str, Any]]:
        """The resources of the stack's state."""
        return json.loads(pulumi.export(self.rehearsal.layout))["deployment"]["resources"]

    def requests(self) -> dict[str, int]:
        """Id → target capacity of the requests that live."""
        found = self.ec2.describe_spot_fleet_requests()["SpotFleetRequestConfigs"]
        return {
            r["SpotFleetRequestId"]: r["SpotFleetRequestConfig"]["TargetCapacity"]
            for r in found
            if r["SpotFleetRequestState"] in LIVES
        }


@pytest.fixture(scope="module")
def protected(tmp_path_factory: pytest.TempPathFactory) -> Generator[Protected]:
    """The local stack's program, protected, with a fleet wide enough for that."""
    folder = tmp_path_factory.mktemp("roll")
    checkout = folder / "checkout"
    checkout.mkdir()
    for name in ("Pulumi.yaml", "infra", "marathon_apps", "workers", "local", ".venv"):
        (checkout / name).symlink_to(ROOT / name)
    document = yaml.safe_load((ROOT / f"Pulumi.{STACK}.yaml").read_text())
    document["config"]["trawler:protect"] = "true"
    document["config"]["trawler:fleet"]["instanceTypes"] = dict.fromkeys(TYPES, 1)
    (checkout / f"Pulumi.{STACK}.yaml").write_text(yaml.safe_dump(document))
    with Rehearsal(STACK, folder / "run") as rehearsal:
        up = rehearsal.up(checkout)
        assert up.status == 0, up.stdout + up.stderr
        yield Protected(rehearsal, rehearsal.layout.run / "project" / f"Pulumi.{STACK}.yaml")


@contextmanager
def nodes(ec2: Any) -> Generator[set[str]]:
    """What the agents' drainers do: an instance that was asked to leave powers itself off. Gives those that did."""
    left: set[str] = set()
    over = threading.Event()

    def drain() -> None:
        while not over.wait(0.1):
            filters = [
                {"Name": "tag:TrawlerDrain", "Values": ["roll"]},
                {"Name": "instance-state-name", "Values": ["running"]},
            ]
            found = ec2.describe_instances(Filters=filters)["Reservations"]
            leaving = {i["InstanceId"] for r in found for i in r["Instances"]}
            if leaving:
                ec2.terminate_instances(InstanceIds=sorted(leaving))
                left.update(leaving)

    thread = threading.Thread(target=drain)
    thread.start()
    try:
        yield left
    finally:
        over.set()
        thread.join()


def test_a_roll_puts_a_new_request_in_the_place_of_a_protected_one_and_touches_nothing_else(
    protected: Protected,
) -> None:
    (old,) = protected.requests()
    machines = {
        i["InstanceId"]
        for i in protected.ec2.describe_spot_fleet_instances(SpotFleetRequestId=old)["ActiveInstances"]
    }
    # Auto Scaling has asked for more since; the stack file says another disk, and other queues.
    protected.ec2.modify_spot_fleet_request(SpotFleetRequestId=old, TargetCapacity=3)
    protected.set("fleet", volumeGb=60)
    protected.set("queues", visibilityS=25)
    with nodes(protected.ec2) as left:
        answer = protected.ops("roll", "--yes", "--json", "--poll", "0.2")
    assert answer.returncode == 0, answer.stderr
    rolled = json.loads(answer.stdout)
    new = rolled["new"]
    assert rolled["old"] == [old]
    assert protected.requests() == {new: 3}
    assert machines < left
    assert "not applied, waits for `pulumi up`" in answer.stderr
    assert "queues-parse" in answer.stderr
    state = protected.state()
    requests = [r for r in state if r["type"] == "aws:ec2/spotFleetRequest:SpotFleetRequest"]
    assert [(r["id"], r["protect"], r["inputs"]["targetCapacity"]) for r in requests] == [(new, True, 3)]
    (target,) = (r for r in state if r["type"] == "aws:appautoscaling/target:Target")
    assert target["outputs"]["resourceId"] == f"spot-fleet-request/{new}"
    (queue,) = (r for r in state if r["urn"].endswith("::queues-parse"))
    assert queue["inputs"]["visibilityTimeoutSeconds"] == 20


def test_what_can_be_checked_here_is_ok_and_what_only_an_account_can_show_is_said(
    protected: Protected, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in pulumi.environment(protected.rehearsal.layout).items():
        monkeypatch.setenv(name, value)
    file = StackFile.read(STACK, protected.config)
    site = Site(file, Engine(STACK, protected.config).outputs(), Pace(poll_s=0.2), 20.0, None)
    findings = checked(site, Talk())
    verdicts = {
        verdict: [f.check for f in findings if f.verdict == verdict] for verdict in ("failed", "not here")
    }
    assert verdicts["failed"] == [], findings
    assert verdicts["not here"] == [
        "metadata is guarded",
        "disks are encrypted",
        "plain HTTP is denied",
        "the release is private",
        "logs arrive",
        "a crawl ends",
    ]


def test_a_smoke_test_of_a_protected_stack_is_refused(protected: Protected) -> None:
    answer = protected.ops("smoke", "--yes")
    assert answer.returncode == 2
    assert "is protected" in answer.stderr
