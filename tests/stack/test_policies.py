"""The policy pack under the real engine: what it stops, what it cannot judge yet, what is excepted.

A preview of new resources asks AWS for nothing, so the provider's stand-in has no AWS behind it here.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from local.aws import plugin
from local.stack.layout import ROOT
from local.stack.pulumi import ENGINE_FOLDER

PROGRAM = """
import json
import pulumi
from pulumi_aws import sqs

kept = pulumi.ResourceOptions(protect=True)
work = sqs.Queue("work", opts=kept)
dead = sqs.Queue("dead", sqs_managed_sse_enabled=True, opts=kept)
sqs.RedrivePolicy("redrive", queue_url=work.url, redrive_policy=pulumi.Output.json_dumps(
    {"deadLetterTargetArn": dead.arn, "maxReceiveCount": 3}))
for name, queue in (("work", work), ("dead", dead)):
    sqs.QueuePolicy(f"{name}-policy", queue_url=queue.url, policy=queue.arn.apply(lambda arn: json.dumps({})))
"""
NOWHERE = "http://127.0.0.1:9"
PREVIEW_TIMEOUT_S = 60


class Preview:
    """A program of its own, and previews of it as stack `prod`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "program"
        self._folder.mkdir()
        home, state = folder / "home", folder / "state"
        state.mkdir()
        plugin.install(home, Path(sys.executable))
        path = os.environ["PATH"]
        self._environment = {
            **os.environ,
            "PATH": path if shutil.which("pulumi") else f"{ENGINE_FOLDER}:{path}",
            "PULUMI_HOME": str(home),
            "PULUMI_BACKEND_URL": f"file://{state}",
            "PULUMI_CONFIG_PASSPHRASE": "none",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        runtime = {"name": "python", "options": {"virtualenv": str(ROOT / ".venv")}}
        self._write("Pulumi.yaml", yaml.safe_dump({"name": "trawler", "runtime": runtime}))
        config = {
            "aws:region": "us-east-1",
            "aws:endpoints": [dict.fromkeys(("sqs", "sts"), NOWHERE)],
            "aws:defaultTags": {"tags": {"Project": "trawler", "Stack": "prod"}},
        }
        self._write("Pulumi.prod.yaml", yaml.safe_dump({"config": config}))
        self._write("__main__.py", PROGRAM)
        assert self._run("stack", "init", "prod")[0] == 0

    def with_pack(self, *arguments: str) -> tuple[int, str]:
        """Exit status and text of a preview that the pack judges."""
        return self._run("preview", "--stack", "prod", "--policy-pack", str(ROOT / "policies"), *arguments)

    def except_for(self, config: dict[str, object]) -> str:
        """The path of a configuration of the pack."""
        self._write("exceptions.json", json.dumps(config))
        return str(self._folder / "exceptions.json")

    def _write(self, name: str, text: str) -> None:
        (self._folder / name).write_text(text)

    def _run(self, *arguments: str) -> tuple[int, str]:
        answer = subprocess.run(
            ["pulumi", *arguments, "--non-interactive", "--color", "never"],
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PREVIEW_TIMEOUT_S,
            check=False,
        )
        return answer.returncode, answer.stdout


@pytest.fixture(scope="module")
def preview(tmp_path_factory: pytest.TempPathFactory) -> Preview:
    return Preview(tmp_path_factory.mktemp("policies"))


def test_a_preview_that_breaks_a_rule_fails_and_says_what_to_change(preview: Preview) -> None:
    status, said = preview.with_pack()
    assert status == 255, said
    assert "[mandatory]  queue-encrypted  (aws:sqs/queue:Queue: work)" in said
    assert "work: not encrypted: set sqs_managed_sse_enabled=True" in said
    # The queue that has its dead letter queue only by outputs that nobody knows yet is judged all the same.
    assert said.count("[mandatory]") == 1, said
    assert "Traceback" not in said


def test_what_a_preview_cannot_judge_is_listed_and_an_exception_with_a_reason_lets_it_pass(
    preview: Preview,
) -> None:
    reason = "holds nothing but test messages"
    path = preview.except_for({"queue-encrypted": {"except": {"work": reason}}})
    status, said = preview.with_pack("--policy-pack-config", path)
    assert status == 0, said
    assert "can't run policy 'queue-tls-only'" in said
    assert "during preview: dead, work: string value at .policy" in said
    assert "[mandatory]" not in said


def test_an_exception_without_a_reason_is_refused(preview: Preview) -> None:
    path = preview.except_for({"queue-encrypted": {"except": {"work": ""}}})
    status, said = preview.with_pack("--policy-pack-config", path)
    assert status == 255, said
    assert "queue-encrypted" in said
    assert "10" in said
