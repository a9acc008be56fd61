"""A machine that must go: what it takes for a sign, and the road it takes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from infra.boot.node import drainer
from infra.boot.node.drainer import CommandError, Drainer, Node
from infra.boot.node.mesos import CALL_TIMEOUT_S, Credential, masters_of
from infra.boot.node.metadata import Metadata
from tests.unit.infra.boot.servers import (
    Answer,
    Request,
    Server,
    agent_state,
    closed_address,
    metadata,
    serving,
)

CREDENTIAL = Credential("agents", "not-a-real-secret")
NOTICE_S = 120.0
"""What an interruption notice gives (Amazon EC2 User Guide)."""


@dataclass
class Machine:
    """A machine under test: time that moves only when somebody waits, and commands that are written down."""

    path: Path
    stack: ExitStack
    values: dict[str, str] = field(default_factory=dict[str, str])
    tasks: list[int] = field(default_factory=lambda: [0])
    """How many tasks the agent has, at each time it is asked; the last number stays."""

    containers: str = ""
    hanging: tuple[str, ...] = ()
    """Commands that take as long as they may."""

    now: float = 0.0
    ran: list[str] = field(default_factory=list[str])
    ran_at: list[float] = field(default_factory=list[float])
    said: list[str] = field(default_factory=list[str])
    posted: list[dict[str, object]] = field(default_factory=list[dict[str, object]])
    master_answers: list[Answer] = field(default_factory=lambda: [(200, "")])
    """What the master says, one call after the other; the last stays."""

    master: Server | None = None

    def drainer(self, agent: str | None = None, masters: tuple[str, ...] | None = None) -> Drainer:
        """The drainer of this machine, with servers for its metadata, its agent and its master."""
        imds = self.stack.enter_context(serving(metadata(self.values)))
        self.master = self.stack.enter_context(serving(self._master))
        known = self.stack.enter_context(serving(self._agent))
        port = int(self.master.address.partition(":")[2])
        node = Node(agent or known.address, masters or (), port, CREDENTIAL, self.path / "run" / "leaving")
        return Drainer(node, Metadata(imds.url), self.run, lambda: self.now, self.sleep, self.said.append)

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def run(self, command: Sequence[str], timeout_s: float) -> str:
        line = " ".join(command)
        self.ran.append(line)
        self.ran_at.append(self.now)
        if line.startswith(self.hanging):
            self.now += timeout_s
            raise CommandError(f"{line}: too long")
        return self.containers if line.startswith("docker ps") else ""

    def _agent(self, request: Request) -> Answer:
        assert request.path == "/state"
        if request.headers.get("Authorization") != CREDENTIAL.header:
            return 401, ""
        return 200, agent_state(self.tasks.pop(0) if len(self.tasks) > 1 else self.tasks[0])

    def _master(self, request: Request) -> Answer:
        if request.headers.get("Authorization") != CREDENTIAL.header:
            return 401, ""
        self.posted.append(json.loads(request.body))
        return self.master_answers.pop(0) if len(self.master_answers) > 1 else self.master_answers[0]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A machine with an agent without tasks and a master that leads."""
    with ExitStack() as stack:
        yield Machine(tmp_path, stack)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("spot/instance-action", '{"action": "terminate", "time": "2026-11-23T01:02:03Z"}'),
        ("events/recommendations/rebalance", '{"noticeTime": "2026-11-23T01:02:03Z"}'),
        ("tags/instance/TrawlerDrain", "roll"),
    ],
)
def test_each_sign_makes_the_machine_go_within_five_seconds(machine: Machine, path: str, value: str) -> None:
    watcher = machine.drainer()
    assert watcher.sign() is None
    machine.values[path] = value
    assert value in watcher.watch()
    assert machine.now <= 5


def test_a_machine_without_a_sign_stays(machine: Machine) -> None:
    machine.values["instance-life-cycle"] = "spot"
    assert machine.drainer().sign() is None
    assert machine.ran == []


def test_metadata_that_does_not_answer_is_no_sign(machine: Machine) -> None:
    gone = Drainer(Node(), Metadata(f"http://{closed_address()}"), machine.run, say=machine.said.append)
    assert gone.sign() is None
    assert "instance metadata" in machine.said[0]


def test_an_expired_session_is_renewed(machine: Machine) -> None:
    given: list[str] = []

    def metadata_that_forgets(request: Request) -> Answer:
        if request.method == "PUT":
            given.append(f"token-{len(given)}")
            return 200, given[-1]
        if len(given) == 1 and len(imds.asked) > 2:
            return 401, ""
        return (200, "{}") if len(given) == 2 else (404, "")

    with serving(metadata_that_forgets) as imds:
        watcher = Drainer(Node(leaving=machine.path / "leaving"), Metadata(imds.url), machine.run)
        assert watcher.sign() is not None
    assert len(given) == 2


def test_the_leading_master_drains_the_agent_and_forgets_it(machine: Machine) -> None:
    machine.tasks = [3, 3, 2, 0]
    machine.drainer().leave("notice")
    assert machine.posted == [
        {
            "type": "DRAIN_AGENT",
            "drain_agent": {
                "agent_id": {"value": "agent-7"},
                "max_grace_period": {"seconds": 45},
                "mark_gone": True,
            },
        }
    ]


def test_the_machine_powers_off_only_when_no_task_is_left(machine: Machine) -> None:
    machine.tasks = [2, 2, 1, 0]
    machine.drainer().leave("notice")
    assert [line.split()[1] for line in machine.ran] == ["stop", "ps", "stop", "poweroff"]
    assert machine.now == pytest.approx(2 + drainer.LOG_FLUSH_S)


def test_an_agent_that_was_drained_is_not_started_again(machine: Machine) -> None:
    machine.drainer().leave("notice")
    assert (machine.path / "run" / "leaving").exists()


def test_a_machine_that_was_interrupted_while_leaving_goes_on_leaving(machine: Machine) -> None:
    leaving = machine.path / "run" / "leaving"
    leaving.parent.mkdir()
    leaving.touch()
    assert machine.drainer().sign() == "left half-way before"


def test_another_master_than_the_agent_knows_is_asked_when_that_one_is_silent(machine: Machine) -> None:
    with serving(lambda _: (200, "")) as other:
        watcher = machine.drainer(masters=(other.address,))
        machine.master_answers = [(503, "no leader")]
        watcher.leave("notice")
    assert [r.path for r in other.asked] == ["/api/v1"]


def test_a_master_that_does_not_lead_sends_on_to_the_one_that_does(machine: Machine) -> None:
    watcher = machine.drainer()
    assert machine.master
    leader = machine.master.address.replace("127.0.0.1", "localhost")
    machine.master_answers = [(307, "", {"Location": f"//{leader}/api/v1"}), (200, "")]
    watcher.leave("notice")
    assert [r.headers["Host"] for r in machine.master.asked] == [machine.master.address, leader]
    assert any("drains agent" in line for line in machine.said)


@pytest.mark.parametrize("location", ["//evil.example:80/api/v1", "https://evil.example/", ""])
def test_the_credential_is_not_sent_on_to_another_port(machine: Machine, location: str) -> None:
    machine.master_answers = [(307, "", {"Location": location})]
    machine.drainer().leave("notice")
    assert any("HTTP 307" in line for line in machine.said)
    assert machine.ran[-1] == "systemctl poweroff"


def test_without_a_master_the_agent_is_stopped_then_its_containers(machine: Machine) -> None:
    machine.master_answers = [(503, "")]
    machine.containers = "c0ffee\nbeef\n"
    machine.drainer().leave("notice")
    assert machine.ran[:3] == [
        "systemctl stop mesos-agent.service",
        "docker ps --quiet",
        "docker stop --time 15 c0ffee beef",
    ]


@pytest.mark.parametrize("refusal", [401, 403, 400])
def test_a_master_that_refuses_is_not_waited_for(machine: Machine, refusal: int) -> None:
    machine.master_answers = [(refusal, "refused")]
    machine.drainer().leave("notice")
    assert any(f"HTTP {refusal}" in line for line in machine.said)
    assert machine.now <= drainer.ASK_S + drainer.LOGS_S


def test_an_agent_that_went_away_when_it_was_drained_is_drained(machine: Machine) -> None:
    answers = [agent_state(2), agent_state(2)]

    def agent(_: Request) -> Answer:
        return (200, answers.pop(0)) if answers else (500, "")

    with serving(agent) as leaving:
        machine.drainer(agent=leaving.address).leave("notice")
    assert any("tasks ended" in line for line in machine.said)


def _stuck_tasks(machine: Machine) -> Drainer:
    machine.tasks = [4]
    machine.containers = "c0ffee"
    return machine.drainer()


def _silent_agent(machine: Machine) -> Drainer:
    return machine.drainer(agent=closed_address())


def _a_leader_found_late(machine: Machine) -> Drainer:
    class SlowAnswers(list[Answer]):
        """Each takes as long as a call may; there is a leader only after forty seconds."""

        def __getitem__(self, _: object) -> Answer:  # pyright: ignore[reportIncompatibleMethodOverride]
            machine.now += CALL_TIMEOUT_S
            return (200, "") if machine.now > 40 else (503, "")

    machine.master_answers = SlowAnswers([(503, "")])
    return _stuck_tasks(machine)


@pytest.mark.parametrize("trouble", [_stuck_tasks, _silent_agent, _a_leader_found_late])
def test_whatever_hangs_the_machine_is_off_inside_the_two_minutes(
    machine: Machine, trouble: Callable[[Machine], Drainer]
) -> None:
    machine.hanging = ("systemctl stop", "docker stop")
    watcher = trouble(machine)
    machine.now = drainer.POLL_S
    watcher.leave("notice")
    assert machine.ran[-1] == "systemctl poweroff"
    assert machine.now < NOTICE_S


def test_logs_are_given_time_before_their_agent_is_stopped(machine: Machine) -> None:
    machine.drainer().leave("notice")
    at = machine.ran_at[machine.ran.index("systemctl stop amazon-cloudwatch-agent.service")]
    assert at == drainer.LOG_FLUSH_S


def test_masters_are_those_of_the_zookeeper_url() -> None:
    assert masters_of("zk://master-1.prod.internal:2181,master-2.prod.internal:2181/mesos", 5050) == [
        "master-1.prod.internal:5050",
        "master-2.prod.internal:5050",
    ]


def test_a_command_that_fails_says_which_and_why() -> None:
    with pytest.raises(CommandError, match="sh -c exit 3: exit 3"):
        drainer.run(["sh", "-c", "exit 3"], 5)
    with pytest.raises(CommandError, match="no-such-program"):
        drainer.run(["no-such-program"], 5)
