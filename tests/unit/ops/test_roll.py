"""A roll replaces the fleet's request without losing capacity, and goes on from wherever it was interrupted."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ops.engine import Engine
from ops.errors import ConsentError, MisuseError, OpsError
from ops.fleet_requests import FleetRequests
from ops.roll import Options, Roll, Rolled
from ops.stack_file import StackFile
from ops.steps import Step
from ops.talk import Talk
from tests.unit.ops.world import (
    PROVIDER_URN,
    QUEUE_URN,
    REQUEST_URN,
    STACK,
    SUBNET_URN,
    TARGET_URN,
    Account,
    FakeEngine,
    Time,
)


@pytest.fixture
def file(tmp_path: Path) -> StackFile:
    path = tmp_path / "Pulumi.prod.yaml"
    config = {"aws:region": "us-east-1", "trawler:fleet": {"minCapacity": 2, "ami": "ami-0a1b2c3d4e5f60718"}}
    path.write_text(yaml.safe_dump({"config": config}))
    return StackFile.read(STACK, path)


def roll(
    account: Account,
    engine: Engine,
    file: StackFile,
    time: Time,
    options: Options | None = None,
    yes: bool = True,
) -> Rolled:
    requests = FleetRequests(account.ec2, STACK)
    return Roll(engine, requests, file, Talk(yes=yes), options or Options(), time.pace).run()


def test_a_roll_starts_the_new_request_at_todays_capacity_and_ends_the_old_one(
    account: Account, file: StackFile
) -> None:
    old = account.request(6)
    engine = FakeEngine.over(account, old)
    rolled = roll(account, engine, file, Time(then=account.drain))
    assert account.requests() == {rolled.new: 6}
    assert account.running(rolled.new)
    assert (rolled.old, rolled.capacity, rolled.terminated) == ([old], 6, [])
    assert engine.facts["updates"] == [(6, sorted([REQUEST_URN, TARGET_URN]))]
    assert set(rolled.seconds) == {"plan", "update", "fill", "drain", "cancel"}


def test_the_new_request_is_protected_again_and_the_stack_file_is_as_it_was(
    account: Account, file: StackFile
) -> None:
    before = file.path.read_bytes()
    engine = FakeEngine.over(account, account.request(3))
    roll(account, engine, file, Time(then=account.drain))
    assert engine.facts["protected"] == [REQUEST_URN]
    assert file.path.read_bytes() == before


def test_only_a_share_of_the_old_instances_drains_at_a_time(account: Account, file: StackFile) -> None:
    old = account.request(8)
    seen: list[int] = []

    def watch() -> None:
        seen.append(len(account.asked_to_leave()))
        account.drain()

    roll(account, FakeEngine.over(account, old), file, Time(then=watch), Options(batch=0.25))
    assert max(seen) == 2
    assert sum(seen) == 8


def test_no_instance_is_asked_to_leave_before_the_new_ones_are_up(account: Account, file: StackFile) -> None:
    old = account.request(3)
    engine = FakeEngine.over(account, old)

    class Unfilled(FleetRequests):
        def healthy(self, nodes: object) -> int:  # noqa: ARG002
            return 0

    told = f"(?s)after 900 s the new request .* is not up with 3 units.*{old}.*Both are billed.*go back"
    with pytest.raises(OpsError, match=told):
        Roll(
            engine,
            Unfilled(account.ec2, STACK),
            file,
            Talk(yes=True),
            Options(),
            Time(then=account.drain).pace,
        ).run()
    assert len(account.running(old)) == 3
    assert account.asked_to_leave() == set()


def test_without_a_yes_nothing_is_done(account: Account, file: StackFile) -> None:
    old = account.request(3)
    engine = FakeEngine.over(account, old)
    with pytest.raises(ConsentError, match="say yes with --yes"):
        roll(account, engine, file, Time(), yes=False)
    assert account.requests() == {old: 3}
    assert FleetRequests(account.ec2, STACK).draining() == []


def test_a_roll_without_a_new_request_is_refused_and_says_what_waits(
    account: Account, file: StackFile
) -> None:
    engine = FakeEngine.over(account, account.request(3), replaces=False, others=[Step("update", QUEUE_URN)])
    with pytest.raises(
        MisuseError, match=r"nothing to roll: .*`pulumi up` applies what waits: update queues-fetch"
    ):
        roll(account, engine, file, Time())


@pytest.mark.parametrize(
    "step",
    [Step("create", SUBNET_URN), Step("replace", SUBNET_URN), Step("update", PROVIDER_URN)],
    ids=["needs what is not there", "needs what is replaced", "every provider comes along"],
)
def test_a_roll_that_would_touch_more_than_the_fleet_is_refused(
    account: Account, file: StackFile, step: Step
) -> None:
    engine = FakeEngine.over(account, account.request(3), others=[step])
    with pytest.raises(MisuseError, match=f"cannot be rolled by itself: it would take {step} along"):
        roll(account, engine, file, Time())
    assert engine.facts["updates"] == []


def test_a_change_outside_the_fleet_waits(
    account: Account, file: StackFile, capfd: pytest.CaptureFixture[str]
) -> None:
    engine = FakeEngine.over(account, account.request(3), others=[Step("update", QUEUE_URN)])
    roll(account, engine, file, Time(then=account.drain))
    assert engine.facts["updates"][0][1] == sorted([REQUEST_URN, TARGET_URN])
    assert "not applied, waits for `pulumi up`: update queues-fetch" in capfd.readouterr().err


def test_an_unprotected_stack_is_sent_to_pulumi_up(account: Account, file: StackFile) -> None:
    engine = FakeEngine.over(account, account.request(3), retained=False)
    with pytest.raises(MisuseError, match="`pulumi up` is all there is to do"):
        roll(account, engine, file, Time())


def test_a_failed_update_leaves_the_old_request_at_work_and_the_next_roll_goes_on(
    account: Account, file: StackFile
) -> None:
    old = account.request(4)
    engine = FakeEngine.over(account, old, up_fails=True)
    with pytest.raises(OpsError, match=r"(?s)status 255.*no instance was drained.*to go back"):
        roll(account, engine, file, Time())
    assert account.requests() == {old: 4}
    engine.facts["up_fails"] = False
    rolled = roll(account, engine, file, Time(then=account.drain))
    assert account.requests() == {rolled.new: 4}
    assert rolled.old == [old]


def test_what_a_half_done_update_left_undone_is_done_before_anything_drains(
    account: Account, file: StackFile
) -> None:
    old = account.request(4)
    engine = FakeEngine.over(account, old, up_fails_late=True)
    with pytest.raises(OpsError, match="status 255"):
        roll(account, engine, file, Time())
    new = engine.facts["request"]
    assert account.requests() == {old: 4, new: 4}
    engine.facts.update(up_fails_late=False, others=[Step("replace", TARGET_URN)])
    rolled = roll(account, engine, file, Time(then=account.drain))
    assert (rolled.new, rolled.old) == (new, [old])
    assert engine.facts["updates"][1] == (4, [TARGET_URN])
    assert engine.facts["protected"] == [REQUEST_URN]


def test_an_update_that_makes_no_new_request_drains_nothing(account: Account, file: StackFile) -> None:
    old = account.request(4)
    with pytest.raises(OpsError, match="made no new request"):
        roll(account, FakeEngine.over(account, old, up_does_nothing=True), file, Time(then=account.drain))
    assert account.requests() == {old: 4}
    assert len(account.running(old)) == 4
    assert FleetRequests(account.ec2, STACK).draining() == []


def test_a_change_taken_back_after_a_failed_update_leaves_no_mark(account: Account, file: StackFile) -> None:
    old = account.request(4)
    engine = FakeEngine.over(account, old, up_fails=True)
    with pytest.raises(OpsError, match="status 255"):
        roll(account, engine, file, Time())
    engine.facts["replaces"] = False
    with pytest.raises(MisuseError, match="the mark that an earlier roll left on it was removed"):
        roll(account, engine, file, Time())
    assert FleetRequests(account.ec2, STACK).draining() == []


def test_a_roll_interrupted_while_it_drains_goes_on_without_another_update(
    account: Account, file: StackFile
) -> None:
    old = account.request(4)
    engine = FakeEngine.over(account, old)
    time = Time()

    def interrupted() -> None:
        account.drain()
        if len(account.running(old)) < 3:
            raise KeyboardInterrupt

    time.then = interrupted
    with pytest.raises(KeyboardInterrupt):
        roll(account, engine, file, time)
    assert account.requests()[old] == 0
    rolled = roll(account, engine, file, Time(then=account.drain))
    assert rolled.old == [old]
    assert account.requests() == {rolled.new: 4}
    assert len(engine.facts["updates"]) == 1


def test_going_back_before_the_drain_makes_a_third_request_and_ends_both_others(
    account: Account, file: StackFile
) -> None:
    first = account.request(4)
    engine = FakeEngine.over(account, first)
    requests = FleetRequests(account.ec2, STACK)
    requests.mark(first)
    second = account.request(1)  # never got its capacity
    engine.facts["request"] = second
    rolled = roll(account, engine, file, Time(then=account.drain))
    assert sorted(rolled.old) == sorted([first, second])
    assert rolled.capacity == 4
    assert account.requests() == {rolled.new: 4}


def test_instances_that_do_not_leave_are_named_and_only_force_ends_them(
    account: Account, file: StackFile
) -> None:
    old = account.request(2)
    stuck = account.running(old)
    engine = FakeEngine.over(account, old)
    with pytest.raises(OpsError, match="after 1800 s these instances have not left: i-") as told:
        roll(account, engine, file, Time())
    assert all(instance in str(told.value) for instance in stuck)
    assert account.running(old) == stuck
    rolled = roll(account, engine, file, Time(), Options(force=True))
    assert set(rolled.terminated) == stuck
    assert account.requests() == {rolled.new: 2}


def test_requests_of_another_stack_are_left_alone(account: Account, file: StackFile) -> None:
    other = account.request(2, stack="dev")
    FleetRequests(account.ec2, "dev").mark(other)
    rolled = roll(account, FakeEngine.over(account, account.request(3)), file, Time(then=account.drain))
    assert account.requests() == {other: 2, rolled.new: 3}
