"""Containers whose server was killed with SIGKILL: found again, or removed."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import aiohttp
import psutil
import pytest

from local.mesos.agent.containerizer import ContainerSpec
from local.mesos.agent.docker import DockerContainerizer
from local.mesos.agent.inside import RunsCommands
from local.mesos.agent.sandbox import Sandbox, make_sandbox
from local.mesos.agent.task_info import TaskInfo
from local.mesos.marathon.store import exclusive
from tests.servers.local_docker.conftest import docker
from tests.servers.local_docker.test_containers import STAY, container, containers
from tests.servers.local_mesos.test_command_line import a_server
from tests.unit.local_mesos.support import until

ROOT = Path(__file__).parents[3]

#: Launches what `a_spec` says, tells so, and stays until it is killed.
SERVER = """
import asyncio, sys
from pathlib import Path
from tests.servers.local_docker.test_killed_servers import a_spec, an_engine

async def main(folder, image, cmd, recovery_timeout_s):
    await an_engine(Path(folder), float(recovery_timeout_s)).launch(a_spec(Path(folder), image, cmd))
    print("up", flush=True)
    await asyncio.Event().wait()

asyncio.run(main(*sys.argv[1:]))
"""


def an_engine(folder: Path, recovery_timeout_s: float = 60) -> DockerContainerizer:
    return DockerContainerizer((folder / "work").resolve(), recovery_timeout_s, remove_delay_s=0)


def a_spec(folder: Path, image: str, cmd: str) -> ContainerSpec:
    work, container_id = (folder / "work").resolve(), f"test-{folder.name}"
    made = work / "slaves/a/frameworks/f/executors/t/runs" / container_id
    sandbox = Sandbox(made) if made.exists() else make_sandbox(work, "a", "f", "t", container_id)
    return ContainerSpec(container_id, TaskInfo("t", cmd, image=image), sandbox, {})


def a_killed_server(folder: Path, image: str, cmd: str, recovery_timeout_s: float = 60) -> None:
    """A server of its own has launched the container, and was killed."""
    command = [sys.executable, "-c", SERVER, str(folder), image, cmd, str(recovery_timeout_s)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            assert server.stdout.readline() == "up\n"
        finally:
            server.send_signal(signal.SIGKILL)


@asynccontextmanager
async def engine_of(folder: Path) -> AsyncGenerator[DockerContainerizer]:
    engine = an_engine(folder)
    try:
        yield engine
    finally:
        await engine.close()
        assert containers(folder) == []


UNTIL_TOLD = "echo up; while [ ! -e /mnt/mesos/sandbox/go ]; do sleep 0.05; done; echo and on; exit 7"


async def test_a_container_is_found_again_and_its_output_and_status_are_whole(
    tmp_path: Path, image: str
) -> None:
    a_killed_server(tmp_path, image, UNTIL_TOLD)
    async with engine_of(tmp_path) as engine:
        spec = a_spec(tmp_path, image, UNTIL_TOLD)
        found = await engine.recover(spec)
        assert found is not None
        (spec.sandbox.path / "go").touch()
        assert await asyncio.wait_for(found.wait(), 15) == 7
        assert spec.sandbox.stdout.read_text() == "up\nand on\n"


async def test_one_that_ended_while_no_server_was_there_still_tells_how(tmp_path: Path, image: str) -> None:
    spec = a_spec(tmp_path, image, UNTIL_TOLD)
    a_killed_server(tmp_path, image, UNTIL_TOLD)
    (spec.sandbox.path / "go").touch()
    docker("wait", f"mesos-{spec.id}")
    async with engine_of(tmp_path) as engine:
        found = await engine.recover(spec)
        assert found is not None
        assert await asyncio.wait_for(found.wait(), 15) == 7


async def test_one_found_again_is_killed_like_any_other(tmp_path: Path, image: str) -> None:
    cmd = "trap 'exit 3' TERM; while :; do sleep 0.05; done"
    a_killed_server(tmp_path, image, cmd)
    async with engine_of(tmp_path) as engine:
        found = await engine.recover(a_spec(tmp_path, image, cmd))
        assert found is not None
        await found.kill(10)
        assert await found.wait() == 3


async def test_what_was_never_started_is_not_found_and_not_left(tmp_path: Path, image: str) -> None:
    async with engine_of(tmp_path) as engine:
        spec = a_spec(tmp_path, image, STAY)
        assert await engine.recover(spec) is None
        docker("create", "--name", f"mesos-{spec.id}", image)
        assert await engine.recover(spec) is None
        assert f"mesos-{spec.id}" not in docker("ps", "-a", "--format", "{{.Names}}")


async def test_leftovers_go_and_what_is_known_and_what_is_anothers_stays(tmp_path: Path, image: str) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    async with engine_of(tmp_path / "one") as engine, engine_of(tmp_path / "other") as other:
        await other.launch(a_spec(tmp_path / "other", image, STAY))
        await engine.launch(a_spec(tmp_path / "one", image, STAY))
        await engine.end_leftovers(["test-one"])
        assert len(containers(tmp_path / "one")) == 1
        await engine.end_leftovers([])
        assert containers(tmp_path / "one") == []
        assert len(containers(tmp_path / "other")) == 1


async def test_containers_of_a_server_that_keeps_no_state_go_when_it_is_killed(
    tmp_path: Path, image: str
) -> None:
    a_killed_server(tmp_path, image, "trap 'exit 0' TERM; while :; do sleep 0.05; done", recovery_timeout_s=0)

    async def gone() -> bool:
        return containers(tmp_path) == []

    await until(gone, "the containers to be removed")


async def test_a_kill_may_be_hurried_and_never_delayed(tmp_path: Path, image: str) -> None:
    async with engine_of(tmp_path) as engine:
        container = await engine.launch(a_spec(tmp_path, image, "trap '' TERM; while :; do sleep 0.05; done"))
        slow = asyncio.create_task(container.kill(60))
        await asyncio.wait_for(container.kill(0), 15)
        await asyncio.wait_for(slow, 15)
        assert await container.wait() == 137


async def test_a_launch_that_is_cancelled_leaves_no_container(tmp_path: Path, image: str) -> None:
    async with engine_of(tmp_path) as engine:
        launch = asyncio.create_task(engine.launch(a_spec(tmp_path, image, STAY)))

        async def created() -> bool:
            return containers(tmp_path) != []

        await until(created, "the container to be created")
        launch.cancel()
        await asyncio.wait([launch])
        if launch.cancelled():  # it may have been quicker
            assert containers(tmp_path) == []


async def test_a_command_runs_inside_the_container_and_ends_there_when_it_takes_too_long(
    tmp_path: Path, image: str
) -> None:
    cmd = f"echo here > /tmp/mark; {STAY}"
    async with engine_of(tmp_path) as engine:
        spec = a_spec(tmp_path, image, cmd)
        container = await engine.launch(spec)
        assert isinstance(container, RunsCommands)

        async def marked() -> bool:
            return await container.execute('test "$(cat /tmp/mark)" = here', 15) == 0

        await until(marked, "the container's own file to be seen")
        assert await container.execute("exit 4", 15) == 4
        with pytest.raises(TimeoutError):
            await container.execute("sleep 1234 & sleep 1234", 1)
        assert "1234" not in docker("top", f"mesos-{spec.id}")


def a_command(folder: Path, *more: str) -> list[str]:
    return [
        *(
            sys.executable,
            "-m",
            "local.mesos",
            "serve",
            "--port",
            "0",
            "--agents",
            "1",
            "--shutdown-grace",
            "1",
        ),
        *("--work-dir", str(folder / "work"), "--containerizer", "docker", *more),
    ]


async def a_running_container(folder: Path, url: str, image: str) -> str:
    """Its id, once the app that was put runs."""
    async with aiohttp.ClientSession() as session:
        app = {"cmd": STAY, "cpus": 0.1, "mem": 32, "container": container(image)}
        await session.put(f"{url}/v2/apps/a", json=app)
    await until(partial(_runs, url), "the task to run")
    (found,) = containers(folder)
    return found


async def _runs(url: str) -> bool:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/v2/apps/a") as response:
        return (await response.json())["app"]["tasksRunning"] == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_no_container_outlives_a_server_without_state_however_that_ends(
    tmp_path: Path, image: str, number: signal.Signals
) -> None:
    async with a_server(tmp_path, *a_command(tmp_path)) as (process, url):
        await a_running_container(tmp_path, url, image)
        process.send_signal(number)
        await asyncio.wait_for(process.wait(), 30)
        if number is signal.SIGTERM:
            assert containers(tmp_path) == []  # already, not some time later

    async def gone() -> bool:
        return containers(tmp_path) == []

    await until(gone, "the container to be removed")
    assert "tasks run as containers" in (tmp_path / "log").read_text()


async def test_a_server_that_keeps_state_finds_its_containers_after_a_kill_and_leaves_none_at_its_end(
    tmp_path: Path, image: str
) -> None:
    command = a_command(tmp_path, "--state", str(tmp_path / "state"))
    async with a_server(tmp_path, *command) as (process, url):
        before = await a_running_container(tmp_path, url, image)
        process.kill()
        await process.wait()
    async with a_server(tmp_path, *command) as (process, url):
        await until(partial(_runs, url), "the task to be found")
        assert containers(tmp_path) == [before]
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 30) == 0
    assert containers(tmp_path) == []


async def test_containers_end_when_no_server_comes_back_in_time(tmp_path: Path, image: str) -> None:
    a_killed_server(tmp_path, image, STAY, recovery_timeout_s=0.5)

    async def gone() -> bool:
        return containers(tmp_path) == []

    await until(gone, "the containers to be removed")


async def test_containers_stay_when_a_server_came_back_in_time(tmp_path: Path, image: str) -> None:
    work = (tmp_path / "work").resolve()
    work.mkdir()
    lock = exclusive(work)  # as the server does that came back
    try:
        a_killed_server(tmp_path, image, STAY, recovery_timeout_s=0.1)

        async def looked() -> bool:
            return not any(
                str(work) in " ".join(each) and "docker_leftovers" in " ".join(each) for each in _lines()
            )

        await until(looked, "the watchdog to look")
        assert len(containers(tmp_path)) == 1
    finally:
        os.close(lock)
        await an_engine(tmp_path).close()


def _lines() -> list[list[str]]:
    return [each.info["cmdline"] or [] for each in psutil.process_iter(["cmdline"])]
