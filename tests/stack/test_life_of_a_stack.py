"""The real engine against the local stack: what an operator does to an environment, from nothing to nothing."""

from __future__ import annotations

import json
import time

import pytest
from botocore.exceptions import ClientError

from tests.stack.conftest import Deployment

APPS = ["/crawler/fetch", "/crawler/parse", "/crawler/plan", "/crawler/store"]
TASKS_TIMEOUT_S = 60.0


def await_tasks(deployed: Deployment) -> None:
    """Return once every app has all of its tasks running."""
    deadline = time.monotonic() + TASKS_TIMEOUT_S
    while any(app["tasksRunning"] != app["instances"] for app in deployed.marathon().apps()):
        assert time.monotonic() < deadline, deployed.marathon().apps()
        time.sleep(0.1)


def test_up_provisions_the_environment_and_its_apps_run(deployed: Deployment) -> None:
    outputs = deployed.outputs()
    apps = {app["id"]: app for app in deployed.marathon().apps()}
    assert sorted(apps) == APPS
    assert all(app["tasksRunning"] == app["instances"] for app in apps.values())
    redrive = deployed.client("sqs").get_queue_attributes(
        QueueUrl=outputs["queueUrls"]["fetch"], AttributeNames=["RedrivePolicy", "FifoQueue"]
    )["Attributes"]
    assert redrive["FifoQueue"] == "true"
    assert json.loads(redrive["RedrivePolicy"])["deadLetterTargetArn"].endswith("-fetch-dead.fifo")
    key = f"releases/{outputs['release']}.tar.gz"
    assert deployed.client("s3").head_object(Bucket=outputs["artifactBucket"], Key=key)["ContentLength"] > 0


def test_a_second_up_changes_nothing_and_restarts_no_task(deployed: Deployment) -> None:
    before = {t["id"] for a in APPS for t in deployed.marathon().app(a)["tasks"]}
    deployed.up("--expect-no-changes")
    assert {t["id"] for a in APPS for t in deployed.marathon().app(a)["tasks"]} == before


def test_refresh_sees_what_was_changed_and_deleted_by_hand_and_up_mends_it(deployed: Deployment) -> None:
    deployed.disturb()
    sqs, urls = deployed.client("sqs"), deployed.outputs()["queueUrls"]
    sqs.set_queue_attributes(QueueUrl=urls["parse"], Attributes={"VisibilityTimeout": "33"})
    sqs.delete_queue(QueueUrl=urls["store"])
    deployed.marathon().delete_app("/crawler/plan")
    deployed.run("refresh", "--yes", "--skip-preview")
    planned = deployed.preview()
    assert (planned["queues-parse"], planned["queues-store"], planned["apps-plan"]) == (
        "update",
        "create",
        "create",
    )
    assert "queues-fetch" not in planned
    deployed.up()
    attributes = sqs.get_queue_attributes(QueueUrl=urls["parse"], AttributeNames=["VisibilityTimeout"])
    assert attributes["Attributes"]["VisibilityTimeout"] == "20"
    assert deployed.marathon().app("/crawler/plan")["tasksRunning"] == 1
    assert deployed.client("sqs").get_queue_attributes(QueueUrl=urls["store"], AttributeNames=["QueueArn"])


def test_default_tags_reach_what_can_be_tagged(deployed: Deployment) -> None:
    url = deployed.outputs()["queueUrls"]["plan"]
    tags = deployed.client("sqs").list_queue_tags(QueueUrl=url)["Tags"]
    assert tags == {"Project": "trawler", "Stack": "local"}


def test_mistakes_of_the_stack_file_are_clear_errors_without_a_traceback(deployed: Deployment) -> None:
    deployed.configure(crawlr={}, fleet=None)
    said = deployed.run("preview", expect=255)
    assert "trawler:crawlr: unknown key; did you mean 'crawler'?" in said
    assert "trawler:fleet" in said
    assert "Traceback" not in said


def test_changed_settings_update_or_replace_what_they_concern_and_nothing_else(deployed: Deployment) -> None:
    marathon, before = deployed.marathon(), deployed.outputs()
    others = {t["id"] for a in APPS[1:] for t in marathon.app(a)["tasks"]}
    fleet = {
        **deployed.tracked["config"]["trawler:fleet"],
        "instanceTypes": {"c5.large": 1, "m5.xlarge": 2, "r5.large": 1},
    }
    deployed.configure(pagesExpireDays=7, instances={"fetch": 3}, fleet=fleet)
    assert deployed.preview() == {
        "storage-pages-lifecycle": "update",
        "apps-fetch": "update",
        "fleet-request": "replace",
        "autoscaling-target": "replace",
        "autoscaling-demand": "replace",
    }
    deployed.up()
    rules = deployed.client("s3").get_bucket_lifecycle_configuration(Bucket=before["pagesBucket"])
    assert rules["Rules"][0]["Expiration"]["Days"] == 7
    # The old machines went when the new ones were there, and their tasks with them: each runs again.
    await_tasks(deployed)
    assert marathon.app("/crawler/fetch")["tasksRunning"] == 3
    assert not others & {t["id"] for a in APPS[1:] for t in marathon.app(a)["tasks"]}
    requests = deployed.client("ec2").describe_spot_fleet_requests()["SpotFleetRequestConfigs"]
    active = {r["SpotFleetRequestId"] for r in requests if r["SpotFleetRequestState"] == "active"}
    assert active == {deployed.outputs()["fleetRequest"]}
    assert active != {before["fleetRequest"]}


def test_destroy_leaves_nothing_behind(stack: Deployment) -> None:
    if stack.applied is None:
        stack.configure()
        stack.up("--refresh")
    deployed, outputs = stack, stack.outputs()
    deployed.disturb()
    deployed.run("destroy", "--yes", "--skip-preview")
    assert deployed.marathon().apps() == []
    assert "QueueUrls" not in deployed.client("sqs").list_queues()
    assert deployed.client("dynamodb").list_tables()["TableNames"] == []
    with pytest.raises(ClientError, match="404"):
        deployed.client("s3").head_bucket(Bucket=outputs["artifactBucket"])
    instances = deployed.client("ec2").describe_instances()["Reservations"]
    assert {i["State"]["Name"] for r in instances for i in r["Instances"]} <= {"terminated"}
