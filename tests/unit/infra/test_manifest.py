"""An app's JSON: what is wrong with it is said before anything is deployed, by file and field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from infra import environment
from infra.apps import read_all
from infra.errors import ManifestError
from infra.marathon import manifest

ROOT = Path(__file__).resolve().parents[3]


def written(folder: Path, **changed: Any) -> Path:
    """A valid app in a file, but for the changes."""
    path = folder / "fetch.json"
    path.write_text(json.dumps({"id": "/crawler/fetch", "cmd": "exec true", **changed}))
    return path


def test_the_bundled_apps_are_valid_and_the_stack_fills_every_placeholder() -> None:
    apps = read_all(ROOT / "marathon_apps", environment.PLACEHOLDERS)
    assert sorted(apps) == ["fetch", "parse", "plan", "store"]


def test_a_file_that_is_not_json_is_named_with_the_place(tmp_path: Path) -> None:
    path = tmp_path / "fetch.json"
    path.write_text('{"id": "/a",\n  oops}')
    with pytest.raises(ManifestError, match=r"fetch\.json: not JSON: .*line 2"):
        manifest.read(path)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"instnaces": 1}, "/instnaces: Marathon knows no such field; did you mean 'instances'?"),
        ({"container": {"dokcer": {}}}, "/container/dokcer: Marathon knows no such field"),
        ({"cpus": "much"}, "/cpus"),
        ({"id": "/Crawler"}, "/id"),
        ({"cmd": "x"}, "/cmd"),
        ({"env": {"A": 1}}, "/env/A"),
    ],
)
def test_a_wrong_field_is_named_with_what_was_meant(
    tmp_path: Path, changed: dict[str, Any], said: str
) -> None:
    with pytest.raises(ManifestError) as refused:
        manifest.read(written(tmp_path, **changed))
    assert "fetch.json" in str(refused.value)
    assert said in str(refused.value)


def test_a_placeholder_that_nothing_fills_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, env={"QUEUE": "${fetch_queue}"})
    with pytest.raises(ManifestError) as refused:
        manifest.check_placeholders(path, manifest.read(path), frozenset({"fetch_queue_url"}))
    assert "/env/QUEUE" in str(refused.value)
    assert "'${fetch_queue}'; did you mean 'fetch_queue_url'?" in str(refused.value)


def test_a_lone_placeholder_keeps_the_type_of_its_value_and_others_become_text() -> None:
    filled = manifest.fill({"instances": "${n}", "env": {"A": "a-${n}-b"}}, {"n": 3})
    assert filled == {"instances": 3, "env": {"A": "a-3-b"}}


def test_a_value_cannot_add_fields_whatever_it_holds() -> None:
    hostile = '", "user": "root'
    assert manifest.fill({"env": {"A": "${x}"}}, {"x": hostile}) == {"env": {"A": hostile}}
