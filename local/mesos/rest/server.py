"""The table of routes, and a server of it on loopback."""

import os
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from aiohttp import web

from local.mesos.faults import Faults
from local.mesos.marathon.errors import MarathonError
from local.mesos.marathon.manager import Manager
from local.mesos.rest.apps import Apps
from local.mesos.rest.cluster import Cluster
from local.mesos.rest.credentials import Credentials, asking_for
from local.mesos.rest.exchange import LEADER, marathon_answers
from local.mesos.rest.faulty import FAULTS, with_faults
from local.mesos.rest.groups import Groups
from local.mesos.rest.loopback_only import loopback_only
from local.mesos.rest.system import System

LOOPBACK = "127.0.0.1"
_LARGEST_BODY = 4 * 1024**2


class PortError(Exception):
    """The port cannot be listened on; the text says which and why."""


async def _no_route(_: web.Request) -> web.StreamResponse:
    raise MarathonError("URI not found")  # 500, not 404: so it is in every Marathon since 1.6


def web_application(
    manager: Manager,
    framework_id: str,
    credentials: Credentials | None = None,
    faults: Faults | None = None,
) -> web.Application:
    """All of Marathon's endpoints that are emulated; anything else is answered 500 ``URI not found``.

    Args:
        manager: what the endpoints speak to.
        framework_id: id under which tasks run.
        credentials: what every request must carry; None asks for nothing.
        faults: what shall go wrong; None for nothing.
    """
    faults = faults or Faults()
    apps, cluster = Apps(manager), Cluster(manager)
    system = System(manager.scheduler, manager.deployments, framework_id)
    doors = [] if credentials is None else [asking_for(credentials)]
    application = web.Application(
        middlewares=[loopback_only, *doors, marathon_answers, with_faults(faults, manager.scheduler.events)],
        client_max_size=_LARGEST_BODY,
    )
    application[FAULTS] = faults
    router = application.router
    router.add_route("*", r"/v2/apps{tail:(/.*)?}", apps.handle)
    for path in ("/v2/deployments", "/v2/deployments/"):
        router.add_get(path, cluster.deployments)
    router.add_delete("/v2/deployments/{id}", cluster.end_deployment)
    for path in ("/v2/tasks", "/v2/tasks/"):
        router.add_get(path, cluster.tasks)
    router.add_post("/v2/tasks/delete", cluster.delete_tasks)
    for path in ("/v2/queue", "/v2/queue/"):
        router.add_get(path, cluster.queue)
    router.add_delete("/v2/queue/{id:.+}/delay", cluster.reset_delay)
    router.add_route("*", r"/v2/groups{tail:(/.*)?}", Groups(manager).handle)
    router.add_get("/v2/info", system.info)
    router.add_get("/v2/leader", system.leader)
    router.add_delete("/v2/leader", system.abdicate)
    router.add_get("/v2/events", system.events)
    router.add_get("/ping", system.ping)
    router.add_get("/metrics", system.metrics)
    router.add_get("/", system.front)
    router.add_get("/ui/", system.ui)
    router.add_route("*", "/{tail:.*}", _no_route)
    return application


@asynccontextmanager
async def listening(application: web.Application, port: int, host: str = LOOPBACK) -> AsyncGenerator[int]:
    """Serve on an address of loopback; gives the port, chosen by the system where 0 is asked for.

    Raises:
        PortError: the port cannot be had.
    """
    try:
        server = socket.create_server((host, port))
    except OSError as error:
        raise PortError(
            f"cannot listen on {host}:{port}: {os.strerror(error.errno or 0)}; choose another port"
        ) from error
    bound: int = server.getsockname()[1]
    application[LEADER] = f"{host}:{bound}"
    # Access lines would drown the state changes that the log is for.
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
    with server:
        await runner.setup()
        try:
            await web.SockSite(runner, server).start()
            yield bound
        finally:
            await runner.cleanup()
