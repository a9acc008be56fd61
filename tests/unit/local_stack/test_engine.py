"""One run of the engine, played by a shell: what is left of it afterwards."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest

from local.stack import engine
from local.stack.processes import StackError

STUBBORN = "trap '' INT TERM; sh -c 'trap \"\" INT TERM; echo $$ > child; sleep 60 & wait' & wait"


def await_child(folder: Path) -> None:
    deadline = time.monotonic() + 10
    while not (folder / "child").exists() or not (folder / "child").read_text().strip():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def child_lives(folder: Path) -> bool:
    try:
        child = psutil.Process(int((folder / "child").read_text()))
        return child.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_what_it_said_and_how_it_ended_is_given(tmp_path: Path) -> None:
    answer = engine.run(["sh", "-c", "pwd; echo $COLOUR >&2; exit 3"], tmp_path, {"COLOUR": "blue"}, 10)
    assert (answer.status, answer.stdout.strip(), answer.stderr) == (3, str(tmp_path), "blue\n")
    assert 0 < answer.seconds < 10


def test_what_it_left_running_ends_with_it(tmp_path: Path) -> None:
    script = "sh -c 'echo $$ > child; sleep 60 & wait' >/dev/null 2>&1 & while [ ! -s child ]; do :; done"
    engine.run(["sh", "-c", script], tmp_path, {}, 10)
    assert not child_lives(tmp_path)


def test_a_run_that_takes_too_long_is_ended_with_all_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "CANCEL_GRACE_S", 0.2)
    monkeypatch.setattr(engine, "SAVE_GRACE_S", 0.2)
    with pytest.raises(StackError, match="`sh -c` did not end within 1 s"):
        engine.run(["sh", "-c", STUBBORN], tmp_path, {}, 1)
    assert not child_lives(tmp_path)


def test_a_cancelled_run_may_save_what_it_has_once_what_it_waits_for_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "CANCEL_GRACE_S", 0.2)
    script = "echo waiting; trap '' INT; sh -c 'trap \"\" INT; exec sleep 60'; echo done | tee saved"
    with pytest.raises(StackError, match=r"(?s)the last it said:.*waiting.*done"):
        engine.run(["sh", "-c", script], tmp_path, {}, 1)
    assert (tmp_path / "saved").read_text() == "done\n"


def test_ctrl_c_ends_it_with_all_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "CANCEL_GRACE_S", 0.2)
    monkeypatch.setattr(engine, "SAVE_GRACE_S", 0.2)

    def interrupt() -> None:
        await_child(tmp_path)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        engine.run(["sh", "-c", STUBBORN], tmp_path, {}, 20)
    assert not child_lives(tmp_path)


def test_an_engine_that_is_not_there_is_one_clear_text(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="no-such-engine cannot be started"):
        engine.run(["no-such-engine"], tmp_path, {}, 1)
