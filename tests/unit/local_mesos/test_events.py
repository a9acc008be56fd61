"""The event stream, as a client on the wire sees it."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from tests.unit.local_mesos.support import DEADLINE_S, Cluster


class Stream:
    """Events as they come."""

    def __init__(self, lines: asyncio.StreamReader | Any) -> None:
        self._lines = lines

    async def next(self) -> dict[str, Any]:
        name = ""
        while True:
            line = (await asyncio.wait_for(self._lines.readline(), DEADLINE_S)).decode()
            assert line.endswith("\r\n"), f"the stream ended: {line!r}"
            if line.startswith("event: "):
                name = line.removeprefix("event: ").strip()
            if line.startswith("data: "):
                event = json.loads(line.removeprefix("data: "))
                assert event["eventType"] == name
                return event

    async def until(self, event_type: str) -> list[dict[str, Any]]:
        """All events up to and with the first of a type."""
        events = [await self.next()]
        while events[-1]["eventType"] != event_type:
            events.append(await self.next())
        return events


@asynccontextmanager
async def a_stream(cluster: Cluster, query: str = "") -> AsyncGenerator[Stream]:
    headers = {"Accept": "text/event-stream"}
    async with cluster.session.get(f"{cluster.url}/v2/events{query}", headers=headers) as response:
        assert response.status == 200
        assert response.content_type == "text/event-stream"
        yield Stream(response.content)


async def test_a_listener_hears_of_itself_then_of_a_whole_deployment(cluster: Cluster) -> None:
    async with a_stream(cluster) as stream:
        assert (await stream.next())["eventType"] == "event_stream_attached"
        await cluster.put("/a", cmd="exec sleep 60")
        events = await stream.until("deployment_success")
        types = [each["eventType"] for each in events]
        for wanted in ("deployment_info", "deployment_step_success", "status_update_event", "api_post_event"):
            assert wanted in types
        statuses = [each["taskStatus"] for each in events if each["eventType"] == "status_update_event"]
        assert statuses == ["TASK_STARTING", "TASK_RUNNING"]
        assert set(events[-1]["plan"]) == {"id", "version", "steps"}
        await cluster.call("DELETE", "/v2/apps/a")
        assert (await stream.until("app_terminated_event"))[-1]["appId"] == "/a"


async def test_a_listener_may_ask_for_some_types_only(cluster: Cluster) -> None:
    query = "?event_type=deployment_success&event_type=deployment_failed"
    async with a_stream(cluster, query) as stream:
        stuck = await cluster.put("/a", cmd="exec sleep 60", cpus=1000)
        answer = await cluster.call("DELETE", f"/v2/deployments/{stuck.body['deploymentId']}")
        failed, succeeded = await stream.next(), await stream.next()
    assert (failed["eventType"], failed["id"]) == ("deployment_failed", stuck.body["deploymentId"])
    assert (succeeded["eventType"], succeeded["id"]) == ("deployment_success", answer.body["deploymentId"])


async def test_the_stream_wants_its_own_accept_header(cluster: Cluster) -> None:
    assert (await cluster.call("GET", "/v2/events")).status == 405
