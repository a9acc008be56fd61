"""Whether the local stack's tasks run in containers, for every state a machine can be in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from local.mesos.agent.choice import Choice, ChoiceError
from local.stack import containers
from local.stack.containers import STAND_IN, Plan, Wanted
from local.stack.processes import StackError

IMAGE, BASE = "quay.io/team/worker:1f", "python:3.11@sha256:00"
ANSWERS = Choice(docker=True, why="Docker answers")


@dataclass
class Machine:
    """What is on it, what its registries have, and what was tried."""

    here: set[str] = field(default_factory=set[str])
    in_registry: set[str] = field(default_factory=set[str])
    makes_stand_in: bool = True
    said: list[str] = field(default_factory=list[str])
    pulled: list[str] = field(default_factory=list[str])

    def run(self, command: Sequence[str], timeout_s: float) -> bool:
        assert timeout_s > 0
        match list(command):
            case ["docker", "image", "inspect", image]:
                return image in self.here
            case ["docker", "manifest", "inspect", image]:
                assert timeout_s < 10  # nobody waits for a registry that is not there
                return image in self.in_registry
            case ["docker", "pull", "--quiet", image]:
                self.pulled.append(image)
                return image in self.in_registry
            case [_, tool, "--reference", reference] if tool.endswith("tools/base_image.py"):
                assert reference == STAND_IN
                return self.makes_stand_in
            case _:
                raise AssertionError(command)

    def plan(self, wanted: Wanted) -> Plan:
        return containers.plan(wanted, IMAGE, BASE, self.said.append, self.run)


@pytest.fixture(autouse=True)
def a_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    def chosen(_wanted: str) -> Choice:
        return ANSWERS

    monkeypatch.setattr(containers, "choose", chosen)


def built_upon(plan: Plan) -> str | None:
    assert plan.docker
    assert plan.build is not None
    assert list(plan.build)[1:7] == ["-m", "ops", "image", "--stack", "local", "--no-push"]
    return plan.build[8] if "--base-image" in plan.build else None


def test_no_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(containers, "choose")  # the daemon is not asked
    assert not Machine({IMAGE, BASE}).plan("no").docker


@pytest.mark.parametrize("wanted", ["auto", "yes"])
def test_an_image_that_is_here_is_not_built(wanted: Wanted) -> None:
    assert Machine({IMAGE}).plan(wanted) == Plan(docker=True, why="Docker answers")


@pytest.mark.parametrize("wanted", ["auto", "yes"])
def test_a_base_that_is_at_hand_is_built_upon(wanted: Wanted) -> None:
    assert built_upon(Machine({BASE, STAND_IN}).plan(wanted)) is None
    assert built_upon(Machine({STAND_IN}).plan(wanted)) == STAND_IN
    assert built_upon(Machine(in_registry={BASE}).plan(wanted)) is None


def test_auto_pulls_and_makes_nothing() -> None:
    machine = Machine()
    plan = machine.plan("auto")
    assert not plan.docker
    assert "DOCKER=yes" in plan.why
    assert (machine.pulled, machine.said) == ([], [])


def test_yes_makes_a_stand_in_where_no_registry_has_the_base(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers.os, "geteuid", lambda: 0)
    monkeypatch.setattr(containers.shutil, "which", str)
    machine = Machine()
    assert built_upon(machine.plan("yes")) == STAND_IN
    assert machine.pulled == [BASE]
    assert len(machine.said) == 2
    with pytest.raises(StackError, match=r"tools/base_image\.py` says why"):
        Machine(makes_stand_in=False).plan("yes")


def test_yes_without_root_says_what_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers.os, "geteuid", lambda: 1000)
    with pytest.raises(StackError, match=r"sudo python3 tools/base_image\.py"):
        Machine().plan("yes")


def test_without_a_daemon_auto_is_processes_and_yes_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(wanted: str) -> Choice:
        if wanted == "docker":
            raise ChoiceError("no daemon")
        return Choice(docker=False, why="no daemon")

    monkeypatch.setattr(containers, "choose", absent)
    assert Machine({IMAGE}).plan("auto") == Plan(docker=False, why="no daemon")
    with pytest.raises(StackError, match="no daemon; DOCKER=no"):
        Machine({IMAGE}).plan("yes")
