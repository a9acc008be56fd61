"""One run of the server in the foreground: from its ready line to the signal that ends it."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from local.mesos.agent.agent import Machine
from local.mesos.fleet import Fleet, FleetFollower
from local.mesos.operator.agent_servers import AgentServers
from local.mesos.operator.master import master_application
from local.mesos.rest.credentials import Credentials
from local.mesos.rest.server import listening
from local.mesos.serve import Marathon, Settings

_log = logging.getLogger(__name__)


def static_machines(count: int, cpus: float, mem_mb: float) -> list[Machine]:
    """The agents of a cluster without AWS; they share the ports from 31000 to 32000, since all are on one network."""
    each = 1000 // max(count, 1)
    return [
        Machine(
            name=f"agent-{number}",
            host=f"127.0.1.{number % 250 + 1}" if sys.platform == "linux" else "127.0.0.1",
            cpus=cpus,
            mem_mb=mem_mb,
            disk_mb=10_000.0,
            ports=range(31000 + number * each, 31000 + (number + 1) * each),
            attributes={"lifecycle": "on-demand"},
        )
        for number in range(count)
    ]


@dataclass(frozen=True)
class Ports:
    """Ports of Mesos itself, each None for none.

    Attributes:
        master: of the operator API on 127.0.0.1; 0 lets the system choose. A real master has 5050.
        agent: of every agent's endpoints, on the agent's own host. A real agent has 5051.
        principal: who everybody must be; None asks for nothing.
    """

    master: int | None = None
    agent: int | None = None
    principal: Credentials | None = None


async def serve(
    settings: Settings,
    machines: Sequence[Machine],
    fleet: Fleet | None,
    parent: int | None,
    tell: Callable[[str], None],
    ports: Ports | None = None,
) -> None:
    """Serve until SIGTERM, Ctrl-C or the end of the process ``parent``; no task is left afterwards.

    Args:
        settings: of the server.
        machines: agents that stay.
        fleet: whose instances are agents too, None for none.
        parent: process id to end with, None for whoever it is.
        tell: called with the ready line, then with what else is good to know.
        ports: of Mesos itself; None for none.

    Raises:
        PortError: the port cannot be had.
    """
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    marathon = Marathon(settings)
    async with marathon.running() as port:
        for machine in machines:
            marathon.add_machine(machine)
        async with _mesos(marathon, ports or Ports()) as master:
            following = asyncio.create_task(_follow(marathon, fleet))
            tell(f"Marathon ready on http://127.0.0.1:{port}")
            if master is not None:
                tell(f"Mesos master's operator API on http://127.0.0.1:{master}")
            _introduce(settings, machines, fleet, ports)
            while not stop.is_set() and not following.done() and (parent is None or os.getppid() == parent):
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), 0.5)
            if following.done():
                following.result()  # it ends by failing only: say how
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


def _introduce(
    settings: Settings, machines: Sequence[Machine], fleet: Fleet | None, ports: Ports | None
) -> None:
    """What a person who started this wants to know, in the log: the ready line alone is for programs."""
    agents = (
        "the instances of the spot fleets" if fleet else ", ".join(each.host for each in machines) or "none"
    )
    _log.info("agents: %s", agents)
    if ports is not None and ports.agent is not None:
        _log.info("each agent's /state and /files/read on port %d of its own address", ports.agent)
    if settings.start_tasks:
        chosen = (
            "containers where a daemon answers"
            if settings.containerizer == "auto"
            else settings.containerizer
        )
        _log.info("tasks run in %s; sandboxes in %s", chosen, settings.work_dir)
    else:
        _log.info("tasks are accepted and not started")
    _log.info("state is kept in %s", settings.state_dir or "memory and ends with this server")
    for fault in settings.faults.all():
        _log.warning("fault in force: %s", fault)
    _log.info("Ctrl-C ends it, and every task")


@asynccontextmanager
async def _mesos(marathon: Marathon, ports: Ports) -> AsyncGenerator[int | None]:
    """The endpoints of Mesos itself; gives the master's port."""
    async with AsyncExitStack() as stack:
        if ports.agent is not None:
            servers = AgentServers(marathon, ports.agent, ports.principal)
            await servers.follow()
            serving = asyncio.create_task(servers.run(), name="agents' HTTP")
            stack.push_async_callback(_ended, serving)
        if ports.master is None:
            yield None
            return
        application = master_application(marathon.master, ports.principal, ports.agent)
        yield await stack.enter_async_context(listening(application, ports.master))


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _follow(marathon: Marathon, fleet: Fleet | None) -> None:
    if fleet is None:
        await asyncio.Event().wait()
    else:
        await FleetFollower(marathon, fleet).run()
