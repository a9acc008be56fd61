"""A server with ``--state`` that is killed at any point: the next one finds its tasks and finishes its deployments."""

import asyncio
import contextlib
import random
import signal
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.servers.local_mesos.durable import Moment, durable, pids, processes
from tests.unit.local_mesos.support import until

_ROUNDS = 8

#: Says when it starts, once for each start, and with which task id.
_CMD = 'echo "$MESOS_TASK_ID" >> "$STARTS"; exec sleep 600'


@pytest.fixture
def folder(tmp_path: Path) -> Generator[Path]:
    """A folder of state; whatever a test leaves running in it ends."""
    yield tmp_path
    for process in processes(tmp_path).values():
        process.kill()


async def _gone(folder: Path) -> None:
    async def none() -> bool:
        return not processes(folder)

    await until(none, "every task to end")


def _lasting(tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Tasks without the moments of their latest health checks."""
    for task in tasks:
        for health in task["healthCheckResults"]:
            del health["lastSuccess"]
    return tasks


async def test_tasks_outlive_a_killed_server_and_the_next_one_has_them_as_they_were(folder: Path) -> None:
    async with durable(folder) as server:
        check = {"protocol": "COMMAND", "command": {"value": "test -n $MESOS_TASK_ID"}, "intervalSeconds": 1}
        await server.put("/a", cmd="exec sleep 600", instances=3, healthChecks=[check])
        await server.settled()
        before, running = _lasting(await server.tasks()), pids(folder)
        await server.end(signal.SIGKILL)
    assert len(running) == 3
    assert pids(folder) == running  # nobody ended them
    async with durable(folder) as server:
        assert _lasting(await server.tasks()) == before
        assert await server.call("GET", "/v2/deployments") == []
        await server.put("/a", instances=1)  # they are ended like any other
        await server.settled()
        (left,) = await server.tasks()
        assert pids(folder) == {left["id"]: running[left["id"]]}
        await server.end()
    assert pids(folder) == {}


async def test_after_an_orderly_end_nothing_runs_and_the_next_start_runs_the_apps_again(folder: Path) -> None:
    async with durable(folder) as server:
        await server.put("/a", cmd="exec sleep 600", instances=2)
        await server.settled()
        assert await server.end() == 0
    assert pids(folder) == {}
    async with durable(folder) as server:

        async def run() -> bool:
            return [each["state"] for each in await server.tasks()] == ["TASK_RUNNING"] * 2

        await until(run, "both tasks to run again")
        assert set(pids(folder)) == {each["id"] for each in await server.tasks()}
        await server.end(signal.SIGINT)
    assert pids(folder) == {}


async def test_a_task_that_ends_while_no_server_is_there_has_its_end_told_and_is_launched_again(
    folder: Path,
) -> None:
    go = folder / "go"
    async with durable(folder) as server:
        await server.put("/a", cmd=f"while [ ! -e {go} ]; do sleep 0.05; done; exit 3", backoffSeconds=0)
        await server.settled()
        (task,) = await server.tasks()
        await server.end(signal.SIGKILL)
    go.touch()
    await _gone(folder)
    go.unlink()
    async with durable(folder) as server:

        async def again() -> bool:
            return [each["id"] for each in await server.tasks()] == [task["id"].replace("._app.1", "._app.2")]

        await until(again, "the task to be launched again")
        failure = (await server.call("GET", "/v2/apps/a"))["app"]["lastTaskFailure"]
        assert (failure["taskId"], failure["state"]) == (task["id"], "TASK_FAILED")
        assert failure["message"] == "Container exited with status 3"
        await server.end()


async def test_a_change_that_was_kept_and_not_answered_is_carried_out(folder: Path) -> None:
    async with durable(folder, answers_puts=False) as server:
        with pytest.raises(aiohttp.ClientError):
            await server.put("/a", cmd="exec sleep 600", instances=2)
        await server.ended()
    async with durable(folder) as server:
        await server.settled()
        tasks = await server.tasks()
        assert [each["state"] for each in tasks] == ["TASK_RUNNING"] * 2
        assert set(pids(folder)) == {each["id"] for each in tasks}
        await server.end()


@pytest.mark.parametrize(
    ("state", "attempt"), [("TASK_STAGING", 2), ("TASK_STARTING", 2), ("TASK_RUNNING", 1)]
)
async def test_a_launch_that_is_cut_short_is_taken_up_or_made_again(
    folder: Path, state: str, attempt: int
) -> None:
    starts = folder / "starts"
    async with durable(folder, dies_at=state) as server:
        with contextlib.suppress(aiohttp.ClientError):
            await server.put("/a", cmd=_CMD, env={"STARTS": str(starts)}, backoffSeconds=0)
        assert await server.ended() == -signal.SIGKILL
    async with durable(folder) as server:
        await server.settled()
        (task,) = await server.tasks()
        assert task["id"].endswith(f"._app.{attempt}")

        async def said() -> bool:
            return await asyncio.to_thread(starts.is_file)

        await until(said, "the task's first word")
        assert starts.read_text().split() == [task["id"]]
        assert list(pids(folder)) == [task["id"]]


async def test_a_kill_that_was_ordered_and_not_carried_out_is_carried_out_by_the_next_server(
    folder: Path,
) -> None:
    async with durable(folder, dies_at="TASK_KILLING") as server:
        await server.put("/a", cmd="exec sleep 600")
        await server.settled()
        (task,) = await server.tasks()
        with pytest.raises(aiohttp.ClientError):
            await server.call("POST", "/v2/tasks/delete", {"ids": [task["id"]]})
        await server.ended()
    assert list(pids(folder)) == [task["id"]]
    second = task["id"].replace("._app.1", "._app.2")
    async with durable(folder) as server:

        async def replaced() -> bool:
            found = [(each["id"], each["state"]) for each in await server.tasks()]
            return found == [(second, "TASK_RUNNING")]

        await until(replaced, "the task to be killed and launched again")
        assert list(pids(folder)) == [second]


async def test_tasks_of_a_state_that_was_moved_away_end_when_a_server_starts_in_their_work_folder(
    folder: Path,
) -> None:
    async with durable(folder) as server:
        await server.put("/a", cmd="exec sleep 600")
        await server.settled()
    assert len(pids(folder)) == 1
    (folder / "state").rename(folder / "away")
    async with durable(folder) as server:
        await _gone(folder)
        assert await server.tasks() == []


async def test_a_task_that_is_being_killed_when_the_server_dies_ends_in_its_grace_and_its_app_goes(
    folder: Path,
) -> None:
    async with durable(folder) as server:
        cmd = "trap '' TERM; echo deaf; while :; do sleep 0.05; done"
        await server.put("/a", cmd=cmd, taskKillGracePeriodSeconds=1)
        await server.settled()
        async with server.session.get("/v2/events", headers={"Accept": "text/event-stream"}) as events:
            await server.call("DELETE", "/v2/apps/a")
            async for line in events.content:
                if b"TASK_KILLING" in line:
                    break
            await server.end(signal.SIGKILL)
    async with durable(folder) as server:
        await server.settled()
        assert await server.call("GET", "/v2/apps") == {"apps": []}
        assert pids(folder) == {}
        await server.end()


@pytest.mark.parametrize("seed", [1, 2])
async def test_killed_over_and_over_in_rolling_deployments_it_ends_with_what_was_asked_for_and_starts_nothing_twice(
    folder: Path, seed: int
) -> None:
    dice = random.Random(seed)
    code, starts = folder / "code.txt", folder / "starts"
    code.write_text("fetched")
    app: dict[str, object] = {
        "cmd": _CMD, "backoffSeconds": 0, "fetch": [{"uri": str(code)}],
        "upgradeStrategy": {"minimumHealthCapacity": 0.5, "maximumOverCapacity": 0.5},
    }  # fmt: skip
    answered, deaths = -1, 0
    for release in range(_ROUNDS):
        dies: tuple[int, Moment] = (dice.randrange(2, 30), dice.choice(["before", "after"]))
        environment = {"RELEASE": str(release), "STARTS": str(starts)}
        try:
            async with durable(folder, dies=dies) as server:
                await server.put("/a", **app, env=environment, instances=dice.randrange(2, 6))
                answered = release
                await server.settled()
        except (aiohttp.ClientError, ConnectionError):
            deaths += 1
    assert deaths >= _ROUNDS / 2  # else this has shown nothing
    async with durable(folder) as server:
        await server.settled()
        definition = (await server.call("GET", "/v2/apps/a"))["app"]
        tasks = await server.tasks()
        assert int(definition["env"]["RELEASE"]) >= answered  # what was answered is kept; what was not may be
        assert {each["version"] for each in tasks} == {definition["versionInfo"]["lastConfigChangeAt"]}
        assert len(tasks) == definition["instances"] == definition["tasksRunning"]
        assert set(pids(folder)) == {each["id"] for each in tasks}  # none is forgotten
        await server.end()
    counted = Counter(starts.read_text().splitlines())
    assert set(counted.values()) == {1}, "a task was started twice"
    assert pids(folder) == {}


async def test_two_servers_share_neither_their_state_nor_a_work_folder(folder: Path) -> None:
    other = folder / "other"
    other.mkdir()
    async with durable(folder) as server:
        for option, name in (("--work-dir", "work"), ("--state", "state")):
            with pytest.raises(ConnectionError, match=f"{folder / name}: another server works there"):
                async with durable(other, option, str(folder / name)):
                    pass
        assert await server.is_settled()
