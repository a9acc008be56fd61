"""What Marathon makes of an app is no difference from what was written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from infra.marathon.changes import as_found, differences
from infra.marathon.manifest import fill, placeholders
from tests.servers.marathon.support import a_site

APPS = Path(__file__).parents[3] / "marathon_apps"
IMAGE = {"type": "DOCKER", "docker": {"image": "registry.example/worker:1"}}

WRITTEN: dict[str, dict[str, Any]] = {
    "least": {"cmd": "exec sleep 1"},
    "numbers": {"cmd": "exec sleep 1", "cpus": 1.0, "mem": 64, "disk": 0.0, "backoffFactor": 1.5},
    "nulls": {"cmd": "exec sleep 1", "user": None, "env": {"A": "1"}, "container": None},
    "empty": {
        "cmd": "exec sleep 1",
        "env": {},
        "labels": {},
        "fetch": [],
        "constraints": [],
        "healthChecks": [],
    },
    "uris": {"cmd": "exec sleep 1", "uris": ["http://h.example/a.tgz", "http://h.example/a.jar?x=1"]},
    "ports": {"cmd": "exec sleep 1", "ports": [0, 0]},
    "no ports": {"cmd": "exec sleep 1", "portDefinitions": []},
    "checks": {
        "cmd": "exec sleep 1",
        "portDefinitions": [{"name": "http"}],
        "healthChecks": [
            {"protocol": "HTTP", "path": "/health"},
            {"protocol": "COMMAND", "command": {"value": "true"}},
        ],
    },
    "legacy bridge": {
        "container": {
            "docker": {"image": "a/b:1", "network": "BRIDGE", "portMappings": [{"containerPort": 80}]}
        }
    },
    "bridge": {"container": IMAGE, "networks": [{"mode": "container/bridge"}]},
    "sets": {
        "cmd": "exec sleep 1",
        "constraints": [["zone", "GROUP_BY", "2"], ["hostname", "UNIQUE"]],
        "dependencies": ["/z", "/b"],
    },
    "strategies": {
        "cmd": "exec sleep 1",
        "upgradeStrategy": {"minimumHealthCapacity": 0.5, "maximumOverCapacity": 0},
        "unreachableStrategy": "disabled",
        "killSelection": "OLDEST_FIRST",
        "taskKillGracePeriodSeconds": 15,
    },
}


@pytest.fixture(scope="module")
def shipped() -> dict[str, dict[str, Any]]:
    """The project's own apps, filled."""
    apps = {path.stem: json.loads(path.read_text()) for path in sorted(APPS.glob("*.json"))}
    return {
        name: fill(app, {key: 2 if key.endswith("_instances") else "x" for key in placeholders(app)})
        for name, app in apps.items()
    }


async def test_a_read_differs_in_nothing_from_what_was_put(
    tmp_path: Path, shipped: dict[str, dict[str, Any]]
) -> None:
    async with a_site(tmp_path) as site:
        for name in ("z", "b"):
            await site.cluster.put(f"/{name}", cmd="exec sleep 1", instances=0)
        for name, app in {**WRITTEN, **shipped}.items():
            written = {**app, "id": "/t/x", "instances": 0}
            answer = await site.cluster.call("PUT", "/v2/apps/t/x?force=true&partialUpdate=false", written)
            assert answer.status in {200, 201}, (name, answer.body)
            found = await site.cluster.app("/t/x")
            assert differences(written, found, of_marathon=True) == [], name
            assert as_found(written, found) == written, name


async def test_what_was_changed_by_hand_is_seen_where_it_was_written_and_where_it_was_not(
    tmp_path: Path,
) -> None:
    written = {"id": "t/x", "cmd": "exec sleep 1", "instances": 0, "mem": 64, "env": {"A": "1"}}
    by_hand = {"env": {"A": "2", "B": "3"}, "labels": {"by": "hand"}}
    async with a_site(tmp_path) as site:
        await site.cluster.call("PUT", "/v2/apps/t/x", {**written, **by_hand})
        found = await site.cluster.app("/t/x")
        assert differences(written, found, of_marathon=True) == ["/env/A", "/env/B", "/labels/by"]
        assert as_found(written, found) == {**written, **by_hand}
