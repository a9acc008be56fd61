"""A Marathon in the test's own process, and deployments to it from a thread, as a provider makes them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.marathon.client import MarathonClient
from infra.marathon.deployment import Deployer, Limits, Surroundings
from infra.marathon.explain import Explainer
from local.mesos.faults import Faults
from local.mesos.operator.agent_servers import AgentServers
from local.stack.ports import free_base
from tests.unit.local_mesos.support import Cluster, a_cluster, until

SLEEP = "exec sleep 1000"
CHECK: dict[str, Any] = {
    "protocol": "COMMAND",
    "command": {"value": "true"},
    "gracePeriodSeconds": 0,
    "intervalSeconds": 1,
    "timeoutSeconds": 5,
    "maxConsecutiveFailures": 0,
}


@dataclass
class Site:
    """A cluster and whoever deploys to it."""

    cluster: Cluster
    client: MarathonClient
    faults: Path
    agent_port: int
    lines: list[str] = field(default_factory=list[str])
    stop: threading.Event = field(default_factory=threading.Event)

    def deployer(
        self, *, client: MarathonClient | None = None, scaled: bool = False, **limits: Any
    ) -> Deployer:
        """A deployer that waits ten seconds unless told otherwise; its lines are kept."""
        used = client or self.client
        return Deployer(
            used,
            Explainer(used, self.agent_port),
            _limits(**{"timeout_s": 10.0, "settle_s": 0.5, "halted_s": 0.5, "poll_s": 0.1, **limits}),
            Surroundings(self.lines.append, self.lines.append, self.stop.is_set, self._wait),
            scaled=scaled,
        )

    def _wait(self, seconds: float) -> None:
        self.stop.wait(seconds)

    async def deploy(self, app_id: str, *, by: Deployer | None = None, **fields: Any) -> str:
        """Deploy an app and give its version."""
        manifest = {"id": app_id, "cmd": SLEEP, "cpus": 0.1, "mem": 16, **fields}
        return await asyncio.to_thread((by or self.deployer()).deploy, manifest)

    async def said(self, text: str) -> None:
        """Wait until a line with this text was shown."""

        async def there() -> bool:
            return any(text in line for line in self.lines)

        await until(there, f"'{text}' among {self.lines}")

    async def running(self, app_id: str) -> set[str]:
        """Ids of the app's running tasks."""
        return {t["id"] for t in await self.cluster.tasks(app_id) if t["state"] == "TASK_RUNNING"}

    async def versions(self, app_id: str) -> list[str]:
        """Versions that Marathon keeps of the app."""
        return (await self.cluster.call("GET", f"/v2/apps{app_id}/versions")).body["versions"]


def _limits(**values: Any) -> Limits:
    return Limits(**values)


@asynccontextmanager
async def a_site(folder: Path, *faults: str) -> AsyncGenerator[Site]:
    """A cluster of one agent with this many things going wrong."""
    file = folder / "faults"
    file.touch()
    async with a_cluster(folder, faults=Faults.of(faults, file)) as cluster:
        port = free_base(range(21000, 29000))
        agents = AgentServers(cluster.marathon, port, None)
        await agents.follow()
        try:
            yield Site(cluster, MarathonClient([cluster.url]), file, port)
        finally:
            await agents.close()
