"""Which release each app runs is told by what its tasks were started with, not by what its definition says."""

from __future__ import annotations

from typing import Any, cast

from infra.marathon.client import AppNotFound, MarathonClient, MarathonUnreachable
from ops.standing import standing

OLD, NEW = "0" * 64, "1" * 64


def definition(release: str) -> dict[str, Any]:
    return {"id": "/crawler/fetch", "fetch": [{"uri": f"http://s3/bucket/releases/{release}.tar.gz"}]}


class Marathon:
    """Two versions of one app, of which Marathon may have forgotten the first."""

    def __init__(self, tasks: list[str], *, forgotten: bool = False, deploying: bool = False) -> None:
        self._tasks, self._forgotten = tasks, forgotten
        self._deployments = [{"id": "d"}] if deploying else []

    def app(self, app_id: str) -> dict[str, Any]:
        """The app as Marathon reads it."""
        if app_id == "/gone":
            raise AppNotFound("no such app", 404, {})
        if app_id == "/silent":
            raise MarathonUnreachable("no server answers")
        tasks = [{"state": "TASK_RUNNING", "version": version} for version in self._tasks]
        tasks.append({"state": "TASK_STAGING", "version": "v2"})
        return {
            **definition(NEW),
            "version": "v2",
            "instances": 2,
            "tasks": tasks,
            "deployments": self._deployments,
        }

    def version(self, _app_id: str, _version: str) -> dict[str, Any]:
        """The earlier version."""
        if self._forgotten:
            raise AppNotFound("no such version", 404, {})
        return definition(OLD)


def stand(marathon: Marathon, app_id: str = "/crawler/fetch") -> Any:
    (found,) = standing(cast(MarathonClient, marathon), [app_id])
    return found


def test_an_app_is_settled_when_all_its_tasks_run_the_release_of_its_definition() -> None:
    found = stand(Marathon(["v2", "v2"]))
    assert found.settled
    assert found.tasks == "2 running of 2"


def test_old_tasks_beside_new_ones_are_counted_by_their_release() -> None:
    found = stand(Marathon(["v1", "v2"], deploying=True))
    assert not found.settled
    assert found.running == {OLD: 1, NEW: 1}
    assert found.tasks == "1 running 000000000000, 1 running of 2, a deployment is under way"


def test_a_version_that_marathon_forgot_is_no_guess() -> None:
    assert stand(Marathon(["v1"], forgotten=True)).running == {"?": 1}


def test_what_cannot_be_asked_is_said_of_the_app() -> None:
    assert stand(Marathon([]), "/gone").tasks == "Marathon has no such app"
    assert stand(Marathon([]), "/silent").tasks == "no server answers"
    assert not stand(Marathon([]), "/gone").settled
