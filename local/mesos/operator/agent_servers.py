"""Gives every agent its HTTP endpoints for as long as it is registered."""

import logging
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from local.mesos.agent.agent import Agent
from local.mesos.operator.agent_http import agent_application
from local.mesos.rest.credentials import Credentials
from local.mesos.rest.server import LOOPBACK, PortError, listening

if TYPE_CHECKING:
    from local.mesos.serve import Marathon

_log = logging.getLogger(__name__)


class AgentServers:
    """One server an agent, on the agent's own address and the port that all agents share.

    Args:
        marathon: whose agents.
        port: on each agent's host; a real agent has 5051.
        principal: who everybody must be; None asks for nothing.
    """

    def __init__(self, marathon: "Marathon", port: int, principal: Credentials | None) -> None:
        self._marathon = marathon
        self._port = port
        self._principal = principal
        self._serving: dict[str, AsyncExitStack] = {}

    async def run(self) -> None:
        """Follow the agents as they come and go; ends only by cancellation, and every server with it."""
        state = self._marathon.scheduler.state
        try:
            while True:
                await self.follow()
                await state.changed.wait(1.0)
        finally:
            await self.close()

    async def follow(self) -> None:
        """Serve every agent there is, and none that has gone."""
        agents = dict(self._marathon.scheduler.agents)
        for agent_id in self._serving.keys() - agents.keys():
            await self._serving.pop(agent_id).aclose()
        for agent_id in agents.keys() - self._serving.keys():
            self._serving[agent_id] = await self._serve(agents[agent_id])

    async def close(self) -> None:
        """End every server."""
        while self._serving:
            await self._serving.popitem()[1].aclose()

    async def _serve(self, agent: Agent) -> AsyncExitStack:
        application = agent_application(
            agent,
            self._marathon.scheduler.state,
            self._marathon.settings.work_dir,
            self._marathon.framework_id,
            self._principal,
            LOOPBACK,
        )
        serving = AsyncExitStack()
        try:
            await serving.enter_async_context(listening(application, self._port, agent.machine.host))
        except PortError as error:
            _log.warning("agent %s has no HTTP of its own: %s", agent.machine.name, error)
        return serving
