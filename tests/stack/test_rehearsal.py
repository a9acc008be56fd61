"""A rehearsal of a very small program: what it gives, and what it leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import boto3
import psutil
import pytest
from botocore.config import Config

from local.stack.layout import ROOT
from local.stack.ports import IN_A_ROW
from local.stack.processes import StackError, require_free
from local.stack.rehearsal import Rehearsal
from tests.stack.conftest import free_ports

MARK = "TRAWLER_TEST_MARK"
TIMEOUT_S = 60.0

PROGRAM = """
from pathlib import Path
from pulumi import Config, export
from pulumi_aws import sqs
from infra.name import NAME
if Config("tiny").get("wait"):
    Path("waiting").touch()
    import time
    time.sleep(300)
export("url", sqs.Queue("queue", name=NAME).url)
"""


def a_checkout(folder: Path, stack_file: str = "") -> Path:
    """A project of one queue, without a virtual environment."""
    infra = folder / "infra"
    infra.mkdir(parents=True)
    (folder / "Pulumi.yaml").write_text(
        "name: tiny\nmain: infra\nruntime: {name: python, options: {virtualenv: .venv}}\n"
    )
    (folder / "Pulumi.prod.yaml").write_text(
        "# Kept as it is.\nsecretsprovider: awskms://alias/none\nencryptedkey: AQIC\n"
        f"config:\n  aws:region: eu-west-1\n  aws:profile: none\n{stack_file}"
    )
    (infra / ".venv").symlink_to("../.venv")
    (infra / "__init__.py").touch()
    (infra / "name.py").write_text('NAME = "from-the-checkout"\n')
    (infra / "__main__.py").write_text(PROGRAM)
    return folder


def queues(rehearsal: Rehearsal) -> list[str]:
    client = boto3.client(
        "sqs",
        endpoint_url=rehearsal.layout.url["sqs"],
        region_name="eu-west-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=Config(proxies={}),
    )
    return [url.rsplit("/", 1)[1] for url in client.list_queues().get("QueueUrls", [])]


def marked(mark: str) -> list[str]:
    """Command lines of the processes that carry a mark."""
    found: list[str] = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark:
                found.append(" ".join(process.cmdline()))
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def test_a_checkout_is_deployed_by_its_own_code_and_left_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = uuid.uuid4().hex
    monkeypatch.setenv(MARK, mark)
    checkout = a_checkout(tmp_path / "checkout")
    stack_file = (checkout / "Pulumi.prod.yaml").read_text()
    base = free_ports()
    with Rehearsal("prod", tmp_path / "run", port_base=base) as rehearsal:
        up = rehearsal.up(checkout)
        assert up.status == 0, up.stdout + up.stderr
        assert queues(rehearsal) == ["from-the-checkout"]

        (checkout / "infra" / "name.py").write_text('NAME = "renamed"\n')
        preview = rehearsal.preview(checkout)
        assert preview.status == 0, preview.stdout + preview.stderr
        assert preview.preview_json is not None
        steps = json.loads(preview.preview_json)["steps"]
        assert [(s["urn"].rsplit("::", 1)[1], s["op"]) for s in steps if s["op"] != "same"] == [
            ("queue", "replace")
        ]
        assert queues(rehearsal) == ["from-the-checkout"]

        (checkout / "infra" / "name.py").write_text("import nowhere\n")
        failed = rehearsal.preview(checkout)
        assert failed.status != 0
        assert failed.preview_json is not None
        assert "No module named 'nowhere'" in json.dumps(json.loads(failed.preview_json)["diagnostics"])

        with pytest.raises(StackError, match=r"Pulumi\.prod\.yaml: no such stack file"):
            rehearsal.preview(tmp_path)
    assert preview.events is not None
    names = {key for line in preview.events.read_text().splitlines() for key in json.loads(line)}
    assert "summaryEvent" in names
    assert (checkout / "Pulumi.prod.yaml").read_text() == stack_file
    assert not (checkout / ".venv").is_symlink()
    assert not list((tmp_path / "run" / "state" / ".pulumi" / "locks").rglob("*.json"))
    require_free(range(base, base + IN_A_ROW))
    assert [line for line in marked(mark) if "pytest" not in line] == []


def test_sigterm_in_the_middle_of_an_up_leaves_no_process_port_or_lock(tmp_path: Path) -> None:
    mark, base = uuid.uuid4().hex, free_ports()
    checkout = a_checkout(tmp_path / "checkout", "  tiny:wait: yes\n")
    script = (
        "import sys; from pathlib import Path; from local.stack.rehearsal import Rehearsal\n"
        "with Rehearsal('prod', Path(sys.argv[1]), port_base=int(sys.argv[2])) as r: r.up(Path(sys.argv[3]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "run"), str(base), str(checkout)],
        cwd=ROOT,
        env={**os.environ, MARK: mark},
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + TIMEOUT_S
    while not (checkout / "infra" / "waiting").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.terminate()
    _, said = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 128 + signal.SIGTERM
    assert said == ""
    assert marked(mark) == []
    assert not (checkout / ".venv").is_symlink()
    assert not list((tmp_path / "run" / "state" / ".pulumi" / "locks").rglob("*.json"))
    require_free(range(base, base + IN_A_ROW))
