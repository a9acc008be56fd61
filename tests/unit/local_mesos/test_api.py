"""What clients of the REST interface see: status codes, bodies, headers, normal form."""

import re
from typing import Any

import pytest

from tests.unit.local_mesos.support import Cluster

APP_KEYS = {
    "acceptedResourceRoles",
    "args",
    "backoffFactor",
    "backoffSeconds",
    "cmd",
    "constraints",
    "container",
    "cpus",
    "dependencies",
    "deployments",
    "disk",
    "env",
    "executor",
    "fetch",
    "gpus",
    "healthChecks",
    "id",
    "instances",
    "ipAddress",
    "killSelection",
    "labels",
    "lastTaskFailure",
    "maxLaunchDelaySeconds",
    "mem",
    "networks",
    "portDefinitions",
    "ports",
    "readinessCheckResults",
    "readinessChecks",
    "requirePorts",
    "residency",
    "role",
    "secrets",
    "storeUrls",
    "taskKillGracePeriodSeconds",
    "taskRateLimit",
    "taskStats",
    "tasks",
    "tasksHealthy",
    "tasksRunning",
    "tasksStaged",
    "tasksUnhealthy",
    "unreachableStrategy",
    "upgradeStrategy",
    "uris",
    "user",
    "version",
    "versionInfo",
}
ALWAYS = {
    "id",
    "backoffFactor",
    "backoffSeconds",
    "cpus",
    "disk",
    "executor",
    "instances",
    "labels",
    "maxLaunchDelaySeconds",
    "mem",
    "gpus",
    "networks",
    "requirePorts",
    "upgradeStrategy",
    "version",
    "versionInfo",
    "killSelection",
    "unreachableStrategy",
    "role",
}
TASK_KEYS = {
    "appId",
    "healthCheckResults",
    "host",
    "id",
    "ipAddresses",
    "localVolumes",
    "ports",
    "region",
    "role",
    "servicePorts",
    "slaveId",
    "stagedAt",
    "startedAt",
    "state",
    "version",
    "zone",
}
SLEEP: dict[str, Any] = {"cmd": "exec sleep 60", "cpus": 0.1, "mem": 16}
TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")


async def test_a_created_app_is_answered_201_and_its_deployment_is_there_before_the_answer(
    cluster: Cluster,
) -> None:
    answer = await cluster.call("POST", "/v2/apps", {"id": "/shop/fetch", **SLEEP})
    (listed,) = (await cluster.call("GET", "/v2/deployments")).body
    assert answer.status == 201
    assert answer.headers["Location"] == "/v2/apps/shop/fetch"
    (deployment,) = answer.body["deployments"]
    assert answer.headers["Marathon-Deployment-Id"] == deployment["id"]
    assert "versionInfo" not in answer.body
    assert answer.body["portDefinitions"][0]["port"] == 0
    assert set(listed) == {
        "id", "version", "affectedApps", "affectedPods", "steps", "currentActions", "currentStep", "totalSteps"
    }  # fmt: skip
    assert listed["id"] == deployment["id"]
    assert listed["totalSteps"] == 2
    assert [each["actions"][0]["action"] for each in listed["steps"]] == [
        "StartApplication",
        "ScaleApplication",
    ]
    await cluster.settled(deployment["id"])
    again = await cluster.call("POST", "/v2/apps", {"id": "/shop/fetch", **SLEEP})
    assert (again.status, again.body) == (409, {"message": "An app with id [/shop/fetch] already exists."})


async def test_reads_are_in_normal_form_without_keys_of_our_own(cluster: Cluster) -> None:
    await cluster.deploy("/a/b", cmd="exec sleep 60", env={})
    app = await cluster.app("/a/b")
    assert set(app) <= APP_KEYS
    assert set(app) >= ALWAYS | {"portDefinitions", "tasks", "tasksRunning", "deployments"}
    assert not {"env", "fetch", "args", "constraints", "uris", "ports", "user"} & set(app)
    assert None not in app.values()
    assert app["networks"] == [{"mode": "host"}]
    assert 10000 <= app["portDefinitions"][0]["port"] <= 20000
    assert (app["tasksRunning"], app["tasksHealthy"], app["tasksStaged"]) == (1, 0, 0)
    assert TIME.match(app["version"])
    assert app["versionInfo"] == {"lastScalingAt": app["version"], "lastConfigChangeAt": app["version"]}
    (listed,) = (await cluster.call("GET", "/v2/apps")).body["apps"]
    assert "tasks" not in listed
    assert listed["tasksRunning"] == 1


async def test_tasks_have_marathons_keys_and_ids(cluster: Cluster) -> None:
    await cluster.deploy("/a/b", cmd="exec sleep 60")
    (task,) = (await cluster.call("GET", "/v2/tasks")).body["tasks"]
    assert set(task) <= TASK_KEYS
    assert re.fullmatch(r"a_b\.instance-[0-9a-f-]{36}\._app\.1", task["id"])
    assert len(task["ports"]) == len(task["servicePorts"]) == 1
    assert TIME.match(task["stagedAt"])
    assert TIME.match(task["startedAt"])
    (of_app,) = await cluster.tasks("/a/b")
    assert of_app["servicePorts"] == []
    assert (await cluster.call("GET", "/v2/tasks?status=staging")).body == {"tasks": []}


@pytest.mark.parametrize(
    "path", ["/v2/apps//a/b", "/v2/apps/a/b/", "/v2/apps//a//b?force=False&embed=apps.tasks"]
)
async def test_an_id_may_be_written_with_any_slashes(cluster: Cluster, path: str) -> None:
    await cluster.put("/a/b", cmd="exec sleep 60", instances=0)
    answer = await cluster.call("GET", path)
    assert answer.status == 200
    assert answer.body["app"]["id"] == "/a/b"


async def test_lists_can_be_narrowed_by_id_cmd_and_label(cluster: Cluster) -> None:
    await cluster.put("/shop/fetch", cmd="exec sleep 60", instances=0, labels={"stage": "fetch"})
    await cluster.put("/other", cmd="echo Hello", instances=0)

    async def ids(query: str) -> list[str]:
        return [each["id"] for each in (await cluster.call("GET", f"/v2/apps?{query}")).body["apps"]]

    assert await ids("id=FETCH") == ["/shop/fetch"]
    assert await ids("cmd=hello") == ["/other"]
    assert await ids("label=stage==fetch") == ["/shop/fetch"]
    assert await ids("label=stage!=fetch") == ["/other"]
    refused = await cluster.call("GET", "/v2/apps?label=(")
    assert refused.status == 422
    below = await cluster.call("GET", "/v2/apps/shop/*")
    assert [each["id"] for each in below.body["*"]] == ["/shop/fetch"]


_VOLUME = {"containerPath": "/c", "hostPath": "h", "mode": "RO"}


def _with_volume(**fields: object) -> dict[str, Any]:
    volume = {key: value for key, value in (_VOLUME | fields).items() if value is not None}
    return {"id": "/x", "container": {"docker": {"image": "i"}, "volumes": [volume]}}


@pytest.mark.parametrize(
    ("document", "message", "path"),
    [
        pytest.param({"id": "/x", "cmd": 5}, "Invalid JSON", "/cmd", id="wrong-type"),
        pytest.param({"cmd": "sleep 1"}, "Invalid JSON", "/id", id="missing-id"),
        pytest.param(
            {"id": "/x", "cmd": "sleep 1", "instances": -1}, "Invalid JSON", "/instances", id="range"
        ),
        pytest.param(
            {"id": "/x", "cmd": "sleep 1", "cpus": "1"}, "Invalid JSON", "/cpus", id="number-as-string"
        ),
        pytest.param(
            {"id": "/x", "cmd": "sleep 1", "env": {"A": 1}}, "Invalid JSON", "/env/A", id="number-in-env"
        ),
        pytest.param({"id": "/X_y", "cmd": "sleep 1"}, "Object is not valid", "/id", id="id"),
        pytest.param({"id": "/a/tasks", "cmd": "sleep 1"}, "Object is not valid", "/id", id="reserved-id"),
        pytest.param({"id": "/x", "cmd": "s"}, "Object is not valid", "/cmd", id="one-character"),
        pytest.param({"id": "/x"}, "Object is not valid", "/", id="nothing-to-run"),
        pytest.param(
            {"id": "/x", "cmd": "sleep 1", "constraints": [["a", "NEAR"]]},
            "Object is not valid",
            "/constraints(0)",
            id="operator",
        ),
        pytest.param(
            _with_volume(hostPath=""),
            "Object is not valid",
            "/container/volumes(0)/hostPath",
            id="empty-host-path",
        ),
        pytest.param(
            _with_volume(mode=None), "Invalid JSON", "/container/volumes(0)/mode", id="volume-without-mode"
        ),
        pytest.param(
            {"id": "/x", "cmd": "sleep 1", "acceptedResourceRoles": ["z"]},
            "Object is not valid",
            "/acceptedResourceRoles",
            id="role",
        ),
    ],
)
async def test_a_bad_app_is_refused_with_the_path_of_what_is_wrong(
    cluster: Cluster, document: dict[str, Any], message: str, path: str
) -> None:
    answer = await cluster.call("POST", "/v2/apps", document)
    assert answer.status == 422
    assert answer.body["message"] == message
    assert path in {each["path"] for each in answer.body["details"]}
    assert all(each["errors"] for each in answer.body["details"])
    assert (await cluster.call("GET", "/v2/apps")).body == {"apps": []}


async def test_what_is_no_json_is_told_from_what_is_wrong_json(cluster: Cluster) -> None:
    kind = {"Content-Type": "application/json"}
    async with cluster.session.post(f"{cluster.url}/v2/apps", data="{", headers=kind) as bad:
        assert bad.status == 400
        body = await bad.json()
        assert body["message"] == "Invalid JSON"
        assert isinstance(body["details"], str)
    async with cluster.session.post(f"{cluster.url}/v2/apps", data="a=b") as form:
        assert form.status == 415
    answer = await cluster.call("GET", "/v2/apps", headers={"Accept": "image/png"})
    assert answer.status == 406


async def test_unknown_things_are_404_and_unknown_routes_500(cluster: Cluster) -> None:
    assert (await cluster.call("GET", "/v2/apps/nope")).body == {"message": "App '/nope' does not exist"}
    assert (await cluster.call("DELETE", "/v2/apps/nope")).status == 404
    assert (await cluster.call("PATCH", "/v2/apps/nope", {"instances": 1})).status == 404
    assert (await cluster.call("GET", "/v2/groups/nope")).status == 404
    gone = await cluster.call("DELETE", "/v2/deployments/nope")
    assert (gone.status, gone.body) == (404, {"message": "DeploymentPlan nope does not exist"})
    no_route = await cluster.call("GET", "/v2/nope")
    assert (no_route.status, no_route.body) == (500, {"message": "URI not found"})


async def test_every_answer_carries_marathons_headers(cluster: Cluster) -> None:
    for path in ("/v2/apps", "/v2/apps/nope", "/ping"):
        headers = (await cluster.call("GET", path)).headers
        assert headers["Cache-Control"] == "no-cache, no-store, must-revalidate"
        assert headers["X-Marathon-Leader"] == cluster.url


async def test_the_server_tells_of_itself(cluster: Cluster) -> None:
    assert (await cluster.call("GET", "/ping")).body == "pong"
    info = (await cluster.call("GET", "/v2/info")).body
    assert set(info) == {
        "name", "version", "buildref", "elected", "leader", "frameworkId", "marathon_config", "zookeeper_config",
        "http_config",
    }  # fmt: skip
    assert info["version"].startswith("1.11.")
    assert (await cluster.call("GET", "/v2/leader")).body == {"leader": cluster.url.removeprefix("http://")}
    await cluster.deploy("/a", cmd="exec sleep 60")
    gauges = (await cluster.call("GET", "/metrics")).body["gauges"]
    assert gauges["marathon.apps.active.gauge"]["value"] == 1
    group = (await cluster.call("GET", "/v2/groups")).body
    assert [each["id"] for each in group["apps"]] == ["/a"]


async def test_a_partial_update_replaces_given_fields_and_a_full_one_resets_the_rest(
    cluster: Cluster,
) -> None:
    await cluster.deploy("/a", cmd="exec sleep 60", env={"A": "1", "B": "2"}, instances=0, mem=33)
    await cluster.call("PUT", "/v2/apps/a", {"env": {"C": "3"}})
    app = await cluster.app("/a")
    assert (app["env"], app["mem"], app["instances"], app["cmd"]) == ({"C": "3"}, 33, 0, "exec sleep 60")
    await cluster.call("PUT", "/v2/apps/a", {"env": {}})
    assert "env" not in await cluster.app("/a")
    await cluster.call("PUT", "/v2/apps/a?partialUpdate=false", {"cmd": "exec sleep 62", "instances": 0})
    assert (await cluster.app("/a"))["mem"] == 128


async def test_a_read_that_is_put_back_whole_is_refused_for_its_version(cluster: Cluster) -> None:
    await cluster.put("/a", cmd="exec sleep 60", instances=0)
    app = await cluster.app("/a")
    assert (await cluster.call("PUT", "/v2/apps/a", app)).status == 422
    del app["version"], app["versionInfo"]
    assert (await cluster.call("PUT", "/v2/apps/a", app)).status == 200


async def test_an_earlier_version_can_be_read_and_put_back(cluster: Cluster) -> None:
    first = await cluster.deploy("/a", cmd="exec sleep 60", instances=0)
    await cluster.deploy("/a", cmd="exec sleep 61", instances=0)
    versions = (await cluster.call("GET", "/v2/apps/a/versions")).body["versions"]
    assert len(versions) == 2
    old = await cluster.call("GET", f"/v2/apps/a/versions/{first.body['version']}")
    assert old.body["cmd"] == "exec sleep 60"
    assert (await cluster.call("GET", "/v2/apps/a/versions/yesterday")).status == 422
    assert (await cluster.call("GET", "/v2/apps/a/versions/2001-01-01T00:00:00.000Z")).status == 404
    assert (await cluster.call("PUT", "/v2/apps/a", {"version": first.body["version"]})).status == 200
    assert (await cluster.app("/a"))["cmd"] == "exec sleep 60"


async def test_legacy_fields_are_turned_into_todays(cluster: Cluster) -> None:
    document: dict[str, Any] = {
        "id": "/old",
        "instances": 0,
        "cmd": "sleep 1",
        "uris": ["http://h/a.tgz", "http://h/a.bin"],
        "ports": [0],
        "container": {"type": "DOCKER", "docker": {"image": "i", "network": "HOST"}},
        "user": None,
    }
    assert (await cluster.call("POST", "/v2/apps", document)).status == 201
    app = await cluster.app("/old")
    assert [each["extract"] for each in app["fetch"]] == [True, False]
    assert app["networks"] == [{"mode": "host"}]
    assert len(app["portDefinitions"]) == 1
    assert "network" not in app["container"]["docker"]
    clash = await cluster.call("POST", "/v2/apps", document | {"id": "/o2", "fetch": [{"uri": "http://h/x"}]})
    assert clash.status == 422


async def test_apps_and_groups_may_not_share_an_id_and_dependencies_may_not_go_round(
    cluster: Cluster,
) -> None:
    await cluster.put("/a", cmd="exec sleep 60", instances=0)
    assert (await cluster.call("PUT", "/v2/apps/a/b", {**SLEEP, "instances": 0})).status == 422
    round_trip = [
        {"id": "/x", **SLEEP, "instances": 0, "dependencies": ["/y"]},
        {"id": "/y", **SLEEP, "instances": 0, "dependencies": ["/x"]},
    ]
    assert (await cluster.call("PUT", "/v2/apps", round_trip)).status == 422
    assert [each["id"] for each in (await cluster.call("GET", "/v2/apps")).body["apps"]] == ["/a"]
