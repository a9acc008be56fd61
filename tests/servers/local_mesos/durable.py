"""Server processes with ``--state`` that tests kill and start again, at any point and quickly.

They are forked from one process that has imported the server already: an import costs more than a whole test.
"""

import asyncio
import multiprocessing
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, Literal

import aiohttp
import psutil

from tests.unit.local_mesos.support import DEADLINE_S, until

Moment = Literal["before", "after"]

_servers = multiprocessing.get_context("forkserver")
_servers.set_forkserver_preload(
    ["pytest", "tests.servers.local_mesos.durable", "local.mesos.foreground", "local.mesos.fleet"]
)


def _serve(
    arguments: list[str], folder: Path, dies: tuple[int, Moment] | None, dies_at: str, answers_puts: bool
) -> None:
    for number, name in ((1, "out"), (2, "log")):
        os.dup2(os.open(folder / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), number)
    from local.mesos.__main__ import cli  # noqa: PLC0415 - where it is served

    if dies is not None:
        _die_when_kept(*dies)
    if dies_at:
        _die_when_told(dies_at)
    if not answers_puts:
        _die_after_put()
    sys.argv = ["local.mesos"]
    cli(arguments)


def _end_here() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _die_when_kept(number: int, moment: Moment) -> None:
    from local.mesos.marathon.store import Store  # noqa: PLC0415

    keep, kept = Store.keep, 0

    def dying(self: Store) -> None:
        nonlocal kept
        kept += 1
        if kept == number and moment == "before":
            _end_here()
        keep(self)
        if kept == number:
            _end_here()

    Store.keep = dying


def _die_when_told(state: str) -> None:
    """As soon as a task's state of that name is kept, and before anything follows from it."""
    from local.mesos.marathon.agents import Agents  # noqa: PLC0415
    from local.mesos.marathon.deployments import Deployments  # noqa: PLC0415
    from local.mesos.marathon.scheduler import Scheduler  # noqa: PLC0415
    from local.mesos.marathon.store import Store  # noqa: PLC0415

    follow, keep = Store.follow, Store.keep

    def following(self: Store, scheduler: Scheduler, master: Agents, deployments: Deployments) -> None:
        def dying(self: Store) -> None:
            keep(self)
            if any(task.state == state for _, task in scheduler.state.tasks()):
                _end_here()

        Store.keep = dying
        follow(self, scheduler, master, deployments)

    Store.follow = following


def _die_after_put() -> None:
    from local.mesos.marathon.manager import Manager  # noqa: PLC0415

    put = Manager.put

    def dying(*arguments: Any, **options: Any) -> Any:
        put(*arguments, **options)
        _end_here()

    Manager.put = dying


@dataclass
class Server:
    process: ForkServerProcess
    session: aiohttp.ClientSession

    async def call(self, method: str, path: str, body: object = None) -> Any:
        async with self.session.request(method, path, json=body) as response:
            text = await response.text()
            assert response.status in {200, 201}, text
            return await response.json()

    async def put(self, app_id: str, **fields: object) -> None:
        await self.call("PUT", f"/v2/apps{app_id}?force=true", {"cpus": 0.1, "mem": 16, **fields})

    async def is_settled(self) -> bool:
        return await self.call("GET", "/v2/deployments") == []

    async def settled(self) -> None:
        await until(self.is_settled, "all deployments to end")

    async def tasks(self) -> list[dict[str, Any]]:
        return (await self.call("GET", "/v2/tasks"))["tasks"]

    async def ended(self) -> int | None:
        """Wait for the process to end; its exit code, negative for a signal."""
        await asyncio.to_thread(self.process.join, DEADLINE_S)
        return self.process.exitcode

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int | None:
        if self.process.pid is not None:
            os.kill(self.process.pid, number)
        return await self.ended()


@asynccontextmanager
async def durable(
    folder: Path,
    *more: str,
    dies: tuple[int, Moment] | None = None,
    dies_at: str = "",
    answers_puts: bool = True,
) -> AsyncGenerator[Server]:
    """A server on the state in ``folder``; where the block leaves it alive, it is killed.

    Args:
        folder: of everything.
        more: arguments.
        dies: after how many changes it is killed, and whether right before or after the last of them is kept.
        dies_at: a task's state; it is killed as soon as that is kept, and before anything follows from it.
        answers_puts: False kills it between a PUT of an app and the answer.
    """
    arguments = [
        "serve", "--port", "0", "--agents", "2", "--work-dir", str(folder / "work"), "--images",
        str(folder / "images"), "--state", str(folder / "state"), "--containerizer", "processes",
        "--shutdown-grace", "1", *more,
    ]  # fmt: skip
    (folder / "out").unlink(missing_ok=True)
    process = _servers.Process(target=_serve, args=(arguments, folder, dies, dies_at, answers_puts))
    process.start()
    try:
        url = await _url(process, folder)
        async with aiohttp.ClientSession(url) as session:
            yield Server(process, session)
    finally:
        process.kill()
        await asyncio.to_thread(process.join, DEADLINE_S)
        process.close()


async def _url(process: ForkServerProcess, folder: Path) -> str:
    """Where it listens; raises ConnectionError where it died before it said so."""

    async def said() -> bool:
        out = folder / "out"
        return process.exitcode is not None or (out.exists() and "ready on" in out.read_text())

    await until(said, f"a ready line of the server; its log is {folder / 'log'}")
    first = (folder / "out").read_text().splitlines()[:1]
    if not first or not first[0].startswith("Marathon ready on http://127.0.0.1:"):
        raise ConnectionError((folder / "log").read_text())
    return first[0].removeprefix("Marathon ready on ")


def processes(folder: Path) -> dict[str, psutil.Process]:
    """The first process of every task that runs in a folder, by task id; fails where a task has two."""
    found: dict[str, psutil.Process] = {}
    for process in psutil.process_iter():
        try:
            environment = process.environ()
            if process.status() == psutil.STATUS_ZOMBIE or os.getsid(process.pid) != process.pid:
                continue
        except (psutil.Error, OSError):
            continue
        if environment.get("MESOS_SANDBOX", "").startswith(str(folder)):
            task_id = environment["MESOS_TASK_ID"]
            assert task_id not in found, f"{task_id} runs twice"
            found[task_id] = process
    return found


def pids(folder: Path) -> dict[str, int]:
    return {task_id: process.pid for task_id, process in processes(folder).items()}
