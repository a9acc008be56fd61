"""The seam by which a command runs inside a task's container, as ``docker exec`` does it: COMMAND health checks."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable


@runtime_checkable
class RunsCommands(Protocol):
    """A container that further commands can be run in."""

    async def execute(self, command: str, timeout_s: float) -> int:
        """The exit status of ``sh -c command`` beside the task, with the task's environment and folder.

        Raises:
            TimeoutError: it took longer; nothing of it runs any more.
        """
        ...


async def run_beside(command: str, environment: Mapping[str, str], directory: Path, timeout_s: float) -> int:
    """`RunsCommands.execute` for a task that is a process of this machine."""
    process = await asyncio.create_subprocess_exec(
        "/bin/sh", "-c", command, env=environment, cwd=directory,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        return await asyncio.wait_for(process.wait(), timeout_s)
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
