"""The node's own drainer, the program that real machines run, against the local Mesos."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import aiohttp

from tests.servers.local_mesos.test_command_line import ROOT, a_server
from tests.unit.local_mesos.support import DEADLINE_S, until

_DRAINER = """
import sys, time
from pathlib import Path
from infra.boot.node.drainer import Drainer, Node, credential_from
from infra.boot.node.metadata import Metadata

agent, master, credential, leaving = sys.argv[1:]
node = Node(
    agent=agent, masters=(master,), master_port=int(master.rpartition(":")[2]),
    credential=credential_from(Path(credential)), leaving=Path(leaving),
)

def run(command, timeout_s):
    print("$", *command, flush=True)
    return ""

drainer = Drainer(node, Metadata(), run, sleep=lambda s: time.sleep(min(s, 0.05)), say=lambda t: print(t, flush=True))
drainer.leave("interruption notice")
"""


async def test_a_machine_that_must_go_drains_its_agent_and_its_tasks_end_in_order_and_run_elsewhere(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    credential = tmp_path / "credential.json"
    credential.write_text('{"principal": "agents", "secret": "s3cret"}')
    command = [
        "-m", "local.mesos", "serve", "--port", "0", "--agents", "2", "--work-dir", str(tmp_path / "work"),
        "--images", str(tmp_path / "images"), "--shutdown-grace", "1", "--containerizer", "processes",
        "--master-port", "0", "--agent-port", str(unused_tcp_port), "--mesos-credential", str(credential),
    ]  # fmt: skip
    auth = aiohttp.BasicAuth("agents", "s3cret")
    async with (
        a_server(tmp_path, sys.executable, *command) as (process, url),
        aiohttp.ClientSession() as session,
    ):
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), DEADLINE_S)).decode().strip()
        master = line.removeprefix("Mesos master's operator API on http://")
        app = {
            "cmd": "trap 'echo handed back; exit 0' TERM; echo up; while :; do sleep 0.05; done",
            "cpus": 0.1, "mem": 16, "constraints": [["hostname", "LIKE", "127.0.1.[12]"]],
            "taskKillGracePeriodSeconds": 10,
        }  # fmt: skip
        await session.put(f"{url}/v2/apps/a", json=app)

        async def tasks() -> list[dict[str, Any]]:
            async with session.get(f"{url}/v2/tasks?status=running") as response:
                return (await response.json())["tasks"]

        async def runs() -> bool:
            return len(await tasks()) == 1

        await until(runs, "a running task")
        (leaving,) = await tasks()
        sandbox = next(
            (tmp_path / "work").glob(f"slaves/*/frameworks/*/executors/{leaving['id']}/runs/latest")
        )

        async def up() -> bool:
            return "up" in (sandbox / "stdout").read_text()

        await until(up, "the task to be up")
        drainer = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _DRAINER, f"{leaving['host']}:{unused_tcp_port}", master, str(credential),
            str(tmp_path / "leaving"), cwd=ROOT, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        said, _ = await asyncio.wait_for(drainer.communicate(), DEADLINE_S)
        lines = said.decode().splitlines()
        assert lines[0] == "leaving: interruption notice"
        assert lines[1].startswith(f"{master} drains agent {leaving['slaveId']} with 1 tasks")
        assert lines[2].startswith("tasks ended after ")
        assert lines[-1] == "$ systemctl poweroff"
        assert (sandbox / "stdout").read_text().splitlines() == ["up", "handed back"]

        async def moved() -> bool:
            return [each["host"] != leaving["host"] for each in await tasks()] == [True]

        await until(moved, "the task elsewhere")
        async with session.post(
            f"http://{master}/api/v1", json={"type": "GET_AGENTS"}, auth=auth
        ) as response:
            agents = (await response.json())["get_agents"]["agents"]
        assert leaving["slaveId"] not in json.dumps(agents)
        assert len(agents) == 1
        async with session.get(f"http://{master}/slaves") as response:
            assert response.status == 401
