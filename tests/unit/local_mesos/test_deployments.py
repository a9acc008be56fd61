"""Deployments carried out with real tasks: scale, restart, locks, rollback, kill."""

import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil

from tests.unit.local_mesos.support import Cluster, a_cluster, until

SLEEP = "exec sleep 60"
STUBBORN = "trap '' TERM; echo ready; while :; do sleep 0.1; done"


def _ids(tasks: list[dict[str, Any]]) -> set[str]:
    return {each["id"] for each in tasks}


def _processes(task_ids: set[str]) -> list[psutil.Process]:
    """Living processes that carry one of the task ids in their environment."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        try:
            if (
                process.environ().get("MESOS_TASK_ID") in task_ids
                and process.status() != psutil.STATUS_ZOMBIE
            ):
                found.append(process)
        except psutil.Error:
            continue
    return found


async def test_an_app_is_scaled_up_and_down_without_touching_what_stays(cluster: Cluster) -> None:
    await cluster.deploy("/a", cmd=SLEEP)
    (first,) = await cluster.running("/a", 1)
    await cluster.deploy("/a", cmd=SLEEP, instances=3)
    three = await cluster.running("/a", 3)
    assert first["id"] in _ids(three)
    await cluster.deploy("/a", cmd=SLEEP, instances=1)
    assert _ids(await cluster.running("/a", 1)) == {first["id"]}  # the youngest went first
    await cluster.deploy("/a", cmd=SLEEP, instances=0)
    assert await cluster.tasks("/a") == []
    assert not _processes(_ids(three))


async def test_an_unchanged_put_restarts_nothing_even_while_the_app_is_held(cluster: Cluster) -> None:
    await cluster.deploy("/a", cmd=SLEEP)
    before = _ids(await cluster.running("/a", 1))
    await cluster.deploy("/a", cmd=SLEEP)
    assert _ids(await cluster.running("/a", 1)) == before
    await cluster.put("/stuck", cmd=SLEEP, cpus=1000)
    await cluster.deploy("/stuck", cmd=SLEEP, cpus=1000)


async def test_a_change_of_configuration_replaces_every_task(cluster: Cluster) -> None:
    await cluster.deploy("/a", cmd=SLEEP, instances=2)
    old = _ids(await cluster.running("/a", 2))
    await cluster.deploy("/a", cmd=SLEEP, instances=2, env={"RELEASE": "2"})
    new = _ids(await cluster.running("/a", 2))
    assert not old & new
    assert {each["version"] for each in await cluster.tasks("/a")} == {(await cluster.app("/a"))["version"]}


async def test_a_restart_replaces_every_task_and_moves_only_the_time_of_configuration(
    cluster: Cluster,
) -> None:
    await cluster.deploy("/a", cmd=SLEEP)
    old, before = _ids(await cluster.running("/a", 1)), await cluster.app("/a")
    answer = await cluster.call("POST", "/v2/apps/a/restart")
    await cluster.settled(answer.body["deploymentId"])
    after = await cluster.app("/a")
    assert not old & _ids(await cluster.running("/a", 1))
    assert after["versionInfo"]["lastScalingAt"] == before["versionInfo"]["lastScalingAt"]
    assert after["versionInfo"]["lastConfigChangeAt"] == after["version"] > before["version"]


async def test_a_single_worker_without_spare_capacity_never_runs_twice(cluster: Cluster) -> None:
    strategy = {"minimumHealthCapacity": 0, "maximumOverCapacity": 0}
    await cluster.deploy("/a", cmd=SLEEP, upgradeStrategy=strategy)
    seen: Counter[int] = Counter()
    answer = await cluster.put("/a", cmd="exec sleep 61", upgradeStrategy=strategy)

    async def done() -> bool:
        seen[len([each for each in await cluster.tasks("/a") if each["state"] == "TASK_RUNNING"])] += 1
        return not (await cluster.call("GET", "/v2/deployments")).body

    await until(done, answer.body["deploymentId"])
    assert max(seen) == 1


async def test_a_held_app_is_409_until_force_takes_it_over(cluster: Cluster) -> None:
    stuck = await cluster.put("/a", cmd=SLEEP, cpus=1000)
    holder = stuck.body["deploymentId"]
    refused = await cluster.call("PUT", "/v2/apps/a", {"cpus": 0.1})
    assert refused.status == 409
    assert refused.body["deployments"] == [{"id": holder}]
    assert refused.body["message"].startswith("App is locked by one or more deployments.")
    other = await cluster.deploy("/b", cmd=SLEEP)
    assert other.status == 201
    forced = await cluster.call("PUT", "/v2/apps/a?force=true", {"cpus": 0.1})
    assert forced.status == 200
    await cluster.settled(forced.body["deploymentId"])
    assert holder not in {each["id"] for each in (await cluster.call("GET", "/v2/deployments")).body}
    await cluster.running("/a", 1)


async def test_rolling_back_puts_an_updated_app_back_and_removes_a_created_one(cluster: Cluster) -> None:
    await cluster.deploy("/a", cmd=SLEEP)
    bad = await cluster.put("/a", cmd="exit 3", backoffSeconds=0)
    answer = await cluster.call("DELETE", f"/v2/deployments/{bad.body['deploymentId']}")
    assert answer.status == 200
    await cluster.settled(answer.body["deploymentId"])
    assert (await cluster.app("/a"))["cmd"] == SLEEP
    await cluster.running("/a", 1)
    created = await cluster.put("/new", cmd=SLEEP, cpus=1000)
    answer = await cluster.call("DELETE", f"/v2/deployments/{created.body['deploymentId']}")
    await cluster.settled(answer.body["deploymentId"])
    assert (await cluster.call("GET", "/v2/apps/new")).status == 404


async def test_a_crashing_release_gives_way_to_a_better_one(cluster: Cluster) -> None:
    strategy = {"minimumHealthCapacity": 0.5, "maximumOverCapacity": 0}
    await cluster.put("/a", cmd="exit 3", instances=2, upgradeStrategy=strategy)
    await cluster.failure("/a")
    answer = await cluster.put("/a", "?force=true", cmd=SLEEP, instances=2, upgradeStrategy=strategy)
    await cluster.settled(answer.body["deploymentId"])
    await cluster.running("/a", 2)


async def test_a_forced_stop_of_a_deployment_leaves_the_app_as_it_is(cluster: Cluster) -> None:
    stuck = await cluster.put("/a", cmd=SLEEP, cpus=1000)
    answer = await cluster.call("DELETE", f"/v2/deployments/{stuck.body['deploymentId']}?force=true")
    assert (answer.status, answer.body) == (202, "")
    assert (await cluster.app("/a"))["cpus"] == 1000
    assert (await cluster.call("GET", "/v2/deployments")).body == []


async def test_a_deleted_app_is_gone_with_its_tasks(cluster: Cluster) -> None:
    await cluster.deploy("/a", cmd=SLEEP, instances=2)
    tasks = _ids(await cluster.running("/a", 2))
    answer = await cluster.call("DELETE", "/v2/apps/a")
    await cluster.settled(answer.body["deploymentId"])
    assert (await cluster.call("GET", "/v2/apps/a")).status == 404
    assert (await cluster.call("GET", "/v2/tasks")).body == {"tasks": []}
    assert not _processes(tasks)


async def test_a_killed_task_comes_back_as_the_next_attempt_of_its_instance(cluster: Cluster) -> None:
    await cluster.deploy("/a", cmd=SLEEP)
    (task,) = await cluster.running("/a", 1)
    answer = await cluster.call("DELETE", f"/v2/apps/a/tasks/{task['id']}")
    assert answer.body["task"]["id"] == task["id"]
    assert (await cluster.call("GET", "/v2/deployments")).body == []

    async def relaunched() -> bool:
        return _ids(await cluster.running("/a", 1)) == {task["id"].removesuffix("1") + "2"}

    await until(relaunched, "the second attempt")
    assert "lastTaskFailure" not in await cluster.app("/a")
    gone = await cluster.call("DELETE", f"/v2/apps/a/tasks/{task['id']}")
    assert gone.status == 404


async def test_a_wiped_task_is_replaced_by_another_instance(cluster: Cluster) -> None:
    await cluster.deploy("/a", cmd=SLEEP)
    (task,) = await cluster.running("/a", 1)
    await cluster.call("POST", "/v2/tasks/delete?wipe=true", {"ids": [task["id"]]})

    async def replaced() -> bool:
        (other,) = await cluster.running("/a", 1)
        return other["id"].split("._app")[0] != task["id"].split("._app")[0]

    await until(replaced, "another instance")


async def test_killing_with_scale_takes_the_named_tasks_and_lowers_instances(cluster: Cluster) -> None:
    await cluster.deploy("/a", cmd=SLEEP, instances=3)
    oldest = (await cluster.running("/a", 3))[0]["id"]
    answer = await cluster.call("POST", "/v2/tasks/delete?scale=true", {"ids": [oldest]})
    await cluster.settled(answer.body["deploymentId"])
    assert oldest not in _ids(await cluster.running("/a", 2))
    assert (await cluster.app("/a"))["instances"] == 2
    both = await cluster.call("POST", "/v2/tasks/delete?scale=true&wipe=true", {"ids": [oldest]})
    assert both.status == 400
    assert (await cluster.call("POST", "/v2/tasks/delete", {"ids": ["nonsense"]})).status == 400


async def test_a_task_killed_while_it_comes_up_is_reported_and_replaced(cluster: Cluster) -> None:
    await cluster.put("/a", cmd=SLEEP, instances=4)
    await cluster.call("DELETE", "/v2/apps/a/tasks")
    await cluster.call("DELETE", "/v2/apps/a/tasks")
    await cluster.running("/a", 4)


async def test_a_process_that_dies_is_started_again_after_the_backoff(cluster: Cluster) -> None:
    await cluster.deploy("/a", cmd=SLEEP, backoffSeconds=1)
    (task,) = await cluster.running("/a", 1)
    (process,) = _processes({task["id"]})
    process.kill()
    failure = await cluster.failure("/a")
    assert failure["message"] == "Container exited with status 137"
    assert (failure["state"], failure["taskId"]) == ("TASK_FAILED", task["id"])
    (waiting,) = (await cluster.call("GET", "/v2/queue")).body["queue"]
    assert waiting["app"]["id"] == "/a"
    assert waiting["count"] == 1
    assert waiting["delay"] == {"timeLeftSeconds": 1, "overdue": False}
    assert (await cluster.call("DELETE", "/v2/queue//a/delay")).status == 204
    started = time.monotonic()
    (again,) = await cluster.running("/a", 1)
    assert again["id"] != task["id"]
    assert time.monotonic() - started < 0.8  # the delay was reset
    assert (await cluster.call("DELETE", "/v2/queue//a/delay")).status == 404


async def test_sigterm_ignored_ends_in_sigkill_after_the_grace_and_not_before(cluster: Cluster) -> None:
    await cluster.deploy("/a", cmd=STUBBORN, taskKillGracePeriodSeconds=1)
    (task,) = await cluster.running("/a", 1)
    await cluster.output(task["id"], "ready")
    started = time.monotonic()
    answer = await cluster.call("DELETE", "/v2/apps/a")
    assert {each["state"] for each in (await cluster.call("GET", "/v2/tasks")).body["tasks"]} == {
        "TASK_KILLING"
    }
    await cluster.settled(answer.body["deploymentId"])
    assert 0.9 < time.monotonic() - started < 3
    assert not _processes({task["id"]})


async def test_whatever_a_task_leaves_behind_ends_with_it(cluster: Cluster) -> None:
    await cluster.deploy("/a", cmd="sleep 60 & setsid sleep 60 & echo ready; exec sleep 60")
    (task,) = await cluster.running("/a", 1)
    await cluster.output(task["id"], "ready")

    async def all_there() -> bool:
        return len(_processes({task["id"]})) == 3

    await until(all_there, "three processes")
    answer = await cluster.call("DELETE", "/v2/apps/a")
    await cluster.settled(answer.body["deploymentId"])
    assert not _processes({task["id"]})


async def test_an_app_too_large_waits_in_the_queue_with_the_reason(cluster: Cluster) -> None:
    await cluster.put("/big", cmd=SLEEP, cpus=12345)
    await cluster.put("/far", cmd=SLEEP, constraints=[["zone", "LIKE", "elsewhere"]])

    async def both() -> bool:
        queue = (await cluster.call("GET", "/v2/queue")).body["queue"]
        return len(queue) == 2 and all(
            each["processedOffersSummary"]["processedOffersCount"] for each in queue
        )

    await until(both, "two waiting apps")
    queue = {each["app"]["id"]: each for each in (await cluster.call("GET", "/v2/queue")).body["queue"]}
    for app_id, reason in {"/big": "InsufficientCpus", "/far": "UnfulfilledConstraint"}.items():
        item = queue[app_id]
        assert set(item) == {"count", "role", "delay", "since", "processedOffersSummary", "app"}
        assert item["delay"] == {"timeLeftSeconds": 0, "overdue": True}
        declined = {
            each["reason"]: each for each in item["processedOffersSummary"]["rejectSummaryLastOffers"]
        }
        assert declined[reason]["declined"] == declined[reason]["processed"] == 1


async def test_dependencies_come_up_before_what_needs_them(cluster: Cluster) -> None:
    apps = [
        {"id": "/web", "cmd": SLEEP, "cpus": 0.1, "mem": 16, "dependencies": ["/db"]},
        {"id": "/db", "cmd": SLEEP, "cpus": 0.1, "mem": 16},
    ]
    answer = await cluster.call("PUT", "/v2/apps", apps)
    (listed,) = (await cluster.call("GET", "/v2/deployments")).body
    assert [[each["app"] for each in step["actions"]] for step in listed["steps"][1:]] == [["/db"], ["/web"]]
    await cluster.settled(answer.body["deploymentId"])
    (db,), (web,) = await cluster.running("/db", 1), await cluster.running("/web", 1)
    assert db["startedAt"] <= web["stagedAt"]


async def test_a_restart_waits_for_the_health_check_of_the_new_task(cluster: Cluster) -> None:
    flag = cluster.work_dir / "healthy"
    command = {"value": f"test -e {flag}"}
    check = {"protocol": "COMMAND", "command": command, "intervalSeconds": 1, "gracePeriodSeconds": 60}
    await cluster.put("/a", cmd=SLEEP, healthChecks=[check])
    await cluster.running("/a", 1)
    app = await cluster.app("/a")
    assert (app["tasksHealthy"], app["tasksUnhealthy"], len(app["deployments"])) == (0, 0, 1)
    flag.touch()
    await cluster.settled(app["deployments"][0]["id"])
    assert (await cluster.app("/a"))["tasksHealthy"] == 1
    (task,) = await cluster.tasks("/a")
    (result,) = task["healthCheckResults"]
    assert result["alive"] is True
    assert "taskId" not in result


async def test_a_task_whose_check_keeps_failing_is_killed_and_says_why(cluster: Cluster) -> None:
    check = {"protocol": "TCP", "intervalSeconds": 1, "gracePeriodSeconds": 0, "maxConsecutiveFailures": 1}
    await cluster.put("/a", cmd=SLEEP, healthChecks=[check])
    failure = await cluster.failure("/a")
    assert failure["state"] == "TASK_KILLED"
    assert "health check" in failure["message"]


async def test_a_lost_machine_takes_its_tasks_along_and_they_run_elsewhere(tmp_path: Path) -> None:
    async with a_cluster(tmp_path, machines=2) as cluster:
        await cluster.deploy("/a", cmd=SLEEP, instances=2, constraints=[["hostname", "GROUP_BY"]])
        tasks = await cluster.running("/a", 2)
        assert {each["host"] for each in tasks} == {"127.0.2.1", "127.0.2.2"}
        lost = next(
            each for each in cluster.marathon.scheduler.agents.values() if each.machine.host == "127.0.2.2"
        )
        gone = _ids([each for each in tasks if each["host"] == "127.0.2.2"])
        await cluster.marathon.remove_machine(lost, "reclaimed")
        assert not _processes(gone)

        async def moved() -> bool:
            now = await cluster.running("/a", 2)
            return {each["host"] for each in now} == {"127.0.2.1"} and not _ids(now) & gone

        await until(moved, "both tasks on the machine that is left")
        assert not {each.split("._app")[0] for each in gone} & {
            each["id"].split("._app")[0] for each in await cluster.tasks("/a")
        }


async def test_an_app_that_forbids_it_is_not_replaced_when_its_machine_is_lost(tmp_path: Path) -> None:
    async with a_cluster(tmp_path, machines=2) as cluster:
        await cluster.deploy("/a", cmd=SLEEP, unreachableStrategy="disabled")
        (task,) = await cluster.running("/a", 1)
        await cluster.marathon.remove_machine(cluster.marathon.scheduler.agents[task["slaveId"]], "reclaimed")
        (lost,) = await cluster.tasks("/a")
        assert (lost["id"], lost["state"]) == (task["id"], "TASK_UNREACHABLE")
        assert not _processes({task["id"]})
        answer = await cluster.call("DELETE", "/v2/apps/a")
        await cluster.settled(answer.body["deploymentId"])
        assert (await cluster.call("GET", "/v2/tasks")).body == {"tasks": []}


async def test_nothing_survives_the_end_of_the_cluster(tmp_path: Path) -> None:
    async with a_cluster(tmp_path, shutdown_grace_s=0.3) as cluster:
        await cluster.deploy("/a", cmd=STUBBORN)
        (task,) = await cluster.running("/a", 1)
        await cluster.output(task["id"], "ready")
    assert not _processes({task["id"]})
