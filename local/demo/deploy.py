"""`pulumi up` as a person would run it, on the local stack."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Sequence

import psutil

from local.stack import pulumi
from local.stack.layout import ROOT, Layout
from local.stack.processes import StackError

UP_TIMEOUT_S = 600.0
INTERRUPT_GRACE_S = 20.0


def up(layout: Layout) -> None:
    """Provision the stack and push the apps; the engine's own lines are the progress.

    Raises:
        StackError: the engine failed or took longer than ten minutes.
    """
    pulumi.select(layout)
    status = _run(layout, pulumi.command(layout, "up", "--yes", "--skip-preview", "--suppress-outputs"))
    if status != 0:
        raise StackError(f"pulumi up ended with status {status}; its diagnostics are above")


def _run(layout: Layout, command: Sequence[str]) -> int:
    """Run the engine on this terminal, in a group of its own, and never leave it behind."""
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **pulumi.environment(layout)},
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        return process.wait(UP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise StackError(f"pulumi up did not end within {UP_TIMEOUT_S:.0f} s") from None
    finally:
        if process.poll() is None:
            # One interrupt lets the engine save its state. It starts its plugins in groups of their own and leaves
            # them behind when it is killed, so they are remembered and ended one by one.
            plugins = psutil.Process(process.pid).children(recursive=True)
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(INTERRUPT_GRACE_S)
            process.kill()
            process.wait()
            _end(plugins)


def _end(left: Sequence[psutil.Process]) -> None:
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, timeout=INTERRUPT_GRACE_S)
