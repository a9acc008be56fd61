"""Particulars of Marathon 1.11 that its clients meet sooner or later."""

from typing import Any

import pytest

from local.mesos.marathon.events import BUFFERED, EventBus
from tests.unit.local_mesos.support import Cluster, until
from tests.unit.local_mesos.test_events import a_stream

SLEEP: dict[str, Any] = {"cmd": "exec sleep 60"}


async def test_every_json_endpoint_gives_json_or_nothing(cluster: Cluster) -> None:
    for path in ("/v2/apps", "/v2/tasks", "/v2/queue", "/v2/groups", "/v2/info", "/v2/deployments"):
        answer = await cluster.call("GET", path, headers={"Accept": "text/plain"})
        assert (answer.status, answer.body) == (406, {"message": "Not Acceptable"}), path
    assert (await cluster.call("GET", "/ping", headers={"Accept": "application/json"})).body == "pong"
    assert (await cluster.call("GET", "/ping", headers={"Accept": "image/png"})).status == 204


async def test_the_front_page_leads_to_the_user_interface(cluster: Cluster) -> None:
    async with cluster.session.get(cluster.url, allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (302, "/ui/")
    assert (await cluster.call("GET", "/ui/")).headers["Content-Type"].startswith("text/html")


async def test_a_leader_that_abdicates_is_gone_for_a_moment(cluster: Cluster) -> None:
    async with a_stream(cluster) as stream:
        await stream.next()
        answer = await cluster.call("DELETE", "/v2/leader")
        assert (answer.status, answer.body) == (200, {"message": "Leadership abdicated"})
        assert (await cluster.call("GET", "/v2/leader")).status == 502
        with pytest.raises(AssertionError, match="the stream ended"):
            await stream.next()

    async def led() -> bool:
        return (await cluster.call("GET", "/v2/leader")).status == 200

    await until(led, "a leader")


async def test_statistics_of_tasks_come_when_asked_for(cluster: Cluster) -> None:
    await cluster.deploy("/a", **SLEEP)
    assert "tasksStats" not in await cluster.app("/a")
    stats = (await cluster.call("GET", "/v2/apps/a?embed=app.taskStats")).body["app"]["tasksStats"]
    assert set(stats) == {"startedAfterLastScaling", "withLatestConfig", "totalSummary"}
    summary = stats["totalSummary"]["stats"]
    assert summary["counts"] == {"staged": 0, "running": 1, "healthy": 0, "unhealthy": 0}
    assert 0 <= summary["lifeTime"]["medianSeconds"] < 60


async def test_the_queue_shows_the_offers_that_did_not_suit_when_asked_to(cluster: Cluster) -> None:
    await cluster.put("/a", **SLEEP, mem=100_000)
    (item,) = (await cluster.call("GET", "/v2/queue")).body["queue"]
    assert "lastUnusedOffers" not in item
    (item,) = (await cluster.call("GET", "/v2/queue?embed=lastUnusedOffers")).body["queue"]
    (unused,) = item["lastUnusedOffers"]
    assert unused["reason"] == ["InsufficientMemory"]
    assert unused["offer"]["hostname"] == "127.0.2.1"
    resources = {each["name"]: each for each in unused["offer"]["resources"]}
    assert resources["mem"]["scalar"] == 4096
    assert resources["ports"]["ranges"] == [{"begin": 32000, "end": 32049}]
    assert unused["offer"]["attributes"] == [{"name": "zone", "text": "zone-0"}]


async def test_every_step_of_a_deployment_is_announced_and_a_status_says_where(cluster: Cluster) -> None:
    async with a_stream(cluster) as stream:
        await cluster.put("/a", **SLEEP)
        events = await stream.until("deployment_success")
    steps = [
        (each["eventType"], each["currentStep"]["actions"][0]["action"])
        for each in events
        if each["eventType"].startswith("deployment_") and "currentStep" in each
    ]
    assert steps == [
        ("deployment_info", "StartApplication"),
        ("deployment_step_success", "StartApplication"),
        ("deployment_info", "ScaleApplication"),
        ("deployment_step_success", "ScaleApplication"),
    ]
    status = next(each for each in events if each["eventType"] == "status_update_event")
    assert status["ipAddresses"] == [{"ipAddress": "127.0.2.1", "protocol": "IPv4"}]


async def test_a_listener_that_is_too_slow_is_cut_off_after_what_is_buffered(cluster: Cluster) -> None:
    bus = EventBus()
    with bus.subscription("slow") as slow:
        for _ in range(BUFFERED + 10):
            bus.publish("x")
        taken = [slow.queue.get_nowait() for _ in range(slow.queue.qsize())]
    assert len(taken) == BUFFERED + 1
    assert taken[-1] is None


async def _healthy(cluster: Cluster, check: dict[str, Any], **fields: Any) -> None:
    await cluster.put("/a", healthChecks=[{"intervalSeconds": 1, **check}], **fields)

    async def healthy() -> bool:
        return (await cluster.app("/a"))["tasksHealthy"] == 1

    await until(healthy, "a healthy task")


async def test_a_command_check_runs_inside_the_task(cluster: Cluster) -> None:
    command = {"value": 'test "$GREETING" = hello && test -f made-by-the-task && test -n "$MESOS_SANDBOX"'}
    await _healthy(
        cluster, {"protocol": "COMMAND", "command": command},
        cmd="touch made-by-the-task; exec sleep 60", env={"GREETING": "hello"},
    )  # fmt: skip


async def test_a_command_check_that_hangs_is_ended_and_counts_as_failed(cluster: Cluster) -> None:
    check = {
        "protocol": "COMMAND", "command": {"value": "sleep 60"}, "timeoutSeconds": 1, "intervalSeconds": 1,
        "gracePeriodSeconds": 0, "maxConsecutiveFailures": 1,
    }  # fmt: skip
    await cluster.put("/a", **SLEEP, healthChecks=[check])
    failure = await cluster.failure("/a")
    assert "timed out after 1 s" in failure["message"]


async def test_a_tcp_check_wants_a_listener(cluster: Cluster) -> None:
    listen = (
        "import os, socket; s = socket.create_server((os.environ['HOST'], int(os.environ['PORT0']))); "
        "[s.accept() for _ in iter(int, 1)]"
    )
    await _healthy(cluster, {"protocol": "TCP"}, cmd=f'exec python3 -c "{listen}"')
    (task,) = await cluster.tasks("/a")
    (health,) = task["healthCheckResults"]
    assert set(health) == {"alive", "consecutiveFailures", "firstSuccess", "instanceId", "lastSuccess"}


async def test_limits_of_resources_are_kept_and_cleared_by_being_left_out(cluster: Cluster) -> None:
    limits = {"cpus": "unlimited", "mem": 64.0}
    await cluster.put("/a", cmd="exec sleep 60", instances=0, resourceLimits=limits)
    assert (await cluster.app("/a"))["resourceLimits"] == limits
    await cluster.put("/a", "?force=true", instances=0)
    assert "resourceLimits" not in await cluster.app("/a")


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"resourceLimits": {"mem": 8}}, "/resourceLimits/mem"),
        ({"check": {"tcp": {"port": 1}}}, "/check"),
        ({"healthChecks": [{"protocol": "MESOS_TCP"}, {"protocol": "MESOS_HTTP"}]}, "/healthChecks"),
        ({"healthChecks": [{"protocol": "HTTP", "ipProtocol": "IPv6"}]}, "/healthChecks(0)/ipProtocol"),
    ],
)
async def test_what_marathon_refuses_is_refused(cluster: Cluster, fields: dict[str, Any], path: str) -> None:
    answer = await cluster.call("PUT", "/v2/apps/a", {**SLEEP, "mem": 16, **fields})
    assert answer.status == 422
    assert path in {each["path"] for each in answer.body["details"]}
