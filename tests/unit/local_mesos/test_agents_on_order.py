"""The Mesos master's operator API, and what draining does to tasks."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from local.mesos.operator.master import master_application
from local.mesos.rest.credentials import Credentials
from local.mesos.rest.server import listening
from tests.unit.local_mesos.support import Cluster, a_cluster, until

SLEEP: dict[str, Any] = {"cmd": "exec sleep 60"}
#: Ends on SIGTERM only after its grace.
STUBBORN: dict[str, Any] = {
    "cmd": "trap '' TERM; echo up; while :; do sleep 0.1; done",
    "taskKillGracePeriodSeconds": 30,
}


class Master:
    """A client of the operator API."""

    def __init__(self, cluster: Cluster, url: str) -> None:
        self.cluster, self.url = cluster, url

    async def call(self, kind: str, **arguments: object) -> tuple[int, Any]:
        body = {"type": kind, **({kind.lower(): arguments} if arguments else {})}
        async with self.cluster.session.post(f"{self.url}/api/v1", json=body) as response:
            is_json = response.content_type == "application/json"
            return response.status, await response.json() if is_json else await response.text()

    async def agents(self) -> list[dict[str, Any]]:
        _, answer = await self.call("GET_AGENTS")
        return answer["get_agents"]["agents"]

    async def id_of(self, host: str) -> str:
        found = [each["agent_info"] for each in await self.agents()]
        return next(each["id"]["value"] for each in found if each["hostname"] == host)


@asynccontextmanager
async def a_master(
    folder: Path, machines: int = 2, principal: Credentials | None = None
) -> AsyncGenerator[Master]:
    async with a_cluster(folder, machines) as cluster:
        application = master_application(cluster.marathon.master, principal, 5051)
        async with listening(application, 0) as port:
            yield Master(cluster, f"http://127.0.0.1:{port}")


async def test_agents_are_listed_with_what_they_have(tmp_path: Path) -> None:
    async with a_master(tmp_path, 1) as master:
        await master.cluster.deploy("/a", **SLEEP)
        (agent,) = await master.agents()
        assert (agent["active"], agent["deactivated"], "drain_info" in agent) == (True, False, False)
        assert agent["agent_info"]["hostname"] == "127.0.2.1"
        assert {"name": "zone", "type": "TEXT", "text": {"value": "zone-0"}} in agent["agent_info"][
            "attributes"
        ]
        assert {"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.1}, "role": "*"} in agent[
            "allocated_resources"
        ]
        async with master.cluster.session.get(f"{master.url}/slaves") as response:
            (slave,) = (await response.json())["slaves"]
        assert slave["id"] == agent["agent_info"]["id"]["value"]
        assert slave["used_resources"]["cpus"] == 0.1


async def test_a_drained_agent_is_emptied_at_once_and_takes_nothing_until_it_is_taken_back(
    tmp_path: Path,
) -> None:
    async with a_master(tmp_path) as master:
        await master.cluster.deploy("/a", **SLEEP, instances=2, constraints=[["zone", "GROUP_BY"]])
        agent_id = await master.id_of("127.0.2.1")
        assert await master.call("DRAIN_AGENT", agent_id={"value": agent_id}) == (200, "")

        async def moved() -> bool:
            tasks = await master.cluster.tasks("/a")
            return [(each["host"], each["state"]) for each in tasks] == [("127.0.2.2", "TASK_RUNNING")] * 2

        await until(moved, "both tasks on the other agent")
        assert "lastTaskFailure" not in await master.cluster.app("/a")
        assert (await master.cluster.call("GET", "/v2/queue")).body == {"queue": []}
        drained = next(
            each for each in await master.agents() if each["agent_info"]["id"]["value"] == agent_id
        )
        assert drained["deactivated"] is True
        assert drained["drain_info"] == {"state": "DRAINED", "config": {"mark_gone": False}}
        assert await master.call("REACTIVATE_AGENT", agent_id={"value": agent_id}) == (200, "")
        await master.cluster.deploy("/b", **SLEEP, constraints=[["hostname", "CLUSTER", "127.0.2.1"]])


async def test_the_grace_of_a_drain_caps_that_of_the_tasks(tmp_path: Path) -> None:
    async with a_master(tmp_path, 1) as master:
        await master.cluster.deploy("/a", **STUBBORN)
        (task,) = await master.cluster.running("/a", 1)
        await master.cluster.output(task["id"], "up")
        (agent,) = await master.agents()
        order = {"agent_id": agent["agent_info"]["id"], "max_grace_period": {"seconds": 1}}
        assert (await master.call("DRAIN_AGENT", **order))[0] == 200
        (draining,) = await master.agents()
        assert draining["drain_info"]["state"] == "DRAINING"
        assert draining["drain_info"]["config"]["max_grace_period"] == {"nanoseconds": 1_000_000_000}
        back = await master.call("REACTIVATE_AGENT", agent_id=agent["agent_info"]["id"])
        assert back == (400, f"Agent {agent['agent_info']['id']['value']} is still in the DRAINING state")

        async def drained() -> bool:
            return (await master.agents())[0]["drain_info"]["state"] == "DRAINED"

        await until(drained, "the agent to be drained", 5)


async def test_a_drained_agent_that_is_marked_gone_is_gone_and_its_tasks_say_so(tmp_path: Path) -> None:
    async with a_master(tmp_path) as master:
        await master.cluster.deploy("/a", **SLEEP, constraints=[["hostname", "LIKE", "127.0.2.*"]])
        (task,) = await master.cluster.running("/a", 1)
        agent_id = await master.id_of(task["host"])
        await master.call("DRAIN_AGENT", agent_id={"value": agent_id}, mark_gone=True)

        async def gone() -> bool:
            return len(await master.agents()) == 1

        await until(gone, "the agent to go")
        failure = await master.cluster.failure("/a")
        assert failure["state"] == "TASK_GONE_BY_OPERATOR"
        (fresh,) = await master.cluster.running("/a", 1)
        assert fresh["host"] != task["host"]
        again = await master.call("REACTIVATE_AGENT", agent_id={"value": agent_id})
        assert again == (404, f"Unknown agent {agent_id}")


async def test_an_agent_marked_gone_loses_its_tasks_at_once(tmp_path: Path) -> None:
    async with a_master(tmp_path, 1) as master:
        await master.cluster.deploy("/a", **STUBBORN)
        (agent,) = await master.agents()
        assert await master.call("MARK_AGENT_GONE", agent_id=agent["agent_info"]["id"]) == (200, "")
        assert await master.agents() == []
        assert (await master.cluster.failure("/a"))["state"] == "TASK_GONE_BY_OPERATOR"


async def test_a_deactivated_agent_keeps_its_tasks_and_gets_no_more(tmp_path: Path) -> None:
    async with a_master(tmp_path, 1) as master:
        await master.cluster.deploy("/a", **SLEEP)
        (agent,) = await master.agents()
        await master.call("DEACTIVATE_AGENT", agent_id=agent["agent_info"]["id"])
        await master.cluster.put("/b", **SLEEP)
        assert await master.cluster.tasks("/b") == []
        assert len(await master.cluster.running("/a", 1)) == 1


@pytest.mark.parametrize(
    ("call", "status", "said"),
    [
        ({"type": "TEARDOWN"}, 501, "TEARDOWN is not served here"),
        ({}, 400, "Expecting 'type' to be present"),
        ([], 400, "Expecting 'type' to be present"),
        ({"type": "DRAIN_AGENT"}, 400, "Expecting 'drain_agent' to be present"),
        ({"type": "DRAIN_AGENT", "drain_agent": {"agent_id": {"value": 1}}}, 400, "must be a string"),
        ({"type": "DRAIN_AGENT", "drain_agent": {"agent_id": {"value": "x"}}}, 404, "Unknown agent x"),
        (
            {
                "type": "DRAIN_AGENT",
                "drain_agent": {"agent_id": {"value": "x"}, "max_grace_period": "90secs"},
            },
            400,
            "Expecting 'max_grace_period'",
        ),
    ],
)
async def test_any_other_call_is_refused_by_name(
    tmp_path: Path, call: object, status: int, said: str
) -> None:
    async with (
        a_master(tmp_path, 1) as master,
        master.cluster.session.post(f"{master.url}/api/v1", json=call) as response,
    ):
        assert response.status == status
        assert said in await response.text()


async def test_a_master_that_asks_for_a_credential_serves_nobody_else(tmp_path: Path) -> None:
    async with a_master(tmp_path, 1, Credentials("agents", "s3cret")) as master:
        assert (await master.call("GET_HEALTH"))[0] == 401
        headers = {"Authorization": "Basic YWdlbnRzOnMzY3JldA=="}
        async with master.cluster.session.post(
            f"{master.url}/api/v1", json={"type": "GET_HEALTH"}, headers=headers
        ) as response:
            assert await response.json() == {"type": "GET_HEALTH", "get_health": {"healthy": True}}


async def test_a_page_of_another_name_that_resolves_to_this_machine_is_refused(tmp_path: Path) -> None:
    async with a_master(tmp_path, 1) as master:
        for url in (f"{master.url}/slaves", f"{master.cluster.url}/v2/apps"):
            async with master.cluster.session.get(url, headers={"Host": "evil.example"}) as response:
                assert response.status == 403
