"""The Mesos master's operator API, as far as agents are concerned: ``POST /api/v1``, ``/slaves``, ``/health``.

Source: Apache Mesos 1.11, Operator HTTP API; include/mesos/v1/master/master.proto.
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from local.mesos.agent.agent import Agent
from local.mesos.marathon.agents import Agents, Standing, StillDrainingError, UnknownAgentError
from local.mesos.operator.agent_http import MESOS_VERSION
from local.mesos.operator.authentication import asking_for
from local.mesos.rest.credentials import Credentials
from local.mesos.rest.loopback_only import loopback_only

Json = dict[str, Any]
_LARGEST_BODY = 64 * 1024


class _RefusedError(Exception):
    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def master_application(
    agents: Agents, principal: Credentials | None, agent_port: int | None
) -> web.Application:
    """The master's endpoints.

    Args:
        agents: what they speak of.
        principal: who everybody must be; None asks for nothing.
        agent_port: where agents serve their own endpoints; None where they serve none.
    """
    master = _Master(agents, agent_port or 5051)
    doors = [] if principal is None else [asking_for(principal, "mesos-master-readwrite")]
    application = web.Application(
        middlewares=[loopback_only, *doors, _refusals], client_max_size=_LARGEST_BODY
    )
    for prefix in ("", "/master"):
        application.router.add_post(f"{prefix}/api/v1", master.call)
        application.router.add_get(f"{prefix}/slaves", master.slaves)
        application.router.add_get(f"{prefix}/health", master.health)
        application.router.add_get(f"{prefix}/version", master.version)
    return application


@web.middleware
async def _refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except UnknownAgentError as error:
        return web.Response(status=404, text=str(error))
    except StillDrainingError as error:
        return web.Response(status=400, text=str(error))
    except _RefusedError as error:
        return web.Response(status=error.status, text=str(error))


class _Master:
    def __init__(self, agents: Agents, agent_port: int) -> None:
        self._agents = agents
        self._port = agent_port
        self._calls: dict[str, Callable[[Json], Awaitable[Json | None]]] = {
            "GET_AGENTS": self._get_agents,
            "GET_HEALTH": self._get_health,
            "GET_VERSION": self._get_version,
            "DRAIN_AGENT": self._drain,
            "DEACTIVATE_AGENT": self._deactivate,
            "REACTIVATE_AGENT": self._reactivate,
            "MARK_AGENT_GONE": self._mark_gone,
        }

    async def call(self, request: web.Request) -> web.Response:
        if request.content_type != "application/json":
            raise _RefusedError("Expecting 'Content-Type' of application/json", 415)
        try:
            document: Any = json.loads(await request.text())
        except ValueError as error:
            raise _RefusedError(f"Failed to parse body into JSON: {error}") from None
        kind = document.get("type") if isinstance(document, dict) else None
        if not isinstance(kind, str):
            raise _RefusedError("Failed to validate master::Call: Expecting 'type' to be present")
        if kind not in self._calls:
            raise _RefusedError(f"{kind} is not served here; there are {', '.join(self._calls)}", 501)
        arguments = document.get(kind.lower())
        if kind.endswith("_AGENT") or kind == "MARK_AGENT_GONE":
            arguments = _object(arguments, kind.lower())
        answer = await self._calls[kind](arguments or {})
        if answer is None:
            return web.Response()
        return web.json_response({"type": kind, kind.lower(): answer})

    async def health(self, _: web.Request) -> web.Response:
        return web.Response()

    async def version(self, _: web.Request) -> web.Response:
        return web.json_response({"version": MESOS_VERSION})

    async def slaves(self, _: web.Request) -> web.Response:
        """The older form of GET_AGENTS, with plain values."""
        return web.json_response(
            {"slaves": [self._slave(*each) for each in self._agents.all()], "recovered_slaves": []}
        )

    # Calls

    async def _get_agents(self, _: Json) -> Json:
        return {"agents": [self._agent(*each) for each in self._agents.all()], "recovered_agents": []}

    async def _get_health(self, _: Json) -> Json:
        return {"healthy": True}

    async def _get_version(self, _: Json) -> Json:
        return {"version_info": {"version": MESOS_VERSION}}

    async def _drain(self, call: Json) -> None:
        grace = call.get("max_grace_period")
        mark_gone = call.get("mark_gone", False)
        if not isinstance(mark_gone, bool):
            raise _RefusedError("Failed to parse: drain_agent.mark_gone must be a boolean")
        self._agents.drain(
            _agent_id(call), max_grace_s=None if grace is None else _duration(grace), mark_gone=mark_gone
        )

    async def _deactivate(self, call: Json) -> None:
        self._agents.deactivate(_agent_id(call))

    async def _reactivate(self, call: Json) -> None:
        self._agents.reactivate(_agent_id(call))

    async def _mark_gone(self, call: Json) -> None:
        await self._agents.mark_gone(_agent_id(call))

    # Forms

    def _agent(self, agent: Agent, standing: Standing) -> Json:
        machine = agent.machine
        resources = [_scalar(name, value) for name, value in _scalars(agent).items()]
        ports = {"begin": machine.ports.start, "end": machine.ports.stop - 1}
        resources.append({"name": "ports", "type": "RANGES", "ranges": {"range": [ports]}, "role": "*"})
        document: Json = {
            "agent_info": {
                "id": {"value": agent.id},
                "hostname": machine.host,
                "port": self._port,
                "attributes": [
                    {"name": name, "type": "TEXT", "text": {"value": value}}
                    for name, value in machine.attributes.items()
                ],
                "resources": resources,
            },
            "active": not standing.deactivated,
            "deactivated": standing.deactivated,
            "version": MESOS_VERSION,
            "pid": f"slave(1)@{machine.host}:{self._port}",
            "registered_time": {"nanoseconds": int(standing.registered_at.timestamp() * 1000) * 1_000_000},
            "total_resources": resources,
            "allocated_resources": [_scalar(name, value) for name, value in self._used(agent).items()],
            "offered_resources": [],
        }
        return document | self._drain_info(agent, standing)

    def _slave(self, agent: Agent, standing: Standing) -> Json:
        machine = agent.machine
        ports = f"[{machine.ports.start}-{machine.ports.stop - 1}]"
        document: Json = {
            "id": agent.id,
            "hostname": machine.host,
            "port": self._port,
            "attributes": dict(machine.attributes),
            "pid": f"slave(1)@{machine.host}:{self._port}",
            "registered_time": standing.registered_at.timestamp(),
            "resources": {**_scalars(agent), "ports": ports},
            "used_resources": self._used(agent),
            "active": not standing.deactivated,
            "deactivated": standing.deactivated,
            "version": MESOS_VERSION,
        }
        return document | self._drain_info(agent, standing)

    def _drain_info(self, agent: Agent, standing: Standing) -> Json:
        drain = standing.drain
        if drain is None:
            return {}
        config: Json = {"mark_gone": drain.mark_gone}
        if drain.max_grace_s is not None:
            config["max_grace_period"] = {"nanoseconds": int(drain.max_grace_s * 1000) * 1_000_000}
        started = int(drain.started_at.timestamp() * 1000) * 1_000_000
        return {
            "drain_info": {"state": self._agents.drain_state(agent.id), "config": config},
            "estimated_drain_start_time": {"nanoseconds": started},
        }

    def _used(self, agent: Agent) -> dict[str, float]:
        apps = [instance.run_spec.app for instance, _ in self._agents.tasks_of(agent.id)]
        return {
            "cpus": round(sum(each.cpus for each in apps), 3),
            "mem": round(sum(each.mem for each in apps), 3),
            "disk": round(sum(each.disk for each in apps), 3),
        }


def _scalars(agent: Agent) -> dict[str, float]:
    machine = agent.machine
    return {"cpus": machine.cpus, "mem": machine.mem_mb, "disk": machine.disk_mb}


def _scalar(name: str, value: float) -> Json:
    return {"name": name, "type": "SCALAR", "scalar": {"value": value}, "role": "*"}


def _object(value: Any, path: str) -> Json:
    if not isinstance(value, dict):
        raise _RefusedError(f"Failed to validate master::Call: Expecting '{path}' to be present")
    return value


def _agent_id(call: Json) -> str:
    value = _object(call.get("agent_id"), "agent_id").get("value")
    if not isinstance(value, str):
        raise _RefusedError("Failed to parse: agent_id.value must be a string")
    return value


def _duration(value: Any) -> float:
    """Seconds of a ``google.protobuf.Duration``: an object, for Mesos does not read its string form."""
    parts = _object(value, "max_grace_period")
    seconds, nanos = parts.get("seconds", 0), parts.get("nanos", 0)
    if not all(isinstance(each, int) and not isinstance(each, bool) for each in (seconds, nanos)):
        raise _RefusedError("Failed to parse: max_grace_period takes whole seconds and nanos")
    if seconds < 0 or nanos < 0:
        raise _RefusedError("max_grace_period may not be negative")
    return seconds + nanos / 1e9
