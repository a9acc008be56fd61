"""The arithmetic of rolling restarts, delays and placement: pure functions."""

import pytest

from local.mesos.marathon.backoff import RateLimiter
from local.mesos.marathon.constraints import fields_of, is_met
from local.mesos.marathon.definition import App
from local.mesos.marathon.rolling import Room, room, starts
from local.mesos.rest.label_selector import matches


@pytest.mark.parametrize(
    ("new", "minimum", "over", "expected", "started_at_once"),
    [
        pytest.param(1, 1.0, 1.0, Room(1, 2, 0), 1, id="default-with-one"),
        pytest.param(1, 1.0, 0.0, Room(1, 2, 0), 1, id="no-room-at-all-makes-one"),
        pytest.param(1, 0.0, 0.0, Room(0, 1, 1), 0, id="single-worker-stops-first"),
        pytest.param(4, 0.5, 0.25, Room(2, 5, 2), 1, id="half-down-quarter-over"),
        pytest.param(3, 0.7, 0.0, Room(3, 4, 0), 1, id="rounding-leaves-no-room"),
        pytest.param(10, 1.0, 1.0, Room(10, 20, 0), 10, id="the-default-doubles"),
    ],
)
def test_a_restart_kills_and_starts_what_the_strategy_allows(
    new: int, minimum: float, over: float, expected: Room, started_at_once: int
) -> None:
    found = room(new, healthy=new, current=new, minimum_health=minimum, maximum_over=over)
    assert found == expected
    assert starts(new, started=0, old_alive=new, cap=found.cap) == started_at_once


def test_an_app_that_shrinks_kills_its_surplus_at_once() -> None:
    assert room(2, healthy=6, current=6, minimum_health=1.0, maximum_over=1.0).kill_now == 4
    assert room(2, healthy=0, current=6, minimum_health=1.0, maximum_over=1.0).kill_now == 4


def test_never_more_is_started_than_is_wanted() -> None:
    assert starts(3, started=3, old_alive=0, cap=6) == 0
    assert starts(3, started=1, old_alive=0, cap=6) == 2


class _Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def _app(**fields: object) -> App:
    return App.model_validate({"id": "/a", "cmd": "true", **fields})


def test_each_failure_lengthens_the_delay_up_to_its_limit() -> None:
    clock = _Clock()
    limiter = RateLimiter(clock)
    app = _app(backoffSeconds=2, backoffFactor=2.0, maxLaunchDelaySeconds=7)
    assert [limiter.failed(app, "v1") for _ in range(4)] == [2, 4, 7, 7]
    assert limiter.remaining(app, "v1") == 7
    clock.now = 7.5
    assert limiter.remaining(app, "v1") == 0


def test_a_new_configuration_starts_without_the_delay_of_the_old_one() -> None:
    limiter = RateLimiter(_Clock())
    app = _app()
    limiter.failed(app, "v1")
    assert limiter.remaining(app, "v1") > 0
    assert limiter.remaining(app, "v2") == 0


def test_a_delay_counts_down_anew_when_a_task_gets_further_and_is_forgotten_in_the_end() -> None:
    clock = _Clock()
    limiter = RateLimiter(clock)
    app = _app(backoffSeconds=10, maxLaunchDelaySeconds=100)
    limiter.failed(app, "v1")
    clock.now = 9
    limiter.advanced(app, "v1")
    assert limiter.remaining(app, "v1") == 10
    clock.now = 500
    assert limiter.failed(app, "v1") == 10


_HERE = fields_of("10.0.0.1", {"rack": "r1", "kind": "m5.large"}, "us-east-1", "us-east-1a")
_THERE = fields_of("10.0.0.2", {"rack": "r2"}, "us-east-1", "us-east-1b")


@pytest.mark.parametrize(
    ("constraint", "placed", "expected"),
    [
        (["hostname", "UNIQUE"], [_THERE], True),
        (["hostname", "UNIQUE"], [_HERE], False),
        (["rack", "CLUSTER", "r1"], [], True),
        (["rack", "CLUSTER", "r2"], [], False),
        (["kind", "LIKE", "m5.*"], [], True),
        (["kind", "LIKE", "m5"], [], False),
        (["kind", "UNLIKE", "c5.*"], [], True),
        (["kind", "UNLIKE", "m5.*"], [], False),
        (["missing", "UNLIKE", "x"], [], True),
        (["missing", "LIKE", "x"], [], False),
        (["rack", "IS", "r1"], [], True),
        (["@zone", "IS", "us-east-1b"], [], False),
        (["rack", "MAX_PER", "2"], [_HERE], True),
        (["rack", "MAX_PER", "2"], [_HERE, _HERE], False),
        (["rack", "GROUP_BY"], [_THERE], True),
        (["rack", "GROUP_BY"], [_HERE, _HERE, _THERE], False),
        (["rack", "GROUP_BY", "2"], [_HERE], False),
    ],
)
def test_constraints_decide_where_a_task_may_go(
    constraint: list[str], placed: list[dict[str, str]], expected: bool
) -> None:
    assert is_met(constraint, _HERE, placed) is expected


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("a", True),
        ("c", False),
        ("a==1,b==2", True),
        ("a==1,b!=2", False),
        ("a in (1, 3)", True),
        ("a notin (1)", False),
        ("c notin (1)", True),
    ],
)
def test_label_selectors_combine_with_and(selector: str, expected: bool) -> None:
    assert matches(selector, {"a": "1", "b": "2"}) is expected
