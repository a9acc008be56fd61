"""A source deploy beside an image deploy: `python -m bench.deploy`.

Real containers, a real registry and the real program on a local stack: four apps with two tasks each. One line of a
worker changes, and both roads carry it, by turns, in one run:

- **straight**: the road alone, by the client of the program, from the change to the start of the roll (Marathon is
  told, and agents find what they need), to the first new task that starts, and to every task that runs the new code.
  Source: pack, put, one request an app. Image: build a last layer of the same files upon the dependencies, push it, one
  request an app, the agent pulls it. The roll is the same.
- **command**: `trawler deploy` around each, with the engine's preview and update: what a person waits for.

Then a changed dependency by both roads, a rollback, and a deploy that changes nothing. Medians of several turns are
shown; everything is written to `build/bench/deploy.json`.

Kept fair: the image road's dependencies are cached everywhere; builder and agent share one daemon here, so the pushed
layer is taken out between push and pull, off the clock; nothing crosses a network, which favours the road that moves
more.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import boto3
import typer
import yaml
from botocore.config import Config
from rich.console import Console
from rich.table import Table

from bench.checkout import copied
from bench.deploy_roads import Roads, Walk, docker
from bench.registry import RegistryError, registry
from bench.task_events import TaskEvents, watched
from infra.marathon.client import MarathonClient
from infra.release.history import ReleaseStore
from local.stack.checkout import interpreter
from local.stack.layout import ROOT
from local.stack.processes import StackError
from local.stack.rehearsal import Rehearsal

STACK = "local"
BASE_IMAGE = "trawler/base:bookworm"
COMMAND_TIMEOUT_S = 600
TASKS_EACH = 2
STAGES = ("plan", "fetch", "parse", "store")
TASKS = TASKS_EACH * len(STAGES)
ADDED_PACKAGE = "iniconfig"
"""A small package of this project's own lock, which the workers do without."""


class BenchError(Exception):
    """The benchmark cannot run here, or something it needs failed."""


@dataclass
class Site:
    """The stack, and the working tree that is deployed to it."""

    rehearsal: Rehearsal
    tree: Path
    events: TaskEvents

    def ops(self, *arguments: str, config: Path | None = None) -> dict[str, Any]:
        """A command of `trawler`, as a person starts it; its JSON."""
        line = [sys.executable, "-m", "ops", *arguments, "--stack", STACK, "--json"]
        return json.loads(run([*line, "--config-file", str(config or self.rehearsal.config_file)], self))

    def deploy(self, *arguments: str) -> Walk:
        """`trawler deploy` or another verb of its kind, with the moments at which tasks start."""
        began = time.monotonic()
        said = self.ops(*(arguments or ("deploy",)))
        steps: dict[str, float] = {**said["seconds"], "command": time.monotonic() - began}
        first = self.events.nth("TASK_STARTING", began, 1, 1)
        last = self.events.nth("TASK_RUNNING", began, TASKS, 1)
        return Walk(steps.get("first_put", 0), first - began, last - began, steps, 0, 0)


def run(line: Sequence[str], site: Site) -> str:
    """The standard output of a command that must succeed, in the working tree's own code."""
    answer = subprocess.run(
        line,
        cwd=site.tree,
        env={**os.environ, **site.rehearsal.environment(site.tree)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
        check=False,
    )
    if answer.returncode != 0:
        raise BenchError(
            f"{' '.join(line[2:5])} ended with status {answer.returncode}:\n{answer.stderr[-4000:]}"
        )
    return answer.stdout


def main(
    repeat: Annotated[int, typer.Option(min=1, help="Turns of each road.")] = 3,
    base_image: Annotated[str, typer.Option(help="Base image of the workers' image.")] = BASE_IMAGE,
    out: Annotated[Path, typer.Option(help="Where the figures go.")] = ROOT
    / "build"
    / "bench"
    / "deploy.json",
) -> None:
    """Measure both roads."""
    console = Console()
    try:
        figures = measure(repeat, base_image, console)
    except (BenchError, RegistryError, StackError) as e:
        print(f"bench.deploy: {e}", file=sys.stderr)
        raise typer.Exit(1) from None
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(figures, indent=2) + "\n")
    show(figures, console)
    console.print(f"written to {out.relative_to(ROOT) if out.is_relative_to(ROOT) else out}")


def measure(repeat: int, base_image: str, console: Console) -> dict[str, Any]:
    """All figures.

    Raises:
        BenchError, RegistryError, StackError: it cannot run here; says why.
    """
    require_docker(base_image)
    with ExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="trawler-bench-")))
        address = held.enter_context(registry(folder / "registry"))
        tree = held.enter_context(copied())
        held.enter_context(interpreter(tree))
        configure(tree, address, base_image)
        rehearsal = Rehearsal(STACK, ROOT / "build" / "bench" / "deploy-stack", tasks=True, containers=True)
        held.enter_context(rehearsal)
        site = Site(rehearsal, tree, TaskEvents())
        console.print("bench: the workers' image, and the stack …")
        image = site.ops("image", config=tree / f"Pulumi.{STACK}.yaml")
        outcome = rehearsal.up(tree)
        if outcome.status != 0:
            raise BenchError(f"pulumi up ended with status {outcome.status}:\n{outcome.stdout[-4000:]}")
        site.events = held.enter_context(watched(rehearsal.layout.url["marathon"]))
        return Turns(site, roads(site, address), folder / "context", repeat, console).measured() | {
            "image": image
        }


def require_docker(base_image: str) -> None:
    """A daemon answers, and has the base image.

    Raises:
        BenchError: it does not.
    """
    if shutil.which("docker") is None:
        raise BenchError("there is no program 'docker'; this is measured on real containers or not at all")
    try:
        docker("info")
    except RuntimeError as e:
        raise BenchError(f"no Docker daemon answers: {e}") from None
    try:
        docker("image", "inspect", base_image)
    except RuntimeError:
        raise BenchError(
            f"the daemon has no image {base_image}; `python3 tools/base_image.py` makes it, or name another by "
            "FLAGS='--base-image …'"
        ) from None


def configure(tree: Path, address: str, base_image: str) -> None:
    """The copy's stack has two tasks an app, and its image in the registry."""
    path = tree / f"Pulumi.{STACK}.yaml"
    document = yaml.safe_load(path.read_text())
    config = document["config"]
    config["trawler:image"] = {"repository": f"{address}/trawler/worker", "baseImage": base_image}
    config["trawler:instances"] = dict.fromkeys(STAGES, TASKS_EACH)
    config["trawler:fleet"] |= {"minCapacity": 4, "maxCapacity": 6}
    path.write_text(yaml.safe_dump(document))


def roads(site: Site, address: str) -> Roads:
    """The apps as they run now."""
    layout, outputs = (
        site.rehearsal.layout,
        json.loads(site.rehearsal.run(site.tree, "stack", "output", "--json").stdout),
    )
    client = MarathonClient([layout.url["marathon"]])
    s3 = boto3.client(
        "s3",
        endpoint_url=layout.url["aws"],
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",  # noqa: S106  the stand-in takes any
        config=Config(proxies={}, s3={"addressing_style": "path"}),
    )
    bucket = outputs["artifactBucket"]
    return Roads(
        tree=site.tree,
        client=client,
        events=site.events,
        store=ReleaseStore(s3, bucket),
        base_uri=f"{layout.url['aws']}/{bucket}",
        registry=address,
        image=outputs["image"],
        repository="trawler/whole",
        definitions={app: client.app(app) for app in outputs["apps"]},
        tasks=TASKS,
    )


@dataclass
class Turns:
    """Both roads, by turns."""

    site: Site
    roads: Roads
    context: Path
    repeat: int
    console: Console

    def measured(self) -> dict[str, Any]:
        """Every figure, medians first."""
        self.roads.in_image(self.context)  # warms the daemon, the registry and the agents
        self.roads.source()
        straight = self._by_turns("straight", self.roads.source, lambda: self.roads.in_image(self.context))
        command = self._by_turns("command", self._source_command, self._image_command)
        self._with_release()
        self._source_command()
        back = [self._rollback() for _ in range(self.repeat)]
        noop = [self._noop() for _ in range(self.repeat)]
        source, image = straight["source"]["median"], straight["image"]["median"]
        return {
            "source_deploy_s": source["start_s"],
            "image_deploy_s": image["start_s"],
            "ratio": round(image["start_s"] / source["start_s"], 2),
            "ratio_to_roll": round(image["ready_s"] / source["ready_s"], 2),
            "source_done_s": source["done_s"],
            "image_done_s": image["done_s"],
            "rollback_s": round(statistics.median(back), 2),
            "noop_s": round(statistics.median(noop), 2),
            "steps": {name: straight[name]["median"]["steps"] for name in straight},
            "straight": straight,
            "command": command,
            "command_ratio": round(
                command["image"]["median"]["start_s"] / command["source"]["median"]["start_s"], 2
            ),
            "dependency": self._dependency(),
            "repeat": self.repeat,
        }

    def _by_turns(self, name: str, source: Any, image: Any) -> dict[str, Any]:
        walks: dict[str, list[Walk]] = {"source": [], "image": []}
        for turn in range(self.repeat):
            for road, walk in (("source", source), ("image", image)):
                walks[road].append(walk())
                self.console.print(
                    f"bench: {name} {turn + 1}/{self.repeat} {road}: first task {walks[road][-1].start_s:.2f} s, "
                    f"all {walks[road][-1].done_s:.2f} s"
                )
        return {
            road: {"median": median(found), "turns": [asdict(walk) for walk in found]}
            for road, found in walks.items()
        }

    def _source_command(self) -> Walk:
        self._with_release()
        self.roads.change()
        return self.site.deploy()

    def _image_command(self) -> Walk:
        """Build and push, then the same command, with apps that name the image and fetch nothing."""
        self.roads.change()
        tag = f"{self.roads.registry}/{self.roads.repository}:{self.roads.edits}"
        began = time.monotonic()
        self.roads.context_of(self.context)
        docker("build", "--network", "host", "--tag", tag, str(self.context))
        docker("push", tag)
        made = time.monotonic() - began
        docker("image", "rm", tag)
        self._with_image(tag)
        walk = self.site.deploy()
        walk.steps["build and push"] = made
        return Walk(walk.ready_s + made, walk.start_s + made, walk.done_s + made, walk.steps, 0, 0)

    def _with_image(self, tag: str) -> None:
        for path in sorted((self.site.tree / "marathon_apps").glob("*.json")):
            app = json.loads((ROOT / "marathon_apps" / path.name).read_text())
            app["container"]["docker"]["image"] = tag
            app["container"]["volumes"] = []
            app.pop("fetch", None)
            path.write_text(json.dumps(app))

    def _with_release(self) -> None:
        for path in sorted((self.site.tree / "marathon_apps").glob("*.json")):
            shutil.copyfile(ROOT / "marathon_apps" / path.name, path)

    def _rollback(self) -> float:
        """Back to the release before; afterwards the working tree's runs again."""
        began = time.monotonic()
        self.site.ops("rollback")
        took = time.monotonic() - began
        self.site.ops("deploy", "--unpin")
        return took

    def _noop(self) -> float:
        began = time.monotonic()
        said = self.site.ops("deploy")
        if said["changed"]:
            raise BenchError("a deploy of nothing new changed something")
        return time.monotonic() - began

    def _dependency(self) -> dict[str, Any]:
        """One more package in the workers' lock: the image without source is made anew, whichever road follows."""
        lock = self.site.tree / "workers" / "requirements.lock"
        lock.write_text(lock.read_text() + _entry(ROOT / "requirements.lock", ADDED_PACKAGE))
        began = time.monotonic()
        made = self.site.ops("image", config=self.site.tree / f"Pulumi.{STACK}.yaml")
        took = time.monotonic() - began
        self.roads.image = made["image"]
        # An agent has neither the new image nor what it is made of.
        docker("image", "rm", made["image"])
        source = self.roads.source()
        walk = self.roads.in_image(self.context)
        return {
            "image_s": round(took, 2),
            "image_steps": made.get("seconds", {}),
            "source_start_s": round(took + source.start_s, 2),
            "source_done_s": round(took + source.done_s, 2),
            "image_start_s": round(took + walk.start_s, 2),
            "image_done_s": round(took + walk.done_s, 2),
        }


def _entry(lock: Path, package: str) -> str:
    """The lines of a package in a hashed lock."""
    lines = lock.read_text().splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith(f"{package}=="))
    last = next(n for n in range(first + 1, len(lines)) if not lines[n].startswith("    --hash"))
    return "\n".join(lines[first:last]).rstrip("\\ ") + "\n"


def median(walks: list[Walk]) -> dict[str, Any]:
    """Field by field, step by step."""
    steps = {
        name: round(statistics.median(walk.steps.get(name, 0) for walk in walks), 3)
        for name in walks[0].steps
    }
    return {
        "ready_s": round(statistics.median(walk.ready_s for walk in walks), 3),
        "start_s": round(statistics.median(walk.start_s for walk in walks), 3),
        "done_s": round(statistics.median(walk.done_s for walk in walks), 3),
        "steps": steps,
        "uploaded_bytes": round(statistics.median(walk.uploaded_bytes for walk in walks)),
        "fetched_bytes": round(statistics.median(walk.fetched_bytes for walk in walks)),
    }


def show(figures: dict[str, Any], console: Console) -> None:
    """The table a person reads."""
    table = Table(title=f"one line of a worker, {TASKS} tasks: medians of {figures['repeat']}, seconds")
    for heading in ("", "source", "image", "image / source"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name, title in (("straight", "straight to Marathon"), ("command", "trawler deploy")):
        source, image = figures[name]["source"]["median"], figures[name]["image"]["median"]
        for key, what in (
            ("start_s", "the first new task starts"),
            ("done_s", "every task runs the new code"),
        ):
            table.add_row(
                f"{title}: {what}",
                f"{source[key]:.2f}",
                f"{image[key]:.2f}",
                f"{image[key] / source[key]:.1f}×",
            )
    source, image = figures["straight"]["source"]["median"], figures["straight"]["image"]["median"]
    table.add_row(
        "bytes that leave the deploying machine",
        f"{source['uploaded_bytes']:,}",
        f"{image['uploaded_bytes']:,}",
        "",
    )
    console.print(table)
    for road, steps in figures["steps"].items():
        console.print(f"{road}: " + ", ".join(f"{name} {seconds:.2f}" for name, seconds in steps.items()))
    console.print(f"rollback {figures['rollback_s']} s, a deploy that changes nothing {figures['noop_s']} s")


if __name__ == "__main__":
    typer.run(main)
