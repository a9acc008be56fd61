"""Faults on order: how they are written, and what a client sees of each."""

import asyncio
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from local.mesos.faults import Fault, FaultError, Faults, parse
from tests.unit.local_mesos.support import a_cluster, a_tarball, an_image, docker, until

SLEEP: dict[str, Any] = {"cmd": "exec sleep 60"}


def _with(*texts: str) -> dict[str, Any]:
    return {"faults": Faults.of(texts)}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("locked", Fault("locked", count=1)),
        ("locked=3@/shop/fetch", Fault("locked", count=3, app="/shop/fetch")),
        ("never-healthy@shop", Fault("never-healthy", app="/shop")),
        ("slow-fetch=2.5", Fault("slow-fetch", seconds=2.5)),
        ("slow-answers=0.2s", Fault("slow-answers", seconds=0.2)),
        ("lost-leader=5s", Fault("lost-leader", seconds=5.0)),
        ("lost-leader=2", Fault("lost-leader", count=2)),
    ],
)
def test_a_fault_is_a_name_a_value_and_an_app(text: str, fault: Fault) -> None:
    assert parse(text) == fault


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("locket", "one of disk-full, dropped-events"),
        ("locked=", "a whole number from 1"),
        ("locked=0", "a whole number from 1"),
        ("locked=2s", "a whole number from 1"),
        ("slow-fetch=fast", "seconds, e.g. 2.5"),
        ("lost-leader=1.5", "seconds with an s"),
        ("lost-leader=2@/a", "concerns no single app"),
        ("locked@/A_b", "is no app id"),
        ("", "is no fault"),
    ],
)
def test_anything_else_is_refused_with_what_would_do(text: str, said: str) -> None:
    with pytest.raises(FaultError, match=said):
        parse(text)


def test_faults_of_a_file_come_and_go_with_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "faults"
    faults = Faults.of([], path)
    assert faults.find("locked") is None
    path.write_text("# now\nlocked=1@/a\n\n")
    assert faults.find("locked", "/b") is None
    assert faults.take("locked", "/a", where="here") is not None
    assert faults.find("locked", "/a") is None
    path.write_text("locked=2\nnonsense\n")
    assert faults.find("locked", "/a") is None
    path.write_text("locked=2@/a\n")
    assert faults.find("locked", "/a") is not None
    path.unlink()
    assert faults.find("locked", "/a") is None
    path.write_text("nonsense\n")
    with pytest.raises(FaultError, match=f"{path}: 'nonsense' is no fault"):
        Faults.of([], path)


async def test_a_lost_leader_is_502_in_html_for_so_many_requests_and_ends_event_streams(
    tmp_path: Path,
) -> None:
    async with a_cluster(tmp_path, **_with("lost-leader=2")) as cluster:
        faults = cluster.marathon.settings.faults
        held, faults.ordered = faults.ordered, []
        headers = {"Accept": "text/event-stream"}
        async with cluster.session.get(f"{cluster.url}/v2/events", headers=headers) as stream:
            faults.ordered = held
            answers = [await cluster.call("GET", "/v2/apps") for _ in range(3)]
            await asyncio.wait_for(stream.read(), 5)
        assert [each.status for each in answers] == [502, 502, 200]
        assert "<title>Error 502 Bad Gateway</title>" in answers[0].body
        assert answers[0].headers["Content-Type"].startswith("text/html")


async def test_a_leader_lost_for_a_time_is_back_after_it(tmp_path: Path) -> None:
    now = [0.0]
    faults = Faults([parse("lost-leader=5s")], clock=lambda: now[0])
    async with a_cluster(tmp_path, faults=faults) as cluster:
        assert (await cluster.call("GET", "/v2/apps")).status == 502
        now[0] = 4.9
        assert (await cluster.call("GET", "/v2/apps")).status == 502
        assert (await cluster.call("GET", "/ping")).status == 200
        now[0] = 5.0
        assert (await cluster.call("GET", "/v2/apps")).status == 200


async def test_a_held_lock_refuses_so_many_changes_but_no_reads_and_nothing_forced(tmp_path: Path) -> None:
    async with a_cluster(tmp_path, **_with("locked=2@/a")) as cluster:
        body = {**SLEEP, "instances": 0}
        assert (await cluster.call("GET", "/v2/apps")).status == 200
        assert (await cluster.call("PUT", "/v2/apps/b", body)).status == 201
        assert (await cluster.call("PUT", "/v2/apps/a?force=true", body)).status == 201
        refused = await cluster.call("PUT", "/v2/apps/a", body)
        assert refused.status == 409
        assert refused.body["message"].startswith("App is locked by one or more deployments.")
        assert len(refused.body["deployments"]) == 1
        assert (await cluster.call("PATCH", "/v2/apps/a", {"instances": 0})).status == 409
        assert (await cluster.call("PUT", "/v2/apps/a", body)).status == 200


async def test_a_lost_answer_leaves_the_change_done(tmp_path: Path) -> None:
    async with a_cluster(tmp_path, **_with("lost-answer")) as cluster:
        with pytest.raises(aiohttp.ClientError):
            await cluster.call("POST", "/v2/apps", {"id": "/a", **SLEEP, "instances": 0})
        assert (await cluster.app("/a"))["id"] == "/a"
        assert (await cluster.call("PUT", "/v2/apps/a", {**SLEEP, "instances": 0})).status == 200


async def test_slow_answers_take_their_time(tmp_path: Path) -> None:
    async with a_cluster(tmp_path, **_with("slow-answers=0.3@/a")) as cluster:
        began = time.monotonic()
        await cluster.call("GET", "/v2/apps/b")
        between = time.monotonic()
        await cluster.call("GET", "/v2/apps/a/versions")
        assert time.monotonic() - between >= 0.3 > between - began


async def test_an_unauthorized_client_is_told_how_to_ask(tmp_path: Path) -> None:
    async with a_cluster(tmp_path, **_with("unauthorized=1")) as cluster:
        refused = await cluster.call("GET", "/v2/apps")
        assert refused.status == 401
        assert refused.headers["WWW-Authenticate"] == 'Basic realm="Mesosphere"'
        assert (await cluster.call("GET", "/v2/apps")).status == 200


async def test_an_event_stream_is_dropped_after_so_many_events(tmp_path: Path) -> None:
    async with a_cluster(tmp_path, **_with("dropped-events=2")) as cluster:
        headers = {"Accept": "text/event-stream"}
        async with cluster.session.get(f"{cluster.url}/v2/events", headers=headers) as stream:
            await cluster.put("/a", **SLEEP)
            text = (await asyncio.wait_for(stream.read(), 5)).decode()
        assert text.count("event: ") == 2


async def test_a_task_that_is_never_healthy_holds_its_deployment_and_leaves_the_old_ones_alone(
    tmp_path: Path,
) -> None:
    async with a_cluster(tmp_path) as cluster:
        await cluster.deploy("/a", **SLEEP)
        (old,) = await cluster.running("/a", 1)
        cluster.marathon.settings.faults.order(parse("never-healthy@/a"))
        stuck = await cluster.put("/a", cmd="exec sleep 61")
        tasks = await cluster.running("/a", 2)
        assert old["id"] in {each["id"] for each in tasks}
        (deployment,) = (await cluster.call("GET", "/v2/deployments")).body
        assert deployment["id"] == stuck.body["deploymentId"]


async def test_a_task_that_is_never_healthy_is_killed_by_its_check(tmp_path: Path) -> None:
    check = {
        "protocol": "COMMAND", "command": {"value": "true"},
        "gracePeriodSeconds": 0, "intervalSeconds": 1, "maxConsecutiveFailures": 1,
    }  # fmt: skip
    async with a_cluster(tmp_path, **_with("never-healthy=1")) as cluster:
        await cluster.put("/a", **SLEEP, healthChecks=[check])
        failure = await cluster.failure("/a")
        assert failure["state"] == "TASK_KILLED"

        async def healthy() -> bool:
            return (await cluster.app("/a"))["tasksHealthy"] == 1

        await until(healthy, "the next task to be healthy")


async def test_a_slow_fetch_keeps_a_task_staging(tmp_path: Path) -> None:
    async with a_cluster(tmp_path, **_with("slow-fetch=60@/slow")) as cluster:
        await cluster.put("/slow", **SLEEP)
        await cluster.deploy("/other", **SLEEP)
        assert [each["state"] for each in await cluster.tasks("/slow")] == ["TASK_STAGING"]


async def test_a_failed_pull_fails_the_task_in_dockers_words(tmp_path: Path) -> None:
    an_image(tmp_path / "images", "1f")
    source = a_tarball(tmp_path / "code.tar.gz", {"app/x": "x"})
    async with a_cluster(tmp_path, **_with("failed-pull=1")) as cluster:
        await cluster.put("/a", **SLEEP, container=docker(), fetch=[{"uri": source.as_uri()}])
        failure = await cluster.failure("/a")
        assert failure["state"] == "TASK_FAILED"
        assert "pull registry.example:5000/team/worker:1f" in failure["message"]
        await cluster.running("/a", 1)


async def test_a_full_disk_fails_the_fetch_and_the_sandbox_says_why(tmp_path: Path) -> None:
    source = a_tarball(tmp_path / "code.tar.gz", {"app/x": "x"})
    async with a_cluster(tmp_path, **_with("disk-full=1@/a")) as cluster:
        await cluster.put("/a", **SLEEP, fetch=[{"uri": source.as_uri()}])
        failure = await cluster.failure("/a")
        assert "Failed to fetch all URIs for container" in failure["message"]
        assert "No space left on device" in (cluster.sandbox(failure["taskId"]) / "stderr").read_text()
        await cluster.running("/a", 1)


async def test_the_agent_of_the_nth_task_is_lost_and_the_task_runs_elsewhere(tmp_path: Path) -> None:
    async with a_cluster(tmp_path, machines=2, **_with("lost-agent=2@/b")) as cluster:
        await cluster.deploy("/a", **SLEEP)
        await cluster.put("/b", **SLEEP, instances=2, constraints=[["zone", "GROUP_BY"]])

        async def moved() -> bool:
            tasks = [each for each in await cluster.tasks("/b") if each["state"] == "TASK_RUNNING"]
            return len(tasks) == 2 and len({each["host"] for each in tasks}) == 1

        await until(moved, "both tasks on the machine that is left")
