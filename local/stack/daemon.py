"""A local stack that stays: one supervisor in the background, found again by the file it leaves."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import psutil

from local.stack import pulumi
from local.stack.layout import ROOT, Layout, Ports
from local.stack.processes import StackError, tail
from local.stack.supervisor import LocalStack, Options, shop_urls

START_TIMEOUT_S = 900.0
STOP_TIMEOUT_S = 45.0
WATCH_S = 1.0


def serve(layout: Layout, options: Options) -> None:
    """Run the stack in this process until SIGTERM or SIGINT, or until one of its processes ends.

    Raises:
        StackError: see `LocalStack.start` and `LocalStack.check`.
    """
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    pulumi.write_config(layout)
    stack = LocalStack(layout, options, lambda line: print(line, flush=True))
    try:
        stack.start()
        write_running(layout)
        while not stop.wait(WATCH_S):
            stack.check()
    finally:
        layout.running.unlink(missing_ok=True)
        stack.close()


def up(layout: Layout, options: Options) -> None:
    """A stack runs in the background; the one that runs already is kept.

    Raises:
        StackError: it does not come up; with what it said.
    """
    if running(layout):
        return
    log = layout.run / "supervisor.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "local.stack", "serve", *_flags(layout, options)]
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_TIMEOUT_S
    try:
        while not running(layout):
            if process.poll() is not None or time.monotonic() > deadline:
                raise StackError(f"the local stack did not start:\n{tail(log)}")
            time.sleep(0.1)
    except BaseException:
        if process.poll() is None:
            process.terminate()
            process.wait(STOP_TIMEOUT_S)
        raise


def down(layout: Layout) -> bool:
    """End the stack that runs in the background; whether there was one.

    Raises:
        StackError: it does not end in time.
    """
    process = running(layout)
    if process is None:
        return False
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except psutil.TimeoutExpired:
        raise StackError(
            f"the local stack (process {process.pid}) still runs after {STOP_TIMEOUT_S:.0f} s"
        ) from None
    return True


def running(layout: Layout) -> psutil.Process | None:
    """The supervisor that serves this run folder, once all of its processes are ready."""
    try:
        said: dict[str, Any] = json.loads(layout.running.read_text())
        process = psutil.Process(said["pid"])
        # A pid is used again some day: only pid and start time together name a process.
        return process if abs(process.create_time() - said["created"]) < 1 else None
    except (OSError, ValueError, KeyError, psutil.NoSuchProcess):
        return None


def write_running(layout: Layout) -> None:
    """Say that this process runs the stack, and where its parts are."""
    me = psutil.Process()
    said = {"pid": me.pid, "created": me.create_time(), **endpoints(layout)}
    partial = layout.running.with_suffix(".partial")
    partial.write_text(json.dumps(said, indent=2))
    partial.replace(layout.running)


def endpoints(layout: Layout) -> dict[str, Any]:
    """What `build/demo/endpoints.json` holds: aws, sqs, dynamodb, marathon, and shops by name."""
    return {**layout.url, "shops": shop_urls(layout)}


def shell_environment(layout: Layout) -> dict[str, str]:
    """Environment of a shell in which `pulumi up -s local` works."""
    environment = pulumi.environment(layout)
    return {**environment, "PATH": f"{ROOT / '.venv' / 'bin'}:{environment['PATH']}"}


def write_exports(layout: Layout) -> Path:
    """A file to source; its path."""
    path = layout.run / "env.sh"
    lines = [f"export {name}={shlex.quote(value)}" for name, value in shell_environment(layout).items()]
    path.write_text("\n".join(lines) + "\n")
    return path


def shell(layout: Layout) -> None:
    """Become the user's shell, in that environment."""
    program = os.environ.get("SHELL", "/bin/bash")
    os.execvpe(program, [program], {**os.environ, **shell_environment(layout)})  # noqa: S606  the user's own shell


def run(folder: Path, command: Sequence[str]) -> None:
    """Become a command, in the environment of the stack that runs there.

    Args:
        folder: the stack's run folder.
        command: with its arguments.

    Raises:
        StackError: no stack runs there, or there is no such command.
    """
    layout = Layout(folder, Ports())
    if running(layout) is None:
        raise StackError(
            f"no local stack runs in {folder}; `make demo-keep`, `make shell` or `make env` starts one"
        )
    port = int(json.loads(layout.running.read_text())["aws"].rpartition(":")[2])
    layout = Layout(folder, Ports() if port == Ports().aws else Ports.from_base(port))
    config = {"TRAWLER_STACK_FILE": str(layout.config)} if layout.config.exists() else {}
    environment = {**os.environ, **shell_environment(layout), **config}
    program = shutil.which(command[0], path=environment["PATH"]) if command else None
    if program is None:
        raise StackError(f"{command[0] if command else 'a command to run'}: not found")
    os.execve(program, list(command), environment)  # noqa: S606  what the caller asked for


def _flags(layout: Layout, options: Options) -> list[str]:
    flags = ["--run-dir", str(layout.run), "--seed", str(options.seed), "--products", str(options.products)]
    flags += ["--queues", options.queue_server, "--containers", options.containers]
    if options.pages:
        flags += ["--pages", str(options.pages)]
    if layout.ports.aws != type(layout.ports)().aws:
        flags += ["--port-base", str(layout.ports.aws)]
    return flags
