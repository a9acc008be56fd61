"""The real engine against the local stack: what an operator does to an environment, from nothing to nothing."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from tests.stack.conftest import Deployment

APPS = ["/crawler/fetch", "/crawler/parse", "/crawler/plan", "/crawler/store"]


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


def test_changed_settings_update_what_they_concern_and_nothing_else(deployed: Deployment) -> None:
    others = {t["id"] for a in APPS[1:] for t in deployed.marathon().app(a)["tasks"]}
    kept = {t["id"] for t in deployed.marathon().app("/crawler/fetch")["tasks"]}
    deployed.configure(pagesExpireDays=7, instances={"fetch": 3})
    assert deployed.preview() == {"storage-pages-lifecycle": "update", "apps-fetch": "update"}
    deployed.up()
    rules = deployed.client("s3").get_bucket_lifecycle_configuration(Bucket=deployed.outputs()["pagesBucket"])
    assert rules["Rules"][0]["Expiration"]["Days"] == 7
    fetch = deployed.marathon().app("/crawler/fetch")
    assert fetch["tasksRunning"] == 3
    assert kept <= {t["id"] for t in fetch["tasks"]}
    assert {t["id"] for a in APPS[1:] for t in deployed.marathon().app(a)["tasks"]} == others


def test_another_instance_type_replaces_the_fleet_and_what_names_it(deployed: Deployment) -> None:
    before = deployed.outputs()["fleetRequest"]
    fleet = deployed.tracked["config"]["trawler:fleet"]
    deployed.configure(fleet={**fleet, "instanceTypes": ["c5.large", "m5.xlarge"]})
    assert deployed.preview() == {
        "fleet-request": "replace",
        "autoscaling-target": "replace",
        "autoscaling-demand": "replace",
    }
    deployed.up()
    after = deployed.outputs()["fleetRequest"]
    assert after != before
    requests = deployed.client("ec2").describe_spot_fleet_requests()["SpotFleetRequestConfigs"]
    active = {r["SpotFleetRequestId"] for r in requests if r["SpotFleetRequestState"] == "active"}
    assert active == {after}


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


def test_destroy_leaves_nothing_but_the_releases_it_must_not_touch(deployed: Deployment) -> None:
    outputs = deployed.outputs()
    deployed.disturb()
    deployed.run("destroy", "--yes", "--skip-preview")
    assert deployed.marathon().apps() == []
    assert "QueueUrls" not in deployed.client("sqs").list_queues()
    assert deployed.client("dynamodb").list_tables()["TableNames"] == []
    with pytest.raises(ClientError, match="404"):
        deployed.client("s3").head_bucket(Bucket=outputs["artifactBucket"])
    instances = deployed.client("ec2").describe_instances()["Reservations"]
    assert {i["State"]["Name"] for r in instances for i in r["Instances"]} <= {"terminated"}
