"""An update waits at the gate of its deploy, and passes with the release that was agreed to, and no other."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Generator
from pathlib import Path

import pulumi
import pytest

from infra.gate import after_agreement
from ops.gate import Gate

DIGEST = "a" * 64


def arrives(digest: str) -> str | None:
    """What a program that packed this release is told at the gate; None where it is let through."""

    async def value() -> object:
        found = after_agreement("bucket", digest)
        return await found.future() if isinstance(found, pulumi.Output) else found

    try:
        return None if asyncio.run(value()) == "bucket" else "?"
    except pulumi.RunError as e:
        return str(e)


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Gate]:
    with Gate(tmp_path) as gate:
        for name, path in gate.variables.items():
            monkeypatch.setenv(name, path)
        monkeypatch.setattr("pulumi.runtime.is_dry_run", lambda: False)
        yield gate


def test_a_program_waits_until_its_release_was_agreed_to(gate: Gate) -> None:
    said: list[str | None] = []
    waiting = threading.Thread(target=lambda: said.append(arrives(DIGEST)))
    waiting.start()
    waiting.join(0.2)
    assert waiting.is_alive()

    gate.open(DIGEST)

    waiting.join(10)
    assert said == [None]


def test_another_release_than_the_one_agreed_to_is_refused(gate: Gate) -> None:
    gate.open("b" * 64)
    assert "the sources changed while they were being deployed" in str(arrives(DIGEST))


def test_a_gate_that_was_never_opened_lets_nothing_through(gate: Gate) -> None:
    gate.close()
    assert "did not agree" in str(arrives(DIGEST))


def test_a_gate_whose_holder_was_killed_lets_nothing_through(gate: Gate, tmp_path: Path) -> None:
    gate.close()
    program = (
        "import os, pathlib, signal, sys\n"
        "from ops.gate import Gate\n"
        "gate = Gate(pathlib.Path(sys.argv[1]))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], timeout=30, check=False)
    assert "did not agree" in str(arrives(DIGEST))


def test_a_preview_and_a_plain_update_do_not_wait(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pulumi.runtime.is_dry_run", lambda: True)
    assert arrives(DIGEST) is None
    for name in gate.variables:
        monkeypatch.delenv(name)
    monkeypatch.setattr("pulumi.runtime.is_dry_run", lambda: False)
    assert arrives(DIGEST) is None
