"""A command of the engine beside others: its end is in order, and its events are read while it writes them."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path

import pytest

from ops.engine_run import EngineRun, EventLog
from ops.errors import OpsError
from ops.locked import told
from ops.timeline import Timeline

INTERRUPTIBLE = """
import signal, sys
seen = []
def note(*_):
    seen.append(1)
signal.signal(signal.SIGINT, note)
print("ready", flush=True)
signal.pause()
print(f"interrupted {len(seen)}", flush=True)
sys.exit(255)
"""
STUBBORN = """
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
print("ready", flush=True)
while True:
    signal.pause()
"""


def start(program: str, tmp_path: Path) -> EngineRun:
    run = EngineRun.start([sys.executable, "-c", program], tmp_path, dict(os.environ), "pulumi up of prod")
    deadline = time.monotonic() + 10
    while not run.said("stdout"):
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)
    return run


def test_an_interrupt_is_passed_on_once_and_its_end_is_waited_for(tmp_path: Path) -> None:
    run = start(INTERRUPTIBLE, tmp_path)
    run.interrupt()
    run.interrupt()
    run.end()
    assert run.said("stdout").endswith("interrupted 1")
    assert run.wait(1).status == 255


def test_a_command_that_will_not_end_is_ended(tmp_path: Path) -> None:
    run = start(STUBBORN, tmp_path)
    run.end(grace_s=0.05)
    assert not run.running


def test_a_command_that_takes_too_long_is_told_by_its_name(tmp_path: Path) -> None:
    run = start(INTERRUPTIBLE, tmp_path)
    with pytest.raises(OpsError, match=r"pulumi up of prod: not done in 0 s, interrupted"):
        run.wait(0)
    assert not run.running


def test_a_half_written_event_waits_for_its_other_half(tmp_path: Path) -> None:
    log = EventLog(tmp_path)
    assert log.news() == []
    log.path.write_text('{"sequence": 1}\n{"sequ')
    assert log.news() == [{"sequence": 1}]
    with log.path.open("a") as file:
        file.write('ence": 2}\n')
    assert log.news() == [{"sequence": 2}]


def test_only_steps_that_change_something_have_their_time(tmp_path: Path) -> None:
    now = 0.0
    timeline = Timeline(lambda: now)
    urn = "urn:pulumi:prod::trawler::t::"
    changed = {"metadata": {"op": "update", "urn": f"{urn}apps-fetch"}}
    same = {"metadata": {"op": "same", "urn": f"{urn}queues-fetch"}}
    timeline.read([{"resourcePreEvent": changed}, {"resourcePreEvent": same}])
    now = 2.5
    timeline.read([json.loads(json.dumps({"resOutputsEvent": each})) for each in (changed, same)])
    assert timeline.seconds == {"apps-fetch": 2.5}


def test_who_holds_the_lock_and_since_when_is_told() -> None:
    said = (
        "error: the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end or delete "
        "the lock file with `pulumi cancel`.\n"
        "  s3://state/.pulumi/locks/organization/trawler/prod/f9de.json: created by ada@runner-7 (pid 1787) at "
        "2026-11-23T03:44:13Z"
    )
    text = told("prod", said)
    assert text is not None
    assert "ada@runner-7 (process 1787) since 2026-11-23T03:44:13Z" in text
    assert "pulumi cancel --stack prod" in text
    assert told("prod", "error: [409] Conflict: Another update is currently in progress.") is not None
    assert told("prod", "error: the program failed") is None
