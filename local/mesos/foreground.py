"""One run of the server in the foreground: from its ready line to the signal that ends it."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Sequence

from local.mesos.agent.agent import Machine
from local.mesos.fleet import Fleet, FleetFollower
from local.mesos.serve import Marathon, Settings


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


async def serve(
    settings: Settings,
    machines: Sequence[Machine],
    fleet: Fleet | None,
    parent: int | None,
    tell: Callable[[str], None],
) -> None:
    """Serve until SIGTERM, Ctrl-C or the end of the process ``parent``; no task is left afterwards.

    Args:
        settings: of the server.
        machines: agents that stay.
        fleet: whose instances are agents too, None for none.
        parent: process id to end with, None for whoever it is.
        tell: called with the ready line.

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
        following = asyncio.create_task(_follow(marathon, fleet))
        tell(f"Marathon ready on http://127.0.0.1:{port}")
        while not stop.is_set() and not following.done() and (parent is None or os.getppid() == parent):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 0.5)
        if following.done():
            following.result()  # it ends by failing only: say how
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def _follow(marathon: Marathon, fleet: Fleet | None) -> None:
    if fleet is None:
        await asyncio.Event().wait()
    else:
        await FleetFollower(marathon, fleet).run()
