"""Ping, info, leader, metrics and the event stream (SystemResource, InfoResource, LeaderResource)."""

import asyncio
import json
import logging

from aiohttp import web

from local.mesos.faults import Fault
from local.mesos.marathon.deployments import Deployments
from local.mesos.marathon.errors import MarathonError
from local.mesos.marathon.events import EventBus
from local.mesos.marathon.scheduler import Scheduler
from local.mesos.rest.exchange import add_headers, leader_of
from local.mesos.rest.faulty import FAULTS

_log = logging.getLogger(__name__)

VERSION = "1.11.24"
_HEARTBEAT_S = 10.0
_ELECTION_S = 1.0


class _EndlessResponse(web.StreamResponse):
    """A body without length that ends with its connection: Jetty's EventSourceServlet does not chunk."""

    _length_check = False


class System:
    """Handlers that tell of the server itself.

    Args:
        framework_id: id under which tasks run.
    """

    def __init__(self, scheduler: Scheduler, deployments: Deployments, framework_id: str) -> None:
        self._scheduler = scheduler
        self._deployments = deployments
        self._events: EventBus = scheduler.events
        self._framework_id = framework_id

    async def ping(self, request: web.Request) -> web.Response:
        accepted = request.headers.get("Accept", "*/*")
        if "text/plain" in accepted or "*/*" in accepted:
            return web.Response(text="pong")
        return web.json_response("pong") if "application/json" in accepted else web.Response(status=204)

    async def leader(self, request: web.Request) -> web.Response:
        return web.json_response({"leader": leader_of(request)})

    async def abdicate(self, request: web.Request) -> web.Response:
        """Leadership is given up; the only Marathon there is is elected anew a moment later."""
        request.app[FAULTS].order(Fault("lost-leader", seconds=_ELECTION_S))
        return web.json_response({"message": "Leadership abdicated"})

    async def front(self, _: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "/ui/"})

    async def ui(self, _: web.Request) -> web.Response:
        page = "<!DOCTYPE html><title>Marathon</title><p>There is no user interface here; the API is below /v2.</p>\n"
        return web.Response(text=page, content_type="text/html")

    async def info(self, request: web.Request) -> web.Response:
        leader = leader_of(request)
        host, _, port = leader.partition(":")
        return web.json_response(
            {
                "name": "marathon",
                "version": VERSION,
                "buildref": "unknown",
                "elected": True,
                "leader": leader,
                "frameworkId": self._framework_id,
                "marathon_config": {
                    "checkpoint": True,
                    "executor": "//cmd",
                    "failover_timeout": 604800,
                    "features": [],
                    "framework_name": "marathon",
                    "ha": False,
                    "hostname": host,
                    "local_port_min": 10000,
                    "local_port_max": 20000,
                    "master": "local",
                    "mesos_role": "*",
                    "task_launch_timeout": 300000,
                    "webui_url": f"http://{leader}",
                },
                "zookeeper_config": {"zk_max_versions": "50"},
                "http_config": {"http_port": int(port), "https_port": 8443},
            }
        )

    async def metrics(self, _: web.Request) -> web.Response:
        state = self._scheduler.state
        tasks = [task for _, task in state.tasks()]
        gauges = {
            "marathon.apps.active.gauge": len(state.versions),
            "marathon.deployments.active.gauge": len(self._deployments.running()),
            "marathon.instances.running.gauge": sum(task.state == "TASK_RUNNING" for task in tasks),
            "marathon.instances.staged.gauge": sum(task.state == "TASK_STAGING" for task in tasks),
        }
        return web.json_response(
            {
                "version": "3.0.0",
                "counters": {},
                "gauges": {name: {"value": value} for name, value in gauges.items()},
                "histograms": {},
                "meters": {},
                "timers": {},
            }
        )

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Server-sent events until either side ends it; nothing is replayed."""
        if request.headers.get("Accept") != "text/event-stream":
            raise MarathonError("Accept: text/event-stream is needed", status=405)
        response = _EndlessResponse(
            headers={"Content-Type": "text/event-stream;charset=utf-8", "Connection": "close"}
        )
        response.force_close()
        add_headers(request, response)
        types = frozenset(request.query.getall("event_type", []))
        faults = request.app[FAULTS]
        dropped, sent = faults.find("dropped-events"), 0
        with self._events.subscription(request.remote or "", types) as subscription:
            await response.prepare(request)
            while dropped is None or sent < (dropped.count or 0):
                try:
                    event = await asyncio.wait_for(subscription.queue.get(), _HEARTBEAT_S)
                except TimeoutError:
                    await response.write(b"\r\n")
                    continue
                if event is None:
                    return response
                data = json.dumps(event, separators=(",", ":"))
                await response.write(f"event: {event['eventType']}\r\ndata: {data}\r\n\r\n".encode())
                sent += 1
        _log.warning("fault %s: event stream of %s ended after %d events", dropped, request.remote, sent)
        return response
