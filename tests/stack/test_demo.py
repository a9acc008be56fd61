"""The demo as a newcomer runs it: a real process, its report, and what it leaves behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Generator
from pathlib import Path

import psutil
import pytest

from local.stack.layout import ROOT
from tests.stack.conftest import free_ports

MARK = "TRAWLER_TEST_MARK"
TIMEOUT_S = 150.0


class Run:
    """A demo under way, and every process that came of it."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.mark = uuid.uuid4().hex
        self.output = folder / "output.txt"
        command = [
            *(sys.executable, "-m", "local.demo", "--port-base", str(free_ports())),
            "--containers",
            "no",
        ]
        command += ["--products", "30", "--pages", str(folder / "none"), "--run-dir", str(folder / "run")]
        with self.output.open("w") as out:
            self.process = subprocess.Popen(
                [*command, "--report-dir", str(folder / "report"), *arguments],
                cwd=ROOT,
                env={**os.environ, MARK: self.mark},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def await_words(self, words: str) -> None:
        """Return once the demo has said them."""
        deadline = time.monotonic() + TIMEOUT_S
        while words not in self.output.read_text():
            assert self.process.poll() is None, self.output.read_text()
            assert time.monotonic() < deadline, self.output.read_text()
            time.sleep(0.05)

    def left(self) -> list[str]:
        """Command lines of the processes that carry this run's mark."""
        found: list[str] = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == self.mark:
                    found.append(" ".join(process.cmdline()))
            except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                continue
        return found


@pytest.fixture
def folder(tmp_path: Path) -> Generator[Path]:
    """A folder for one run; nothing may stay running in it."""
    yield tmp_path
    for process in psutil.process_iter():
        with process.oneshot():
            try:
                if any(str(tmp_path) in part for part in process.cmdline()):
                    process.kill()
            except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                continue


@pytest.mark.parametrize("words", ["starting the local stack", "queues-plan", "tasks "])
def test_ctrl_c_at_any_moment_leaves_no_process_behind(folder: Path, words: str) -> None:
    run = Run(folder)
    run.await_words(words)
    run.process.send_signal(signal.SIGINT)
    assert run.process.wait(TIMEOUT_S) == 130
    assert "Traceback" not in run.output.read_text()
    assert run.left() == []


def test_the_report_says_what_was_crawled_and_an_earlier_state_is_thrown_away(folder: Path) -> None:
    stale = folder / "run" / "state" / ".pulumi" / "stacks" / "trawler" / "local.json"
    stale.parent.mkdir(parents=True)
    stale.write_text("{}")
    run = Run(folder, "--seed", "5")
    assert run.process.wait(TIMEOUT_S) == 0, run.output.read_text()
    assert "the Pulumi state of an earlier local stack was thrown away" in run.output.read_text()
    report = json.loads((folder / "report" / "report.json").read_text())
    assert report["resources"] > 40
    assert report["apps"] == 4
    assert report["queue_server"] == "moto"
    assert {shop["name"] for shop in report["shops"]} == {"demo-jsonld", "demo-microdata", "demo-selectors"}
    for shop in report["shops"]:
        assert shop["stored_items"] == shop["expected_items"] == 10
        faults = ("missing", "duplicated", "wrong_fields", "robots_violations", "rate_violations")
        assert {name: shop[name] for name in faults} == dict.fromkeys(faults, 0)
    assert all(report[key] > 0 for key in ("wall_s", "setup_s", "up_s", "crawl_s"))
    assert run.left() == []


def test_a_taken_port_is_named_with_the_way_out(folder: Path) -> None:
    base = free_ports()
    with socket.create_server(("127.0.0.1", base + 3)):
        run = Run(folder, "--port-base", str(base))
        assert run.process.wait(TIMEOUT_S) == 1
    said = run.output.read_text()
    assert f"port {base + 3} on 127.0.0.1 is taken" in said
    assert "PORT_BASE" in said
    assert "Traceback" not in said
