"""Agents that fall silent and come back, as after a partition of the network."""

from pathlib import Path

from tests.unit.local_mesos.support import Cluster, a_cluster, until

SLEEP = "exec sleep 600"


async def _states(cluster: Cluster, app_id: str) -> list[str]:
    return [each["state"] for each in await cluster.tasks(app_id)]


async def test_an_agent_that_is_back_in_time_has_its_tasks_as_they_were_and_tells_what_ended(
    tmp_path: Path,
) -> None:
    async with a_cluster(tmp_path) as cluster:
        marathon = cluster.marathon
        await cluster.deploy("/a", cmd=SLEEP)
        await cluster.deploy(
            "/b", cmd=f"while [ ! -e {tmp_path}/go ]; do sleep 0.02; done; exit 3", backoffSeconds=60
        )
        (a,), (b,) = await cluster.tasks("/a"), await cluster.tasks("/b")
        (agent,) = marathon.agents()
        marathon.lose_agent(agent, "by order")
        assert marathon.agents() == []
        (tmp_path / "go").touch()

        async def ended() -> bool:
            return b["id"] not in agent.tasks()

        await until(ended, "the end of the task")
        assert await cluster.tasks("/b") == [b]  # nobody has heard of it yet
        marathon.return_agent(agent)
        assert await cluster.tasks("/a") == [a]
        assert (await cluster.failure("/b"))["message"] == "Container exited with status 3"


async def test_tasks_of_an_agent_that_stays_silent_are_replaced_and_ended_when_it_is_back(
    tmp_path: Path,
) -> None:
    async with a_cluster(tmp_path, machines=2, agent_timeout_s=0.1) as cluster:
        marathon = cluster.marathon
        await cluster.deploy("/a", cmd=SLEEP)
        (old,) = await cluster.tasks("/a")
        agent = marathon.scheduler.agents[old["slaveId"]]
        marathon.lose_agent(agent, "by order")

        async def replaced() -> bool:
            tasks = await cluster.tasks("/a")
            return [each["state"] for each in tasks] == ["TASK_RUNNING"] and tasks[0]["id"] != old["id"]

        await until(replaced, "a replacement")
        assert list(agent.tasks()) == [old["id"]]  # it runs on, and nobody can tell it to end
        marathon.return_agent(agent)

        async def ended() -> bool:
            return not agent.tasks()

        await until(ended, "the old task to end")
        assert await _states(cluster, "/a") == ["TASK_RUNNING"]


async def test_an_unreachable_task_that_nobody_replaced_runs_again_under_its_id(tmp_path: Path) -> None:
    patient = {"inactiveAfterSeconds": 60, "expungeAfterSeconds": 120}
    async with a_cluster(tmp_path, agent_timeout_s=0.1) as cluster:
        marathon = cluster.marathon
        await cluster.deploy("/a", cmd=SLEEP, unreachableStrategy=patient)
        before = await cluster.tasks("/a")
        (agent,) = marathon.agents()
        marathon.lose_agent(agent, "by order")

        async def unreachable() -> bool:
            return await _states(cluster, "/a") == ["TASK_UNREACHABLE"]

        await until(unreachable, "the task to be unreachable")
        marathon.return_agent(agent)
        assert await cluster.tasks("/a") == before


async def test_a_kill_ordered_while_the_agent_is_silent_reaches_it_when_it_is_back(tmp_path: Path) -> None:
    async with a_cluster(tmp_path) as cluster:
        marathon = cluster.marathon
        await cluster.deploy("/a", cmd=SLEEP)
        (agent,) = marathon.agents()
        marathon.lose_agent(agent, "by order")
        deleted = await cluster.call("DELETE", "/v2/apps/a")
        assert len((await cluster.call("GET", "/v2/deployments")).body) == 1
        assert len(agent.tasks()) == 1
        marathon.return_agent(agent)
        await cluster.settled(deleted.body["deploymentId"])
        assert not agent.tasks()
