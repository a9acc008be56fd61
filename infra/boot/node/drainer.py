"""A machine that must go leaves in order: its tasks end and hand back what they hold, then it powers itself off.

Three things make it go: an interruption notice, a rebalance recommendation, and the tag `TrawlerDrain`. All take
one road. The leading Mesos master is asked to drain the agent; when no task is left, or the time for it is over,
the agent is stopped, then whatever containers remain; logs are given time to be shipped; the machine powers off,
which ends the instance. A master that does not answer is not waited for.

An interruption gives two minutes (Amazon EC2 User Guide, Spot Instance interruption notices). The budget, seconds:

    seen 5 + 4 · master asked 12 · tasks end 55 · agent stopped 8 · containers stopped 20 · logs 8 = 112
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .mesos import CALL_TIMEOUT_S, DRAIN_TIMEOUT_S, Credential, MesosError, agent_state, drain, masters_of
from .metadata import Metadata, MetadataError

POLL_S = 5.0
"""As AWS recommends (Amazon EC2 User Guide, Spot Instance interruption notices)."""

ASK_S = 12.0
TASKS_S = 55.0
GRACE_S = 45
"""Upper bound of a task's own grace: ten seconds are left to notice that the last one ended."""

STOP_AGENT_S = 8.0
STOP_CONTAINERS_S = 20.0
CONTAINER_GRACE_S = 15
LOGS_S = 8.0
LOG_FLUSH_S = 6.0
"""The CloudWatch agent is configured to send what it has every five seconds."""

DRAIN_TAG = "TrawlerDrain"

SIGNS = {
    "interruption notice": "spot/instance-action",
    f"tag {DRAIN_TAG}": f"tags/instance/{DRAIN_TAG}",
    "rebalance recommendation": "events/recommendations/rebalance",
}
"""Why a machine leaves → where its metadata says so."""

Run = Callable[[Sequence[str], float], str]
"""Runs a command with a timeout in seconds and gives its standard output; raises `CommandError`."""


class CommandError(Exception):
    """A command failed or took too long."""


@dataclass(frozen=True)
class Node:
    """Where things are on this machine."""

    agent: str = "127.0.0.1:5051"
    masters: tuple[str, ...] = ()
    """`host:port` of masters to ask, besides the one that the agent knows."""

    master_port: int = 5050
    credential: Credential | None = None
    leaving: Path = Path("/run/trawler/leaving")
    """While it is there, systemd does not start the agent again: a drained agent would come back as a new one."""


class Drainer:
    """Watches for a sign, then leaves. Time, commands and speech come from outside."""

    def __init__(
        self,
        node: Node,
        metadata: Metadata,
        run: Run,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        say: Callable[[str], None] = print,
    ) -> None:
        self._node, self._metadata, self._run = node, metadata, run
        self._clock, self._sleep, self._say = clock, sleep, say

    def sign(self) -> str | None:
        """Why this machine must go, or None."""
        if self._node.leaving.exists():
            return "left half-way before"
        for why, path in SIGNS.items():
            try:
                value = self._metadata.get(path)
            except MetadataError as e:
                self._say(f"{e}; asked again in {POLL_S:.0f} s")
                return None
            if value is not None:
                return f"{why}: {value[:200]}"
        return None

    def watch(self) -> str:
        """Wait for a sign, however long it takes."""
        while True:
            why = self.sign()
            if why:
                return why
            self._sleep(POLL_S)

    def leave(self, why: str) -> None:
        """Empty this machine and power it off, within the budget above, whatever fails on the way."""
        self._say(f"leaving: {why}")
        started = self._clock()
        try:
            self._node.leaving.parent.mkdir(parents=True, exist_ok=True)
            self._node.leaving.touch()
            drained = self._drain()
            self._say(
                f"tasks ended after {self._clock() - started:.1f} s"
                if drained
                else "not drained by the master"
            )
            self._try(["systemctl", "stop", "mesos-agent.service"], STOP_AGENT_S)
            self._stop_containers()
            self._ship_logs()
        finally:
            self._say(f"powering off after {self._clock() - started:.1f} s")
            self._run(["systemctl", "poweroff"], 10.0)

    def _drain(self) -> bool:
        """True when the master drained the agent and no task is left."""
        deadline = self._clock() + ASK_S
        while self._clock() + CALL_TIMEOUT_S <= deadline:
            if self._ask(deadline):
                return self._wait_for_tasks()
            self._sleep(1)
        return False

    def _ask(self, deadline: float) -> bool:
        """Ask one master after the other; no call is begun that could outlast the deadline."""
        try:
            state = agent_state(self._node.agent, self._node.credential)
        except MesosError as e:
            self._say(str(e))
            return False
        known = [f"{state.master}:{self._node.master_port}"] if state.master else []
        for master in dict.fromkeys([*known, *self._node.masters]):
            if self._clock() + DRAIN_TIMEOUT_S > deadline:
                break
            try:
                drain(master, state.agent_id, GRACE_S, self._node.credential)
            except MesosError as e:
                self._say(str(e))
            else:
                self._say(f"{master} drains agent {state.agent_id} with {state.tasks} tasks")
                return True
        return False

    def _wait_for_tasks(self) -> bool:
        deadline = self._clock() + TASKS_S
        while self._clock() + CALL_TIMEOUT_S <= deadline:
            try:
                if agent_state(self._node.agent, self._node.credential).tasks == 0:
                    return True
            except MesosError:
                # Drained and marked gone, an agent shuts down: its silence is the end that was waited for. Should
                # it have crashed instead, its containers are stopped below.
                return True
            self._sleep(1)
        return False

    def _stop_containers(self) -> None:
        running = self._try(["docker", "ps", "--quiet"], 5.0).split()
        if running:
            self._say(f"stopping {len(running)} containers")
            self._try(["docker", "stop", "--time", str(CONTAINER_GRACE_S), *running], STOP_CONTAINERS_S - 5.0)

    def _ship_logs(self) -> None:
        self._sleep(LOG_FLUSH_S)
        self._try(["systemctl", "stop", "amazon-cloudwatch-agent.service"], LOGS_S - LOG_FLUSH_S)

    def _try(self, command: Sequence[str], timeout_s: float) -> str:
        try:
            return self._run(command, timeout_s)
        except CommandError as e:
            self._say(str(e))
            return ""


def run(command: Sequence[str], timeout_s: float) -> str:
    """Run a command of this machine.

    Raises:
        CommandError: it is missing, failed, or took longer than `timeout_s`.
    """
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=timeout_s)
    except subprocess.CalledProcessError as e:
        raise CommandError(
            f"{' '.join(command[:3])}: exit {e.returncode}: {e.stderr.strip()[:500]}"
        ) from None
    except (OSError, subprocess.TimeoutExpired) as e:
        raise CommandError(f"{' '.join(command[:3])}: {e}") from None
    return done.stdout


def credential_from(path: Path) -> Credential | None:
    """The agents' credential as Mesos reads it (`--credential`), or None where there is no such file."""
    if not path.exists():
        return None
    entry = json.loads(path.read_text())
    return Credential(entry["principal"], entry["secret"])


def main() -> None:
    """Watch, then leave. `TRAWLER_ZOOKEEPER` names the masters."""
    node = Node(
        masters=tuple(masters_of(os.environ["TRAWLER_ZOOKEEPER"], Node.master_port)),
        credential=credential_from(Path("/run/trawler/agent-credential.json")),
    )
    drainer = Drainer(node, Metadata(), run, say=lambda text: print(text, flush=True))
    drainer.leave(drainer.watch())


if __name__ == "__main__":
    main()
