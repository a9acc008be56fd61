"""The two roads by which changed code reaches tasks: as a release beside the image, and inside the image.

Each road is walked straight, with nothing around it: what it takes from the changed file to tasks that run it, by the
client with which the program itself speaks to Marathon. The image road is an honest one: the dependencies are layers
that everybody has, the source is the last layer, and only that one is built, pushed and pulled.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import registry
from bench.task_events import TaskEvents
from infra.marathon.client import MarathonClient
from infra.marathon.normal_form import READ_ONLY
from infra.release import pack
from infra.release.history import ReleaseStore
from ops.releases import unpacked

ROLL_TIMEOUT_S = 180.0
DOCKER_TIMEOUT_S = 300
SOURCE = "/var/app"

Json = dict[str, Any]


@dataclass
class Walk:
    """One deploy, measured."""

    ready_s: float
    """From the change to the moment Marathon is told: the roll begins, and agents find what they need."""

    start_s: float
    """From the change to the moment the first new task starts."""

    done_s: float
    """From the change until every task runs the new code."""

    steps: dict[str, float]
    """Step → seconds; what the steps leave is Marathon's roll."""

    uploaded_bytes: int
    """What left the deploying machine."""

    fetched_bytes: int
    """What one agent brings in before a task of it can start, for one task."""


@dataclass
class Stopwatch:
    """Seconds of each step, and pauses that belong to none."""

    began: float = field(default_factory=time.monotonic)
    steps: dict[str, float] = field(default_factory=dict[str, float])
    paused_s: float = 0

    def time(self, name: str, step: Callable[[], Any]) -> Any:
        """Do a step, and keep what it took."""
        started = time.monotonic()
        found = step()
        self.steps[name] = time.monotonic() - started
        return found

    def pause(self, step: Callable[[], Any]) -> None:
        """Do what neither road would do in production."""
        started = time.monotonic()
        step()
        self.paused_s += time.monotonic() - started

    def since(self, moment: float) -> float:
        """Seconds from the beginning to a moment after the last pause."""
        return moment - self.began - self.paused_s


@dataclass
class Roads:
    """Four apps that run, and both ways to change their code.

    Attributes:
        tree: a working tree that may be changed.
        client: the apps' Marathon.
        events: its event stream.
        store: the stack's releases.
        base_uri: what a release's key follows in its URI.
        registry: `host:port`.
        image: the workers' image, without source.
        repository: of images that hold the source, below the registry.
        definitions: app id → definition as it runs from a release.
        tasks: how many tasks the apps have together.
    """

    tree: Path
    client: MarathonClient
    events: TaskEvents
    store: ReleaseStore
    base_uri: str
    registry: str
    image: str
    repository: str
    definitions: dict[str, Json]
    tasks: int
    edits: int = 0

    def change(self) -> None:
        """One line of a worker is another one."""
        self.edits += 1
        path = self.tree / "workers" / "crawler" / "__main__.py"
        lines = [line for line in path.read_text().splitlines() if not line.startswith("# change ")]
        path.write_text("\n".join([*lines, f"# change {self.edits} at {time.time_ns()}"]) + "\n")

    def source(self) -> Walk:
        """Pack, put, and name the release in each app."""
        self.change()
        watch = Stopwatch()
        packed = watch.time("pack", lambda: pack(self.tree / "workers", self.tree / "workers" / "shops"))
        watch.time("put", lambda: self.store.put(packed.digest, packed.data))
        uri = f"{self.base_uri}/{packed.key}"
        put = watch.time("marathon", lambda: self._put({"fetch": [{"uri": uri}], "image": self.image}))
        return self._walked(watch, put, len(packed.data), len(packed.data))

    def in_image(self, folder: Path) -> Walk:
        """Build the source into a last layer, push it, and name the image in each app.

        Args:
            folder: empties and uses it as the build's context.
        """
        self.change()
        tag = f"{self.registry}/{self.repository}:{self.edits}"
        watch = Stopwatch()
        watch.time("context", lambda: self.context_of(folder))
        watch.time("build", lambda: docker("build", "--network", "host", "--tag", tag, str(folder)))
        watch.time("push", lambda: docker("push", tag))
        # The builder is no agent: here they share a daemon, so the pushed layer is taken out for the agent to pull.
        watch.pause(lambda: docker("image", "rm", tag))
        put = watch.time("marathon", lambda: self._put({"fetch": [], "image": tag}))
        new = self._new_layers(tag)
        return self._walked(watch, put, sum(new.values()), sum(new.values()))

    def back_to_release(self, digest_uri: str) -> None:
        """Every app runs from a release again, unmeasured."""
        began = self._put({"fetch": [{"uri": digest_uri}], "image": self.image})
        self.events.nth("TASK_RUNNING", began, self.tasks, ROLL_TIMEOUT_S)
        self.settle()

    def settle(self) -> None:
        """No deployment is under way."""
        deadline = time.monotonic() + ROLL_TIMEOUT_S
        while self.client.deployment_ids():
            if time.monotonic() > deadline:
                raise TimeoutError(f"Marathon still deploys after {ROLL_TIMEOUT_S:.0f} s")
            time.sleep(0.1)

    def _put(self, change: Json) -> float:
        """Each app with that change; the moment before the first was said."""
        began = time.monotonic()
        for app_id, definition in self.definitions.items():
            app = {key: value for key, value in definition.items() if key not in READ_ONLY}
            container = app["container"]
            volumes = container.get("volumes", []) if change["fetch"] else []
            docker_part = {**container["docker"], "image": change["image"]}
            app |= {
                "fetch": change["fetch"],
                "container": {**container, "docker": docker_part, "volumes": volumes},
            }
            self.client.put_app(app_id, app, force=True)
        return began

    def _walked(self, watch: Stopwatch, put: float, uploaded: int, fetched: int) -> Walk:
        first = self.events.nth("TASK_STARTING", put, 1, ROLL_TIMEOUT_S)
        last = self.events.nth("TASK_RUNNING", put, self.tasks, ROLL_TIMEOUT_S)
        self.settle()
        watch.steps["fetch or pull"] = first - put
        watch.steps["roll"] = last - first
        return Walk(watch.since(put), watch.since(first), watch.since(last), watch.steps, uploaded, fetched)

    def context_of(self, folder: Path) -> None:
        """What the image's last layer is made of: the files of the release, and nothing else."""
        shutil.rmtree(folder, ignore_errors=True)
        held = unpacked(pack(self.tree / "workers", self.tree / "workers" / "shops").data)
        for name, data in held.items():
            path = folder / "app" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        (folder / "Dockerfile").write_text(f"FROM {self.image}\nCOPY app {SOURCE}\n")

    def _new_layers(self, tag: str) -> dict[str, int]:
        """Layers of an image that the image without source has not."""
        base = self.image.removeprefix(f"{self.registry}/")
        there = registry.layers(self.registry, *_split(base))
        made = registry.layers(self.registry, *_split(tag.removeprefix(f"{self.registry}/")))
        return {digest: size for digest, size in made.items() if digest not in there}


def docker(*arguments: str) -> str:
    """What a docker command says.

    Raises:
        RuntimeError: it failed; with what it said.
    """
    answer = subprocess.run(
        ["docker", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DOCKER_TIMEOUT_S,
        check=False,
    )
    if answer.returncode != 0:
        raise RuntimeError(
            f"docker {' '.join(arguments[:2])}: {(answer.stderr or answer.stdout).strip()[-2000:]}"
        )
    return answer.stdout.strip()


def _split(reference: str) -> tuple[str, str]:
    repository, _, tag = reference.rpartition(":")
    return repository, tag
