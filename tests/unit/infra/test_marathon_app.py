"""What the app's resource takes for a change, without an engine."""

from __future__ import annotations

from typing import Any

import pulumi
import pytest
from pulumi.dynamic import DiffResult
from pulumi.runtime import rpc

from infra.marathon.changes import differences, restarts, told
from infra.marathon.errors import MarathonError
from infra.marathon.resource import MarathonApp, MarathonAppProvider

MANIFEST = {"id": "/a", "cmd": "exec x", "instances": 2.0, "env": {"A": "1"}}


def props(manifest: Any = MANIFEST, **fields: Any) -> dict[str, Any]:
    """Properties of an app as a state or a program has them."""
    return {
        "urls": ["http://127.0.0.1:8080"],
        "credentials_secret": None,
        "manifest": manifest,
        "timeout_s": 60.0,
        "ready_timeout_s": 10.0,
        "__provider": "pickled",
        **fields,
    }


def diff(olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
    """What the provider says of two."""
    return MarathonAppProvider().diff("/a", olds, news)


def test_a_change_of_the_providers_own_code_and_settings_that_a_state_lacks_are_no_change() -> None:
    news = props(__provider="pickled otherwise", scaled=False, agent_port=5051, settle_s=3, urn="urn:…")
    assert diff(props(), news).changes is False


@pytest.mark.parametrize("field", ["urls", "credentials_secret", "timeout_s", "scaled"])
def test_another_way_to_marathon_is_kept_in_the_state(field: str) -> None:
    change = diff(props(scaled=False), props(**{"scaled": False, field: "other"}))
    assert (change.changes, change.replaces) == (True, [])


def test_another_id_is_another_app_and_another_spelling_of_it_is_not() -> None:
    assert diff(props(), props({**MANIFEST, "id": "/b"})).replaces == ["manifest"]
    assert diff(props(), props({**MANIFEST, "id": "a"})).changes is False


def test_what_is_known_only_after_an_update_is_a_change() -> None:
    assert diff(props(), props(rpc.UNKNOWN)).changes is True
    assert diff(props(), props({**MANIFEST, "cmd": rpc.UNKNOWN})).changes is True


def test_instances_of_a_scaled_app_are_no_change_and_are_not_kept() -> None:
    scaled = props({**MANIFEST, "instances": 5}, scaled=True)
    assert diff(props(scaled=True), scaled).changes is False
    checked = MarathonAppProvider().check({}, scaled)
    assert checked.inputs["manifest"] == {k: v for k, v in MANIFEST.items() if k != "instances"}


def test_an_app_without_an_id_fails_before_anything_is_done() -> None:
    (failure,) = MarathonAppProvider().check({}, props({"cmd": "exec x"})).failures
    assert (failure.property, failure.reason) == ("manifest", "an app needs an id")


def test_an_import_is_refused_with_what_to_do_instead() -> None:
    with pytest.raises(MarathonError, match="leave `import_` out"):
        MarathonApp("a", [], None, MANIFEST, 1, 1, pulumi.ResourceOptions(import_="/a"))


@pytest.mark.parametrize(
    ("before", "after", "paths", "replaces_tasks"),
    [
        ({"instances": 1}, {"instances": 3}, ["/instances"], False),
        ({}, {"labels": {"a/b": "1"}}, ["/labels/a~1b"], True),
        ({"mem": 1}, {"mem": 2, "instances": 0}, ["/instances", "/mem"], False),
        ({"fetch": [{"uri": "http://h/1"}]}, {"fetch": [{"uri": "http://h/2"}]}, ["/fetch/0/uri"], True),
        ({"fetch": []}, {"fetch": [{"uri": "http://h/2"}]}, ["/fetch"], True),
        ({"role": "a"}, {}, ["/role"], True),
    ],
)
def test_a_change_is_told_field_by_field_with_what_becomes_of_the_tasks(
    before: dict[str, Any], after: dict[str, Any], paths: list[str], replaces_tasks: bool
) -> None:
    found = differences(before, after, of_marathon=False)
    assert (found, restarts(found, after)) == (paths, replaces_tasks)
    assert told(found, after).startswith(f"differs in {', '.join(paths)}; an update")


def test_what_the_server_decides_or_assigns_is_no_drift_where_it_was_not_set() -> None:
    found = {
        "role": "*",
        "maxLaunchDelaySeconds": 3600,
        "portDefinitions": [{"port": 10003, "name": "default"}],
    }
    assert differences({}, found, of_marathon=True) == []
    assert differences({"role": "team"}, found, of_marathon=True) == ["/role"]
    fixed = {"portDefinitions": [{"port": 80, "name": "default"}]}
    assert differences(fixed, found, of_marathon=True) == ["/portDefinitions/0/port"]
