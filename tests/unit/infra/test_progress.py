"""How an app's reads add up to progress, failure or neither."""

from __future__ import annotations

from typing import Any

from infra.marathon.progress import Progress

OLD, NEW = "2026-01-01T00:00:00.000Z", "2026-01-02T00:00:00Z"


def a_task(id_: str, version: str = NEW, state: str = "TASK_RUNNING", **fields: Any) -> dict[str, Any]:
    return {"id": id_, "version": version, "state": state, **fields}


def an_app(*tasks: dict[str, Any], failed: str = "", **fields: Any) -> dict[str, Any]:
    """An app of two instances; `failed` is the second of the day at which a new task failed."""
    failure = {"taskId": "f", "version": NEW, "timestamp": f"2026-01-02T00:00:{failed}.000Z"}
    return {
        "instances": 2,
        "version": NEW,
        "versionInfo": {"lastConfigChangeAt": NEW},
        "tasks": list(tasks),
        **({"lastTaskFailure": failure} if failed else {}),
        **fields,
    }


def test_tasks_without_health_checks_count_once_they_have_run_for_a_while() -> None:
    progress, app = Progress(3, None, NEW), an_app(a_task("1"), a_task("2"))
    assert not progress.seen(app, 100).is_done
    assert not progress.seen(an_app(a_task("1"), a_task("3")), 102).is_done
    assert not progress.seen(an_app(a_task("1"), a_task("3")), 104).is_done
    assert progress.seen(an_app(a_task("1"), a_task("3")), 105).is_done


def test_tasks_that_ran_before_a_mere_scaling_have_settled() -> None:
    app = an_app(a_task("1"), a_task("2"))
    assert Progress(3, app, NEW).seen(app, 100).is_done


def test_an_old_task_that_runs_keeps_the_deployment_open_and_one_that_ends_does_not() -> None:
    new = [a_task(i, healthCheckResults=[{"alive": True}]) for i in "12"]
    progress = Progress(0, None, NEW)
    seen = progress.seen(an_app(*new, a_task("0", OLD), healthChecks=[{}]), 1)
    assert (seen.is_done, seen.old) == (False, 1)
    assert seen.line == "0 staged, 2 running, 2 healthy of 2; 1 of the earlier version still run"
    assert progress.seen(an_app(*new, a_task("0", OLD, "TASK_KILLING"), healthChecks=[{}]), 2).is_done


def test_a_task_without_a_health_result_is_not_healthy() -> None:
    app = an_app(a_task("1", healthCheckResults=[]), a_task("2"), healthChecks=[{}])
    assert not Progress(0, None, NEW).seen(app, 1).is_done


def test_failures_count_in_a_row_once_each_and_a_task_that_works_ends_the_row() -> None:
    progress = Progress(3, None, NEW)
    assert progress.seen(an_app(failed="01"), 1).failures == 1
    assert progress.seen(an_app(failed="01"), 2).failures == 1
    assert progress.seen(an_app(a_task("1"), failed="02"), 3).failures == 2
    assert progress.seen(an_app(a_task("1"), failed="02"), 6).failures == 0
    assert progress.seen(an_app(a_task("1"), failed="03"), 7).failures == 1


def test_what_failed_before_the_deployment_or_in_its_earlier_version_says_nothing_of_it() -> None:
    before = an_app(failed="01")
    before["lastTaskFailure"]["timestamp"] = OLD
    assert Progress(3, None, NEW).seen(before, 1).failures == 0
    earlier = an_app(failed="01")
    earlier["lastTaskFailure"]["version"] = OLD
    assert Progress(3, None, NEW).seen(earlier, 1).failures == 0
