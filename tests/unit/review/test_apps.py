"""Which apps restart, by Marathon's own rule."""

from __future__ import annotations

from typing import Any

import pytest

from review.apps import Fate, app_changes, code_only, release_change
from review.preview import read
from tests.unit.review.support import UNKNOWN, a_preview, a_step, fixture

APP = "pulumi-python:dynamic/marathon:App"
DIGESTS = ("a" * 64, "b" * 64)


def manifest(**fields: Any) -> dict[str, Any]:
    uri = f"https://b/releases/{DIGESTS[0]}.tar.gz"
    return {"id": "/crawler/fetch", "cmd": "run", "instances": 2, "fetch": [{"uri": uri}], **fields}


def fate(after: Any, op: str = "update") -> Fate:
    step = a_step(op, APP, "apps-fetch", {"manifest": manifest()}, {"manifest": after}, component="Apps")
    return app_changes(a_preview(step))[0].fate


@pytest.mark.parametrize(
    "change",
    [
        {"cmd": "other"},
        {"env": {"A": "1"}},
        {"labels": {"a": "b"}},
        {"upgradeStrategy": {"minimumHealthCapacity": 1}},
        {"container": {"docker": {"image": "worker:2"}}},
        {"cpus": 0.5, "instances": 3},
    ],
)
def test_any_field_but_the_instances_restarts_the_tasks(change: dict[str, Any]) -> None:
    assert fate(manifest(**change)) is Fate.RESTARTS


def test_only_the_instances_scale_without_a_restart() -> None:
    assert fate(manifest(instances=5)) is Fate.SCALES


def test_an_app_set_to_no_instances_is_scaled_whatever_else_changes() -> None:
    assert fate(manifest(instances=0, cmd="other")) is Fate.SCALES


def test_another_release_is_a_roll_and_another_file_of_the_fetch_a_restart() -> None:
    other = [{"uri": f"https://b/releases/{DIGESTS[1]}.tar.gz"}]
    assert fate(manifest(fetch=other)) is Fate.ROLLS
    assert fate(manifest(fetch=[*manifest()["fetch"], {"uri": "https://b/extra.zip"}])) is Fate.RESTARTS


def test_a_manifest_known_only_after_up_may_restart() -> None:
    assert fate(UNKNOWN) is Fate.UNDECIDED


def test_an_app_that_goes_stops_and_one_that_comes_starts() -> None:
    gone = a_step("delete", APP, "apps-a", {"manifest": manifest(id="/a")}, component="Apps")
    come = a_step("create", APP, "apps-b", None, {"manifest": manifest(id="/b")}, component="Apps")
    assert [(a.name, a.fate) for a in app_changes(a_preview(gone, come))] == [
        ("/a", Fate.STOPS),
        ("/b", Fate.STARTS),
    ]


def test_the_engines_doubles_are_no_change_of_a_count() -> None:
    assert fate(manifest(instances=2.0)) is Fate.UNTOUCHED


def test_apps_that_do_not_change_are_told_as_untouched() -> None:
    fates = {app.name: app.fate for app in app_changes(read(*fixture("mixed")))}
    assert fates == {
        "/crawler/fetch": Fate.RESTARTS,
        "/crawler/parse": Fate.UNTOUCHED,
        "/crawler/plan": Fate.UNTOUCHED,
        "/crawler/store": Fate.UNTOUCHED,
    }


def test_a_change_of_the_workers_source_is_code_only() -> None:
    preview = read(*fixture("code"))
    release = release_change(preview)
    assert code_only(preview)
    assert release is not None
    assert release.before.startswith("72d6d7921f29")


def test_a_change_of_code_and_of_anything_else_is_not_code_only() -> None:
    assert not code_only(read(*fixture("mixed")))


def test_what_is_no_digest_is_not_taken_for_a_release() -> None:
    release = "pulumi-python:dynamic/release:Release"
    step = a_step("update", release, "release", {"digest": DIGESTS[0]}, {"digest": "@everyone <b>"})
    assert not code_only(a_preview(step))
