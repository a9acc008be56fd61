"""``python -m local.mesos`` as a process: ready line, misuse, and the end in every way it can come."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import psutil
import pytest

from tests.unit.local_mesos.support import DEADLINE_S, until

ROOT = Path(__file__).parents[3]


def _arguments(folder: Path, *more: str) -> list[str]:
    return [
        "-m", "local.mesos", "serve", "--port", "0", "--agents", "1", "--work-dir", str(folder / "work"),
        "--images", str(folder / "images"), "--shutdown-grace", "1", *more,
    ]  # fmt: skip


@asynccontextmanager
async def a_server(folder: Path, *command: str) -> AsyncGenerator[tuple[asyncio.subprocess.Process, str]]:
    """A server process and its URL, read from its ready line."""
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(command or (sys.executable, *_arguments(folder))),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
    try:
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), DEADLINE_S)).decode().strip()
        assert line.startswith("Marathon ready on http://127.0.0.1:"), (folder / "log").read_text()
        yield process, line.removeprefix("Marathon ready on ")
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def a_running_task(url: str, cmd: str) -> str:
    """Deploy an app of one task, and give the id of the task once it runs."""
    async with aiohttp.ClientSession() as session:
        await session.put(f"{url}/v2/apps/a", json={"cmd": cmd, "cpus": 0.1, "mem": 16})
        found: list[str] = []

        async def runs() -> bool:
            async with session.get(f"{url}/v2/tasks?status=running") as response:
                found.extend(each["id"] for each in (await response.json())["tasks"])
            return bool(found)

        await until(runs, "a running task")
        return found[0]


def _lives(task_id: str) -> bool:
    for process in psutil.process_iter():
        try:
            if process.environ().get("MESOS_TASK_ID") == task_id and process.status() != psutil.STATUS_ZOMBIE:
                return True
        except psutil.Error:
            continue
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
async def test_no_task_outlives_its_server_however_that_ends(tmp_path: Path, number: signal.Signals) -> None:
    async with a_server(tmp_path) as (process, url):
        task_id = await a_running_task(url, "setsid sleep 60 & exec sleep 60")
        assert _lives(task_id)
        process.send_signal(number)
        assert await process.wait() == (-9 if number is signal.SIGKILL else 0)

    async def ended() -> bool:
        return not _lives(task_id)

    await until(ended, "the task to end")


async def test_the_server_ends_with_its_parent_when_asked_to(tmp_path: Path) -> None:
    arguments = " ".join(_arguments(tmp_path, "--exit-with-parent"))
    shell = ("/bin/sh", "-c", f"{sys.executable} {arguments} & echo $! > {tmp_path}/pid; wait")
    async with a_server(tmp_path, *shell) as (parent, _):
        server = int((tmp_path / "pid").read_text())
        os.kill(parent.pid, signal.SIGKILL)
        await parent.wait()

        async def ended() -> bool:
            return not psutil.pid_exists(server) or psutil.Process(server).status() == psutil.STATUS_ZOMBIE

        await until(ended, "the server to end")


async def _refused(*arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        cwd=ROOT,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, error = await asyncio.wait_for(process.communicate(), DEADLINE_S)
    assert process.returncode == 2, error.decode()
    return error.decode()


async def test_a_port_that_is_taken_is_one_clear_line(tmp_path: Path) -> None:
    async with a_server(tmp_path) as (_, url):
        port = url.rpartition(":")[2]
        error = await _refused(*[port if each == "0" else each for each in _arguments(tmp_path)])
    assert error == f"cannot listen on 127.0.0.1:{port}: Address already in use; choose another port\n"


async def test_an_executor_environment_that_is_no_object_of_strings_is_refused(tmp_path: Path) -> None:
    (tmp_path / "env.json").write_text('{"A": 1}')
    error = await _refused(*_arguments(tmp_path, "--executor-environment", str(tmp_path / "env.json")))
    assert error == f"--executor-environment {tmp_path}/env.json: a JSON object of strings is needed\n"


async def test_agents_and_aws_exclude_each_other_and_aws_itself_is_refused(tmp_path: Path) -> None:
    arguments = _arguments(tmp_path, "--aws-endpoint", "https://ec2.amazonaws.com")
    assert await _refused(*arguments) == "give either --agents N or --aws-endpoint URL\n"
    at = arguments.index("--agents")
    without = arguments[:at] + arguments[at + 2 :]
    assert "https://ec2.amazonaws.com: not a loopback address" in await _refused(*without)


async def test_with_credentials_and_without_tasks_the_server_asks_and_starts_nothing(tmp_path: Path) -> None:
    secret = tmp_path / "credentials.json"
    secret.write_text('{"username": "trawler", "password": "s3cret"}')
    command = _arguments(tmp_path, "--tasks", "none", "--http-credentials", str(secret))
    async with a_server(tmp_path, sys.executable, *command) as (_, url):
        async with aiohttp.ClientSession() as session, session.get(f"{url}/ping") as response:
            assert response.status == 401
        auth = aiohttp.BasicAuth("trawler", "s3cret")
        async with aiohttp.ClientSession(auth=auth) as session:
            app = {"cmd": "sleep 60", "cpus": 0.1, "mem": 16}
            await session.put(f"{url}/v2/apps/a", json=app)

            async def runs() -> bool:
                async with session.get(f"{url}/v2/apps/a") as response:
                    return (await response.json())["app"]["tasksRunning"] == 1

            await until(runs, "a task that is said to run")
            async with session.get(f"{url}/v2/tasks") as response:
                (task,) = (await response.json())["tasks"]
        assert not _lives(task["id"])


async def test_a_file_of_credentials_that_is_none_is_one_clear_line(tmp_path: Path) -> None:
    error = await _refused(*_arguments(tmp_path, "--http-credentials", str(tmp_path / "none.json")))
    assert error == f"--http-credentials {tmp_path}/none.json: No such file or directory\n"


async def test_a_fault_that_is_none_and_a_credential_that_is_none_are_one_clear_line(tmp_path: Path) -> None:
    error = await _refused(*_arguments(tmp_path, "--fault", "locked=2", "--fault", "lockd"))
    assert error.startswith("--fault 'lockd' is no fault; NAME[=VALUE][@APP] with one of disk-full, ")
    error = await _refused(*_arguments(tmp_path, "--mesos-credential", str(tmp_path / "none.json")))
    assert error == f"--mesos-credential {tmp_path}/none.json: No such file or directory\n"


async def test_a_fault_begins_and_ends_with_a_line_of_its_file(tmp_path: Path) -> None:
    faults = tmp_path / "faults"
    command = _arguments(tmp_path, "--fault-file", str(faults))
    async with a_server(tmp_path, sys.executable, *command) as (_, url), aiohttp.ClientSession() as session:
        for line, status in (("", 200), ("lost-leader=60s\n", 502), ("", 200)):
            faults.write_text(line)
            async with session.get(f"{url}/v2/apps") as response:
                assert response.status == status
