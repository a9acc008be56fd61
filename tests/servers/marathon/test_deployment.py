"""What becomes of an app, its earlier version and the person who waits, when a deployment goes well or badly."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from infra.marathon.client import (
    AppNotFound,
    DeploymentId,
    MarathonClient,
    MarathonUnreachable,
    NotAllowed,
)
from infra.marathon.errors import DeploymentCancelled, DeploymentFailedError, DeploymentReplaced
from tests.servers.marathon.support import CHECK, SLEEP, a_site

OTHER = "exec sleep 2000"
CRASH = "echo the $LIBRARY is missing >&2; exit 3"


async def test_lines_tell_of_tasks_as_they_come(tmp_path: Path) -> None:
    async with a_site(tmp_path) as site:
        version = await site.deploy("/a", instances=2, healthChecks=[CHECK])
        assert version == (await site.cluster.app("/a"))["version"]
        assert site.lines[-1] == "app /a: 0 staged, 2 running, 2 healthy of 2"


async def test_a_crash_at_start_ends_the_wait_early_says_why_and_the_earlier_version_is_back(
    tmp_path: Path,
) -> None:
    async with a_site(tmp_path) as site:
        before = await site.deploy("/a")
        with pytest.raises(DeploymentFailedError) as failed:
            await site.deploy(
                "/a", by=site.deployer(timeout_s=60, crash_limit=2), cmd=CRASH, env={"LIBRARY": "libfoo"}
            )
        told = str(failed.value)
        assert "app /a: 2 new tasks failed in a row" in told
        assert "TASK_FAILED on 127.0.2.1: Container exited with status 3" in told
        assert "  | the libfoo is missing" in told
        assert f"the version of {before} was put back, 1 of 1 tasks run" in told
        assert (await site.cluster.app("/a"))["cmd"] == SLEEP


async def test_a_log_never_shows_what_a_variable_named_like_a_secret_holds(tmp_path: Path) -> None:
    async with a_site(tmp_path) as site:
        fields = {"cmd": "echo using $API_TOKEN >&2; exit 1", "env": {"API_TOKEN": "hunter2hunter2"}}
        with pytest.raises(DeploymentFailedError) as failed:
            await site.deploy("/a", by=site.deployer(crash_limit=1), **fields)
        assert "  | using [secret]" in str(failed.value)
        assert "hunter2" not in str(failed.value)


async def test_old_tasks_work_on_while_new_ones_never_turn_healthy(tmp_path: Path) -> None:
    async with a_site(tmp_path) as site:
        await site.deploy("/a", instances=2, healthChecks=[CHECK])
        old = await site.running("/a")
        site.faults.write_text("never-healthy=2\n")
        deploying = asyncio.create_task(
            site.deploy("/a", by=site.deployer(timeout_s=2), instances=2, healthChecks=[CHECK], cmd=OTHER)
        )
        await site.said("2 running, 0 healthy of 2; 2 of the earlier version still run")
        assert old < await site.running("/a")
        with pytest.raises(DeploymentFailedError, match=r"not running after 2 s(.|\n)*health check of"):
            await deploying
        app = await site.cluster.app("/a")
        assert (app["cmd"], app["tasksHealthy"]) == (SLEEP, 2)


async def test_an_app_without_offers_says_what_it_lacks_and_a_new_one_is_deleted_again(
    tmp_path: Path,
) -> None:
    async with a_site(tmp_path) as site:
        with pytest.raises(DeploymentFailedError) as failed:
            await site.deploy("/a", by=site.deployer(timeout_s=1), cpus=1000)
        assert "offers were declined: InsufficientCpus" in str(failed.value)
        assert "it was not there before, so it was deleted again" in str(failed.value)
        with pytest.raises(AppNotFound):
            await asyncio.to_thread(site.client.app, "/a")


async def test_of_two_deploys_at_once_the_later_waits_and_stands(tmp_path: Path) -> None:
    async with a_site(tmp_path) as site:
        await site.deploy("/a", cmd="trap 'sleep 1; exit 0' TERM; while :; do sleep 0.1; done")
        first = asyncio.create_task(site.deploy("/a", cmd="exec sleep 3000"))
        await site.said("1 of the earlier version still run")
        second = asyncio.create_task(site.deploy("/a", cmd=OTHER))
        await site.said("held by deployment")
        earlier, later = await asyncio.gather(first, second, return_exceptions=True)
        assert isinstance(later, str)
        assert isinstance(earlier, str | DeploymentReplaced)
        assert (await site.cluster.app("/a"))["cmd"] == OTHER
        assert len(await site.versions("/a")) == 3


async def test_a_holder_that_does_not_end_is_named_and_nothing_was_changed(tmp_path: Path) -> None:
    async with a_site(tmp_path) as site:
        before = await site.deploy("/a")
        held = await site.cluster.put("/a", cmd=SLEEP, cpus=1000)
        with pytest.raises(DeploymentFailedError) as failed:
            await site.deploy("/a", by=site.deployer(timeout_s=1), cmd=OTHER)
        assert held.body["deploymentId"] in str(failed.value)
        assert "Nothing was changed" in str(failed.value)
        assert len(await site.versions("/a")) == 2, before


async def test_a_deployment_that_was_superseded_puts_nothing_back(tmp_path: Path) -> None:
    async with a_site(tmp_path) as site:
        await site.deploy("/a")
        deploying = asyncio.create_task(site.deploy("/a", cmd=OTHER, cpus=1000))
        await site.said("1 of the earlier version still run")
        await site.cluster.put("/a", "?force=true", cmd="exec sleep 3000")
        with pytest.raises(DeploymentReplaced, match="superseded"):
            await deploying
        assert (await site.cluster.app("/a"))["cmd"] == "exec sleep 3000"


async def test_a_deployment_that_somebody_cancels_is_told_and_undone(tmp_path: Path) -> None:
    async with a_site(tmp_path) as site:
        await site.deploy("/a")
        deploying = asyncio.create_task(
            site.deploy("/a", by=site.deployer(timeout_s=60), cmd=OTHER, cpus=1000)
        )
        await site.said("1 of the earlier version still run")
        (deployment,) = (await site.cluster.call("GET", "/v2/deployments")).body
        await site.cluster.call("DELETE", f"/v2/deployments/{deployment['id']}?force=true")
        with pytest.raises(DeploymentFailedError, match="cancelled by somebody"):
            await deploying
        assert (await site.cluster.app("/a"))["cmd"] == SLEEP


async def test_told_to_stop_the_wait_ends_and_the_earlier_version_is_put_back(tmp_path: Path) -> None:
    async with a_site(tmp_path) as site:
        await site.deploy("/a")
        deploying = asyncio.create_task(
            site.deploy("/a", by=site.deployer(timeout_s=60), cmd=OTHER, cpus=1000)
        )
        await site.said("1 of the earlier version still run")
        site.stop.set()
        with pytest.raises(DeploymentCancelled, match=r"was put back; its deployment .* is under way"):
            await asyncio.wait_for(deploying, 3)
        assert (await site.cluster.app("/a"))["cmd"] == SLEEP


async def test_a_scaled_app_is_created_with_none_and_keeps_what_the_scaler_gave_it(tmp_path: Path) -> None:
    async with a_site(tmp_path) as site:
        by = site.deployer(scaled=True)
        await site.deploy("/a", by=by, instances=7)
        assert (await site.cluster.app("/a"))["instances"] == 0
        await site.cluster.call("PUT", "/v2/apps/a", {"instances": 2})
        await site.cluster.running("/a", 2)
        await site.deploy("/a", by=by, instances=7, cmd=OTHER)
        app = await site.cluster.app("/a")
        assert (app["instances"], app["tasksRunning"], app["cmd"]) == (2, 2, OTHER)


async def test_instances_that_move_between_read_and_put_stay_moved(tmp_path: Path) -> None:
    class Raced(MarathonClient):
        """The scaler is faster, once."""

        raced = False

        def put_app(self, app_id: str, app: Mapping[str, Any], *, force: bool = False) -> DeploymentId:
            if not self.raced:
                self.raced = True
                scaled = {**self.version(app_id, self.app(app_id)["version"]), "instances": 3}
                kept = {key: scaled[key] for key in ("id", "cmd", "cpus", "mem", "instances")}
                super().put_app(app_id, kept, force=True)
            return super().put_app(app_id, app, force=force or self.raced)

    async with a_site(tmp_path) as site:
        await site.deploy("/a", instances=1)
        await site.deploy("/a", by=site.deployer(client=Raced([site.cluster.url]), scaled=True), cmd=OTHER)
        app = await site.cluster.app("/a")
        assert (app["instances"], app["tasksRunning"], app["cmd"]) == (3, 3, OTHER)
        assert "app /a: scaled to 3 meanwhile, which stays" in site.lines


async def test_a_scale_that_forces_its_way_does_not_leave_old_tasks_behind(tmp_path: Path) -> None:
    async with a_site(tmp_path) as site:
        await site.deploy("/a", healthChecks=[CHECK])
        site.faults.write_text("never-healthy=1\n")
        deploying = asyncio.create_task(
            site.deploy("/a", by=site.deployer(scaled=True), healthChecks=[CHECK], cmd=OTHER)
        )
        await site.said("1 running, 0 healthy of 1; 1 of the earlier version still run")
        await site.cluster.call("PUT", "/v2/apps/a?force=true", {"instances": 2})
        await deploying
        app = await site.cluster.app("/a")
        assert (app["instances"], app["tasksHealthy"], app["cmd"]) == (2, 2, OTHER)
        assert len(await site.running("/a")) == 2


async def test_a_lost_answer_starts_no_second_deployment(tmp_path: Path) -> None:
    async with a_site(tmp_path, "lost-answer=1") as site:
        version = await site.deploy("/a")
        assert await site.versions("/a") == [version]


@pytest.mark.parametrize("fault", ["lost-leader=2", "locked=1", "slow-answers=0.3"])
async def test_what_passes_is_waited_out(tmp_path: Path, fault: str) -> None:
    async with a_site(tmp_path, fault) as site:
        await site.deploy("/a")
        assert (await site.cluster.app("/a"))["tasksRunning"] == 1


async def test_a_failed_pull_is_told_in_the_agents_words(tmp_path: Path) -> None:
    image = {"type": "DOCKER", "docker": {"image": "registry.example:5000/team/worker:1f"}}
    async with a_site(tmp_path, "failed-pull") as site:
        with pytest.raises(DeploymentFailedError, match=r"last failure: TASK_FAILED .*pull"):
            await site.deploy("/a", by=site.deployer(crash_limit=1), container=image)


async def test_wrong_credentials_are_told_with_the_setting_and_not_tried_again(tmp_path: Path) -> None:
    async with a_site(tmp_path, "unauthorized") as site:
        with pytest.raises(NotAllowed, match=r"HTTP 401.*credentialsSecret"):
            await site.deploy("/a")


async def test_a_marathon_that_falls_silent_meanwhile_is_told_with_what_goes_on_there(tmp_path: Path) -> None:
    class Cut(MarathonClient):
        """The network goes after the PUT."""

        is_cut = False

        def put_app(self, app_id: str, app: Mapping[str, Any], *, force: bool = False) -> DeploymentId:
            made = super().put_app(app_id, app, force=force)
            self.is_cut = True
            return made

        def app(self, app_id: str) -> dict[str, Any]:
            if self.is_cut:
                raise MarathonUnreachable("GET /v2/apps/a: no Marathon server answered")
            return super().app(app_id)

    async with a_site(tmp_path) as site:
        by = site.deployer(client=Cut([site.cluster.url]), timeout_s=0.5)
        with pytest.raises(DeploymentFailedError, match=r"can no longer be asked(.|\n)*goes on there"):
            await site.deploy("/a", by=by)
        assert (await site.cluster.app("/a"))["cmd"] == SLEEP
