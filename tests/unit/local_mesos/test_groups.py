"""Groups: read, made, changed as a whole, scaled, put back and deleted."""

from typing import Any

import pytest

from tests.unit.local_mesos.support import Cluster

IDLE: dict[str, Any] = {"cmd": "exec sleep 60", "cpus": 0.1, "mem": 16, "instances": 0}


async def _ids(cluster: Cluster) -> list[str]:
    return sorted(each["id"] for each in (await cluster.call("GET", "/v2/apps")).body["apps"])


async def _made(cluster: Cluster) -> str:
    """A group with an app and an inner group of one; its version."""
    inner = {"id": "inner", "apps": [{"id": "b", **IDLE}]}
    answer = await cluster.call(
        "POST", "/v2/groups", {"id": "shop", "apps": [{"id": "a", **IDLE}], "groups": [inner]}
    )
    assert answer.status == 201, answer.body
    assert set(answer.body) == {"version", "deploymentId"}
    assert answer.headers["Marathon-Deployment-Id"] == answer.body["deploymentId"]
    await cluster.settled(answer.body["deploymentId"])
    return answer.body["version"]


async def _changed(cluster: Cluster, method: str, path: str, body: object) -> None:
    answer = await cluster.call(method, path, body)
    assert answer.status in {200, 201}, answer.body
    await cluster.settled(answer.body["deploymentId"])


async def test_a_group_is_made_with_all_below_it_in_one_deployment(cluster: Cluster) -> None:
    await _made(cluster)
    assert await _ids(cluster) == ["/shop/a", "/shop/inner/b"]
    group = (await cluster.call("GET", "/v2/groups/shop")).body
    assert [each["id"] for each in group["apps"]] == ["/shop/a"]
    assert [each["id"] for each in group["groups"]] == ["/shop/inner"]
    assert "enforceRole" not in group
    twice = await cluster.call("POST", "/v2/groups", {"id": "/shop"})
    assert (twice.status, twice.body["message"]) == (
        409, "Group /shop is already created. Use PUT to change this group."
    )  # fmt: skip
    assert (await cluster.call("POST", "/v2/groups/shop", {"id": "a"})).status == 409


async def test_a_list_that_is_given_replaces_and_one_left_out_stays(cluster: Cluster) -> None:
    await _made(cluster)
    await _changed(cluster, "PUT", "/v2/groups/shop", {"apps": [{"id": "c", **IDLE}]})
    assert await _ids(cluster) == ["/shop/c", "/shop/inner/b"]
    await _changed(cluster, "PUT", "/v2/groups/shop", {"groups": [{"id": "inner"}, {"id": "empty"}]})
    assert await _ids(cluster) == ["/shop/c", "/shop/inner/b"]
    assert (await cluster.call("GET", "/v2/groups/shop/empty")).status == 200
    await _changed(cluster, "PUT", "/v2/groups/shop", {"groups": [{"id": "empty"}]})
    assert await _ids(cluster) == ["/shop/c"]
    assert (await cluster.call("GET", "/v2/groups/shop/inner")).status == 404


async def test_a_group_that_is_put_unchanged_changes_nothing(cluster: Cluster) -> None:
    await _made(cluster)
    before = await cluster.app("/shop/a")
    await _changed(cluster, "PUT", "/v2/groups/shop", {"apps": [{"id": "a", **IDLE}]})
    assert (await cluster.app("/shop/a"))["version"] == before["version"]


async def test_a_group_is_scaled_by_a_factor_that_rounds_up(cluster: Cluster) -> None:
    await _made(cluster)
    await _changed(
        cluster,
        "PATCH",
        "/v2/apps",
        [{"id": "/shop/a", "instances": 3}, {"id": "/shop/inner/b", "instances": 2}],
    )
    answer = await cluster.call("PUT", "/v2/groups/shop?force=true", {"scaleBy": 0.5})
    assert answer.status == 200
    counts = [(await cluster.app(each))["instances"] for each in ("/shop/a", "/shop/inner/b")]
    assert counts == [2, 1]
    assert (await cluster.call("PUT", "/v2/groups/shop", {"scaleBy": "2"})).status == 422
    assert (await cluster.call("PUT", "/v2/groups/shop", {"scaleBy": -1})).status == 422


async def test_a_dry_run_says_the_steps_and_does_nothing(cluster: Cluster) -> None:
    await _made(cluster)
    answer = await cluster.call("PUT", "/v2/groups/shop?dryRun=true", {"apps": []})
    assert answer.body == {"steps": [{"actions": [{"action": "StopApplication", "app": "/shop/a"}]}]}
    assert await _ids(cluster) == ["/shop/a", "/shop/inner/b"]


async def test_a_group_is_read_and_put_back_at_an_earlier_version(cluster: Cluster) -> None:
    first = await _made(cluster)
    await _changed(cluster, "PUT", "/v2/apps/shop/a", {"mem": 17})
    await _changed(cluster, "PUT", "/v2/apps/shop/late", IDLE)
    versions = (await cluster.call("GET", "/v2/groups/shop/versions")).body
    assert len(versions) == 3
    assert versions[-1] == first
    old = (await cluster.call("GET", f"/v2/groups/shop/versions/{first}")).body
    assert [(each["id"], each["mem"]) for each in old["apps"]] == [("/shop/a", 16)]
    assert [each["id"] for each in old["groups"]] == ["/shop/inner"]
    assert (await cluster.call("PUT", "/v2/groups/shop", {"version": first})).status == 200
    assert await _ids(cluster) == ["/shop/a", "/shop/inner/b"]
    assert (await cluster.app("/shop/a"))["mem"] == 16
    assert (await cluster.call("GET", "/v2/groups/shop/versions/2001-01-01T00:00:00.000Z")).status == 404


async def test_a_group_goes_with_all_below_it_unless_a_deployment_holds_an_app(cluster: Cluster) -> None:
    await _made(cluster)
    await _changed(cluster, "PUT", "/v2/apps/other", IDLE)
    await cluster.put("/shop/stuck", cmd="exec sleep 60", cpus=1000)
    assert (await cluster.call("DELETE", "/v2/groups/shop")).status == 409
    assert (await cluster.call("DELETE", "/v2/groups/shop?force=true")).status == 200
    assert await _ids(cluster) == ["/other"]
    assert (await cluster.call("GET", "/v2/groups/shop")).status == 404
    assert (await cluster.call("DELETE", "/v2/groups/shop")).status == 404


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"id": "x", "apps": [{"id": "a", "cmd": 5}]}, "/apps(0)/cmd"),
        ({"id": "x", "apps": [{"cmd": "sleep 1"}]}, "/apps(0)/id"),
        ({"id": "x", "apps": {"id": "a"}}, "/apps"),
        ({"id": "x", "apps": [{"id": "/y/a", "cmd": "sleep 1"}]}, "/apps(0)/id"),
        ({"id": "x", "groups": [{"id": "B"}]}, "/groups(0)/id"),
        ({"id": "x", "groups": [5]}, "/groups(0)"),
        ({"id": "x", "dependencies": ["/y"]}, "/dependencies"),
        ({"id": "x", "pods": [{"id": "p"}]}, "/pods"),
    ],
)
async def test_a_bad_group_is_refused_with_the_path_of_what_is_wrong(
    cluster: Cluster, document: dict[str, Any], path: str
) -> None:
    answer = await cluster.call("POST", "/v2/groups", document)
    assert answer.status == 422
    assert [each["path"] for each in answer.body["details"]] == [path]
    assert (await cluster.call("GET", "/v2/groups")).body["groups"] == []
