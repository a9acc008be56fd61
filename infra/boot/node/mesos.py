"""The two calls that a leaving machine makes: to its own Mesos agent, and to the leading master.

Source: Apache Mesos 1.11, Operator HTTP API (DRAIN_AGENT), HTTP endpoints (/state, redirects to the leader).
"""

from __future__ import annotations

import base64
import http.client
import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

CALL_TIMEOUT_S = 3.0
_BODY_LIMIT = 64 << 20
_REDIRECTS = 1
DRAIN_TIMEOUT_S = CALL_TIMEOUT_S * (1 + _REDIRECTS)


class MesosError(Exception):
    """Mesos did not answer, or refused; the text says who and what."""


@dataclass(frozen=True)
class Credential:
    """Principal and secret of the agents."""

    principal: str
    secret: str

    @property
    def header(self) -> str:
        """HTTP Basic authentication."""
        return "Basic " + base64.b64encode(f"{self.principal}:{self.secret}".encode()).decode()


@dataclass(frozen=True)
class AgentState:
    """What the machine's own agent says about itself."""

    agent_id: str
    master: str | None
    """Host name of the leading master, as the agent sees it."""

    tasks: int
    """Tasks that run, are queued or have not yet been reported as ended."""


def agent_state(address: str, credential: Credential | None) -> AgentState:
    """State of the agent at `host:port`.

    Raises:
        MesosError: it does not answer within three seconds, or something else answers.
    """
    status, _, body = _call("GET", address, "/state", None, credential)
    if status != HTTPStatus.OK:
        raise MesosError(f"Mesos agent {address}/state: HTTP {status}")
    try:
        state: Any = json.loads(body)
        executors = [e for f in state.get("frameworks", []) for e in f.get("executors", [])]
        tasks = sum(len(e.get("tasks", [])) + len(e.get("queued_tasks", [])) for e in executors)
        return AgentState(str(state["id"]), state.get("master_hostname"), tasks)
    except (ValueError, KeyError, TypeError, AttributeError) as e:
        raise MesosError(f"Mesos agent {address}/state: not a state: {e!r}") from None


def drain(master: str, agent_id: str, grace_s: int, credential: Credential | None) -> None:
    """Ask a master to drain an agent and to forget it then; a master that does not lead sends on to the one that does.

    Afterwards no task is offered to the agent, every task of it has been told to end within `grace_s`, and the agent's
    id never comes back.

    Args:
        master: `host:port`.
        agent_id: of the agent.
        grace_s: upper bound of the tasks' own grace periods, seconds.
        credential: of the agents, where the master asks for one.

    Raises:
        MesosError: no answer within `DRAIN_TIMEOUT_S`, or a refusal.
    """
    call = {
        "type": "DRAIN_AGENT",
        "drain_agent": {
            "agent_id": {"value": agent_id},
            "max_grace_period": {"seconds": grace_s},
            "mark_gone": True,
        },
    }
    port = urlsplit(f"//{master}").port
    for _ in range(_REDIRECTS + 1):
        status, location, body = _call("POST", master, "/api/v1", json.dumps(call).encode(), credential)
        if status == HTTPStatus.OK:
            return
        leader = urlsplit(location or "")
        # The credential goes to masters only: same port, and only where a master itself sends on.
        if status != HTTPStatus.TEMPORARY_REDIRECT or not leader.hostname or leader.port != port:
            raise MesosError(
                f"Mesos master {master}: HTTP {status} {body[:200].decode('utf-8', 'replace')}".rstrip()
            )
        master = leader.netloc
    raise MesosError(f"Mesos master {master}: sends on, too; no master leads")


def masters_of(zookeeper: str, port: int) -> list[str]:
    """`host:port` of the machines named in `zk://host:2181,…/mesos`: a managed cluster's masters run there, too."""
    hosts = zookeeper.partition("://")[2].partition("/")[0].rpartition("@")[2]
    return [f"{host.partition(':')[0]}:{port}" for host in hosts.split(",") if host]


def _call(
    method: str, address: str, path: str, body: bytes | None, credential: Credential | None
) -> tuple[int, str | None, bytes]:
    headers = {"Accept": "application/json"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    if credential:
        headers["Authorization"] = credential.header
    connection = http.client.HTTPConnection(address, timeout=CALL_TIMEOUT_S)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, response.getheader("Location"), response.read(_BODY_LIMIT)
    except (OSError, http.client.HTTPException) as e:
        raise MesosError(f"{address}{path}: {e!r}") from None
    finally:
        connection.close()
