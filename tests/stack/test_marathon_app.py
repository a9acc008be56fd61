"""A Marathon app under the real engine, by a program of a few lines: what a preview, an update, a refresh and a
Ctrl-C do to it, and what the state holds of it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import time
from asyncio.subprocess import PIPE, STDOUT, Process
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from local.stack.layout import ROOT
from local.stack.pulumi import ENGINE_FOLDER
from tests.servers.marathon.support import SLEEP, Site, a_site
from tests.unit.local_mesos.support import until

COMMAND_TIMEOUT_S = 60
STOP_TIMEOUT_S = 20
SECRET = "correct-horse-battery"

PROGRAM = """
import json
import pathlib

import pulumi
from infra.marathon.resource import MarathonApp

given = json.loads(pathlib.Path("app.json").read_text())
given["manifest"]["env"]["PHRASE"] = pulumi.Output.secret(given["manifest"]["env"]["PHRASE"])
MarathonApp("worker", given["urls"], None, given["manifest"], 30, 10, settle_s=1, agent_port=given["agent_port"])
"""


@dataclass
class Program:
    """A stack with one app."""

    folder: Path
    site: Site

    def write(self, **fields: Any) -> None:
        """The app as it shall be, beside what every version of it has."""
        manifest = {
            "id": "/t/worker",
            "cmd": SLEEP,
            "cpus": 0.1,
            "mem": 16,
            "env": {"A": "1", "PHRASE": SECRET},
            **fields,
        }
        given = {"urls": [self.site.cluster.url], "agent_port": self.site.agent_port, "manifest": manifest}
        (self.folder / "app.json").write_text(json.dumps(given))

    async def start(self, *arguments: str) -> Process:
        """The engine, at work; in a session of its own."""
        path = os.environ["PATH"] if shutil.which("pulumi") else f"{ENGINE_FOLDER}:{os.environ['PATH']}"
        return await asyncio.create_subprocess_exec(
            "pulumi",
            *arguments,
            "--non-interactive",
            cwd=self.folder,
            env={
                **os.environ,
                "PATH": path,
                "PULUMI_HOME": str(self.folder / "home"),
                "PULUMI_BACKEND_URL": f"file://{self.folder}/state",
                "PULUMI_CONFIG_PASSPHRASE": "x",
                "PULUMI_SKIP_UPDATE_CHECK": "true",
                "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
                "PULUMI_ERROR_OUTPUT_STRING": "true",
            },
            stdout=PIPE,
            stderr=STDOUT,
            start_new_session=True,
        )

    async def run(self, *arguments: str, expect: int = 0) -> str:
        """Run the engine, which must end with this status; all it said."""
        engine = await self.start(*arguments)
        try:
            said = (await asyncio.wait_for(engine.communicate(), COMMAND_TIMEOUT_S))[0].decode()
        finally:
            if engine.returncode is None:
                os.killpg(engine.pid, signal.SIGKILL)
                await engine.wait()
        assert engine.returncode == expect, said
        return said

    async def up(self, expect: int = 0) -> str:
        """`pulumi up` without a preview."""
        return await self.run("up", "--yes", "--skip-preview", expect=expect)

    async def preview(self) -> tuple[str, str]:
        """What an `up` would do with the app, and what is said of it."""
        preview = json.loads(await self.run("preview", "--json"))
        (operation,) = [s["op"] for s in preview["steps"] if s["urn"].endswith("::worker")] or ["same"]
        told = [d["message"] for d in preview.get("diagnostics", []) if d["urn"].endswith("::worker")]
        return operation, "".join(told)

    def state(self) -> tuple[dict[str, Any], str]:
        """The app's outputs in the state, and the whole of it as text."""
        text = (self.folder / "state" / ".pulumi" / "stacks" / "tiny" / "dev.json").read_text()
        resources = json.loads(text)["checkpoint"]["latest"]["resources"]
        (outputs,) = [r["outputs"] for r in resources if r["urn"].endswith("::worker")]
        return outputs, text


async def a_program(folder: Path, site: Site) -> Program:
    """A stack of nothing yet."""
    program = Program(folder / "program", site)
    (program.folder / "state").mkdir(parents=True)
    options = {"virtualenv": str(Path(sys.prefix) if sys.prefix != sys.base_prefix else ROOT / ".venv")}
    project = {"name": "tiny", "runtime": {"name": "python", "options": options}}
    (program.folder / "Pulumi.yaml").write_text(yaml.safe_dump(project))
    (program.folder / "__main__.py").write_text(PROGRAM)
    await program.run("stack", "init", "dev")
    return program


async def test_an_app_is_taken_over_compared_by_meaning_and_watched_without_a_secret_in_the_state(
    tmp_path: Path,
) -> None:
    async with a_site(tmp_path) as site:
        program = await a_program(tmp_path, site)
        # There already, written in another form, by somebody else.
        await site.deploy("/t/worker", env={"PHRASE": SECRET, "A": "1"}, container=None)
        program.write()
        said = await program.up()
        assert "app /t/worker was there already and is taken over: it is as wanted" in said
        # What means the same is no change, and nothing is written where nothing changes.
        program.write(uris=[], args=None, cpus=0.10, labels={}, upgradeStrategy={"minimumHealthCapacity": 1})
        await program.run("up", "--yes", "--skip-preview", "--expect-no-changes")
        assert len(await site.versions("/t/worker")) == 1
        # A preview says which fields change, and what becomes of the tasks; a secret's name, never its value.
        program.write(mem=32, env={"A": "1", "PHRASE": "another-horse"})
        assert await program.preview() == (
            "update",
            "app /t/worker differs in /env/PHRASE, /mem; an update replaces its tasks\n",
        )
        program.write(instances=2)
        said = await program.up()
        assert "app /t/worker differs in /instances; an update restarts no task" in said
        assert "0 staged, 2 running of 2" in said
        # What somebody changes by hand is seen.
        await site.cluster.call("PATCH", "/v2/apps/t/worker", {"labels": {"by": "hand"}})
        said = await program.run("refresh", "--yes", "--skip-preview")
        assert "app /t/worker differs in /labels/by; an update replaces its tasks" in said
        outputs, text = program.state()
        assert outputs["manifest"]["labels"] == {"by": "hand"}
        assert "ciphertext" in outputs["manifest"]["env"]["PHRASE"]
        assert SECRET not in text
        # And so is what somebody deletes.
        await site.cluster.call("DELETE", "/v2/apps/t/worker")
        assert "1 deleted" in await program.run("refresh", "--yes", "--skip-preview")


async def test_a_failed_update_and_a_cancelled_one_leave_app_and_state_as_they_were(tmp_path: Path) -> None:
    async with a_site(tmp_path) as site:
        program = await a_program(tmp_path, site)
        program.write()
        await program.up()
        program.write(cmd='echo "phrase: $PHRASE, missing: libfoo" >&2; exit 3')
        said = await program.up(expect=255)
        assert "Container exited with status 3" in said
        assert "missing: libfoo" in said
        assert "was put back, 1 of 1 tasks run" in said
        assert "Traceback" not in said
        program.write(cpus=1000)
        engine = await program.start("up", "--yes", "--skip-preview")
        try:

            async def waits() -> bool:
                return (await site.cluster.app("/t/worker"))["cpus"] == 1000

            await until(waits, "the update to be under way")
            told_at = time.monotonic()
            engine.send_signal(signal.SIGINT)
            said = (await asyncio.wait_for(engine.communicate(), STOP_TIMEOUT_S))[0].decode()
            assert time.monotonic() - told_at < STOP_TIMEOUT_S
        finally:
            if engine.returncode is None:
                os.killpg(engine.pid, signal.SIGKILL)
                await engine.wait()
        assert "cancelled while it was waited for" in said
        assert "was put back" in said
        app = await site.cluster.app("/t/worker")
        assert (app["cmd"], app["cpus"], app["tasksRunning"]) == (SLEEP, 0.1, 1)
        assert program.state()[0]["manifest"]["cpus"] == 0.1
