"""What an agent shows of its sandboxes, and what it keeps to itself."""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from local.mesos.operator.agent_servers import AgentServers
from tests.unit.local_mesos.support import Cluster, a_cluster, a_machine


class AgentPage:
    """A client of one agent."""

    def __init__(self, cluster: Cluster, url: str) -> None:
        self.cluster, self.url = cluster, url

    async def get(self, endpoint: str, /, **query: object) -> tuple[int, Any]:
        params = {key: str(value) for key, value in query.items()}
        async with self.cluster.session.get(self.url + endpoint, params=params) as response:
            is_json = response.content_type == "application/json"
            return response.status, await response.json() if is_json else await response.text()

    async def directory(self, task_id: str) -> str:
        """Where the sandbox of a task is, as a stranger finds it."""
        _, state = await self.get("/state")
        for framework in [*state["frameworks"], *state["completed_frameworks"]]:
            for executor in [*framework["executors"], *framework["completed_executors"]]:
                if executor["id"] == task_id:
                    return executor["directory"]
        raise AssertionError(f"{task_id} is not in {state}")


@asynccontextmanager
async def an_agent(folder: Path, port: int) -> AsyncGenerator[AgentPage]:
    async with a_cluster(folder) as cluster:
        servers = AgentServers(cluster.marathon, port, None)
        await servers.follow()
        try:
            yield AgentPage(cluster, f"http://127.0.2.1:{port}")
        finally:
            await servers.close()


async def test_the_end_of_a_failed_tasks_stderr_can_be_read(tmp_path: Path, unused_tcp_port: int) -> None:
    async with an_agent(tmp_path, unused_tcp_port) as agent:
        await agent.cluster.put("/a", cmd="echo first >&2; echo the cause >&2; exit 3", backoffSeconds=60)
        failure = await agent.cluster.failure("/a")
        directory = await agent.directory(failure["taskId"])
        path = f"{directory}/stderr"
        status, size = await agent.get("/files/read", path=path, offset=-1)
        assert (status, size) == (200, {"data": "", "offset": 16})
        assert await agent.get("/files/read", path=path, offset=6, length=100) == (
            200, {"data": "the cause\n", "offset": 6}
        )  # fmt: skip
        assert (await agent.get("/files/read.json", path=path, offset=99))[1] == {"data": "", "offset": 99}
        _, listed = await agent.get("/files/browse", path=directory)
        assert {"stderr", "stdout"} <= {os.path.basename(each["path"]) for each in listed}  # noqa: PTH119


async def test_a_running_task_is_an_executor_and_an_ended_one_a_completed_one(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    async with an_agent(tmp_path, unused_tcp_port) as agent:
        await agent.cluster.deploy("/a", cmd="exec sleep 60")
        (task,) = await agent.cluster.running("/a", 1)
        _, state = await agent.get("/slave(1)/state")
        (framework,) = state["frameworks"]
        (executor,) = framework["executors"]
        assert [each["id"] for each in executor["tasks"]] == [task["id"]]
        assert executor["directory"] == str(agent.cluster.sandbox(task["id"]))
        deleted = await agent.cluster.call("DELETE", "/v2/apps/a")
        await agent.cluster.settled(deleted.body["deploymentId"])
        _, state = await agent.get("/state")
        assert state["frameworks"] == []
        assert [each["id"] for each in state["completed_frameworks"][0]["completed_executors"]] == [
            task["id"]
        ]


async def test_nothing_but_this_agents_sandboxes_can_be_read(tmp_path: Path, unused_tcp_port: int) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hunter2")
    async with an_agent(tmp_path, unused_tcp_port) as agent:
        await agent.cluster.deploy(
            "/a", cmd=f"ln -s {secret} out; ln -s / top; mkfifo pipe; echo up; exec sleep 60"
        )
        (task,) = await agent.cluster.running("/a", 1)
        await agent.cluster.output(task["id"], "up")
        directory = await agent.directory(task["id"])
        sandbox = Path("slaves/other-S1/frameworks/f/executors/t/runs/r")
        other = agent.cluster.work_dir / sandbox
        other.mkdir(parents=True)
        (other / "stdout").write_text("hunter2")
        for path in (
            str(secret), f"{directory}/out", f"{directory}/../../../../../../../../../secret", f"{directory}/none",
            f"{directory}/top/etc/passwd", str(other / "stdout"), "/", "/etc/passwd", f"{directory}/..",
        ):  # fmt: skip
            for kind in ("read", "browse"):
                assert await agent.get(f"/files/{kind}", path=path, offset=0) == (404, ""), path
        for path in ("stdout", "../x", f"{directory}/\0", ""):
            assert (await agent.get("/files/read", path=path, offset=0))[0] == 400
        assert (await agent.get("/files/read", path=f"{directory}/pipe", offset=0))[0] == 400
        assert (await agent.get("/files/read", path=directory, offset=0))[0] == 400
        assert (await agent.get("/files/read", path=f"{directory}/stdout", offset=-2))[0] == 400
        assert (await agent.get("/files/read", path=f"{directory}/stdout", length="x"))[0] == 400


async def test_agents_are_served_for_as_long_as_they_are_there(tmp_path: Path, unused_tcp_port: int) -> None:
    async with an_agent(tmp_path, unused_tcp_port) as agent:
        servers = AgentServers(agent.cluster.marathon, unused_tcp_port, None)
        await servers.follow()  # the port is taken: said in the log, and that is all
        second = agent.cluster.marathon.add_machine(a_machine(1))
        await servers.follow()
        there = AgentPage(agent.cluster, f"http://127.0.2.2:{unused_tcp_port}")
        assert (await there.get("/state"))[1]["id"] == second.id
        await agent.cluster.marathon.remove_machine(second, "gone")
        await servers.follow()
        with pytest.raises(aiohttp.ClientError):
            await there.get("/health")
        await servers.close()
