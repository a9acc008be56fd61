"""Tasks that are accepted and not started: what a deployment sees of them."""

import time
from pathlib import Path

from tests.unit.local_mesos.support import a_cluster, until

APP = {
    "cmd": "touch started",
    "instances": 2,
    "cpus": 64,
    "mem": 500_000,
    "container": {"type": "DOCKER", "docker": {"image": "nowhere/worker:none"}},
    "fetch": [{"uri": "http://127.0.0.1:9/release.tar.gz"}],
    "healthChecks": [{"protocol": "HTTP", "path": "/health", "portIndex": 0, "intervalSeconds": 30}],
    "readinessChecks": [{"path": "/ready", "portName": "api"}],
    "portDefinitions": [{"port": 0, "name": "api"}],
}


def _any(folder: Path, name: str) -> bool:
    return any(folder.rglob(name))


async def test_tasks_run_and_are_healthy_without_image_file_or_process(tmp_path: Path) -> None:
    async with a_cluster(tmp_path, start_tasks=False) as cluster:
        started = time.monotonic()
        await cluster.deploy("/a", **APP)
        tasks = await cluster.running("/a", 2)
        assert time.monotonic() - started < 5
        assert all(each["healthCheckResults"][0]["alive"] for each in tasks)
        assert (await cluster.app("/a"))["tasksHealthy"] == 2
        assert not _any(tmp_path, "started")


async def test_a_changed_app_rolls_and_a_deleted_one_leaves_at_once(tmp_path: Path) -> None:
    async with a_cluster(tmp_path, start_tasks=False) as cluster:
        await cluster.deploy("/a", **APP)
        before = {each["id"] for each in await cluster.tasks("/a")}
        await cluster.deploy("/a", **APP, env={"COLOUR": "blue"}, taskKillGracePeriodSeconds=60)
        after = {each["id"] for each in await cluster.running("/a", 2)}
        assert not before & after

        started = time.monotonic()
        await cluster.settled((await cluster.call("DELETE", "/v2/apps/a")).body["deploymentId"])

        async def gone() -> bool:
            return (await cluster.call("GET", "/v2/apps/a")).status == 404

        await until(gone, "the app to be gone")
        assert time.monotonic() - started < 5
