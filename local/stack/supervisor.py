"""Start the stand-ins in order, watch them, and end them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import requests

from local.aws import plugin
from local.mesos.agent.images import ImageError, find_image
from local.shops import definitions
from local.stack import containers, processes
from local.stack.containers import Wanted
from local.stack.layout import ROOT, SHOPS, Layout, cache
from local.stack.processes import Child, StackError

READY_TIMEOUT_S = 180.0
IMAGE_TIMEOUT_S = 900.0

Say = Callable[[str], None]
Part = Literal["aws", "dynamodb", "sqs", "shops", "mesos"]


@dataclass(frozen=True)
class Options:
    """What a local stack is started with."""

    seed: int = 1
    products: int = 300
    queue_server: str = "moto"
    """`moto` or `elasticmq`."""

    pages: Path | None = None
    """Folder of saved real pages; None leaves that shop out."""

    tasks: bool = True
    """Whether Mesos starts what it accepts: only then is the workers' image needed."""

    containers: Wanted = "no"
    """Whether tasks run in real containers: `auto` where that takes no preparation, see `containers.plan`."""

    credentials: Path | None = None
    """JSON file of what Marathon asks everybody for; None asks for nothing."""


@dataclass
class LocalStack:
    """The processes of a local stack. Ends them when it is closed, also after a failed start."""

    layout: Layout
    options: Options
    say: Say
    children: list[Child] = field(default_factory=list)
    docker: bool = False
    """Whether tasks run in containers, once the image is there."""

    def start(self) -> None:
        """Start everything; on return every port answers.

        All of it lives in memory, so Pulumi's state of an earlier run describes nothing: it is thrown away.

        Raises:
            StackError: a port is taken, or a process does not come up.
        """
        self.prepare()
        write_definitions(self.layout, self.options.pages)
        try:
            build = self._begin_image()
            self.begin("aws", "dynamodb", "sqs", "shops")
            self.ready("aws", "dynamodb", "sqs", "shops")
            self._await_image(build)
            self.begin("mesos")
            self.ready("mesos")
        except BaseException:
            self.close()
            raise

    def prepare(self) -> None:
        """The ports are free, and the run folder holds what the engine and the agents need.

        Raises:
            StackError: a port is taken.
        """
        layout = self.layout
        processes.require_free(layout.ports.all())
        self._throw_stale_state_away()
        layout.run.mkdir(parents=True, exist_ok=True)
        layout.state.mkdir(exist_ok=True)
        layout.executor_environment.write_text(json.dumps(layout.aws_environment(), indent=2))
        plugin.install(layout.pulumi_home, Path(sys.executable))

    def begin(self, *parts: Part) -> None:
        """Start parts, after `prepare`, without waiting for any. One that was begun before is left alone."""
        for part in parts:
            if part not in {child.name for child in self.children}:
                self._spawn(part, self._command(part))

    def ready(self, *parts: Part) -> None:
        """Return once parts that were begun answer.

        Raises:
            StackError: one of them does not come up.
        """
        for part in parts:
            child = next(child for child in self.children if child.name == part)
            processes.await_ready(child, lambda part=part: self._answers(part), READY_TIMEOUT_S)

    def check(self) -> None:
        """Raise StackError when one of the processes has ended."""
        for child in self.children:
            if child.process.poll() is not None:
                raise StackError(
                    f"{child.name} ended with status {child.process.returncode}:\n{processes.tail(child.log)}"
                )

    def close(self) -> None:
        """End the agents' tasks first, then what they use."""
        mesos = [child for child in self.children if child.name == "mesos"]
        processes.end(mesos)
        processes.end([child for child in self.children if child not in mesos])
        self.children.clear()

    def build_image(self) -> None:
        """The workers' image is there.

        Raises:
            StackError: it cannot be built.
        """
        self._await_image(self._begin_image())

    def _begin_image(self) -> Child | None:
        image = image_names()
        if self.options.containers == "no":
            return self._begin_environment(image.tag)
        plan = containers.plan(self.options.containers, image.reference, image.base, self.say)
        self.docker = plan.docker
        self.say(plan.why)
        if not plan.docker:
            return self._begin_environment(image.tag)
        if plan.build is None:
            return None
        self.say(f"building the workers' image {image.reference} (once for these dependencies) …")
        return self._spawn("image", list(plan.build))

    def _begin_environment(self, tag: str) -> Child:
        if not image_ready(tag):
            self.say(f"building the workers' image {tag} (once for these dependencies) …")
        return self._spawn("image", image_command(tag))

    def _await_image(self, build: Child | None) -> None:
        if build is None:
            return
        failed = build.process.wait(IMAGE_TIMEOUT_S) != 0
        self.children.remove(build)
        if failed and self.docker and self.options.containers == "auto":
            # Nobody insisted on containers: what cannot be built for them must not keep the rest from running.
            self.say(f"tasks run as processes: the image cannot be built, see {build.log}")
            self.docker = False
            self._await_image(self._begin_environment(image_names().tag))
        elif failed:
            raise StackError(f"the workers' image could not be built:\n{processes.tail(build.log)}")

    def _spawn(self, name: str, command: list[str | Path]) -> Child:
        child = processes.start(name, command, self.layout.logs / f"{name}.log")
        self.children.append(child)
        return child

    def _command(self, part: Part) -> list[str | Path]:
        ports = self.layout.ports
        match part:
            case "aws":
                return moto_command(part, ports.aws)
            case "dynamodb":
                return moto_command(part, ports.dynamodb)
            case "sqs":
                elasticmq = self.options.queue_server == "elasticmq"
                return elasticmq_command(ports.sqs) if elasticmq else moto_command(part, ports.sqs)
            case "shops":
                return self._shops_command()
            case "mesos":
                return self._mesos_command()

    def _answers(self, part: Part) -> bool:
        if part == "shops":
            # Not asked over HTTP: every request to a shop stands in its access log.
            return b"shops ready" in (self.layout.logs / "shops.log").read_bytes()
        path = "/ping" if part == "mesos" else "/"
        return answers(self.layout.url["marathon" if part == "mesos" else part] + path)

    def _shops_command(self) -> list[str | Path]:
        options, pages = self.options, self.options.pages
        ports = self.layout.ports.shops if pages else self.layout.ports.shops[:-1]
        command: list[str | Path] = [
            *(sys.executable, "-m", "local.shops", "serve", "--exit-with-parent"),
            *("--run-dir", self.layout.shops, "--seed", str(options.seed)),
            *("--products", str(options.products), "--ports", ",".join(map(str, ports))),
        ]
        return [*command, "--pages", pages] if pages else command

    def _mesos_command(self) -> list[str | Path]:
        layout, options = self.layout, self.options
        command: list[str | Path] = [
            *(sys.executable, "-m", "local.mesos", "serve", "--exit-with-parent"),
            *("--port", str(layout.ports.marathon), "--aws-endpoint", layout.url["aws"]),
            *("--work-dir", layout.mesos, "--images", images()),
            *("--executor-environment", layout.executor_environment),
            *("--tasks", "processes" if options.tasks else "none"),
            *("--containerizer", "docker" if self.docker else "processes"),
        ]
        return [*command, "--http-credentials", options.credentials] if options.credentials else command

    def _throw_stale_state_away(self) -> None:
        stale = any((self.layout.state / ".pulumi" / "stacks").rglob("*.json"))
        for folder in (self.layout.state, self.layout.mesos, self.layout.shops):
            shutil.rmtree(folder, ignore_errors=True)
        if stale:
            self.say("the Pulumi state of an earlier local stack was thrown away: its resources are gone")


def write_definitions(layout: Layout, pages: Path | None) -> None:
    """Shop definitions for the ports in use, into the folder that `trawler:shops` names."""
    shutil.rmtree(layout.definitions, ignore_errors=True)
    layout.definitions.mkdir(parents=True)
    ports: dict[str, int] = dict(zip(SHOPS, layout.ports.shops, strict=True))
    if pages is None:
        del ports["books"]
    definitions.write(layout.definitions, ports)


def moto_command(service: str, port: int) -> list[str | Path]:
    """Command line of a moto process."""
    return [
        *(sys.executable, "-m", "local.aws", "serve", "--service", service),
        *("--port", str(port), "--exit-with-parent"),
    ]


def elasticmq_command(port: int) -> list[str | Path]:
    """Command line of ElasticMQ."""
    return [
        *(sys.executable, "-m", "local.aws.elasticmq"),
        *("--port", str(port), "--cache", cache() / "elasticmq", "--exit-with-parent"),
    ]


@dataclass(frozen=True)
class ImageNames:
    """Of the workers' image: its tag, its whole reference, and the reference of what it is built upon."""

    tag: str
    reference: str
    base: str


def image_names() -> ImageNames:
    """Names of the workers' image, from the one who decides them."""
    answer = subprocess.run(
        [sys.executable, "-m", "infra.image"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if answer.returncode != 0:
        raise StackError(f"the image's name cannot be told:\n{answer.stderr.strip()}")
    return ImageNames(*answer.stdout.split())


def image_command(tag: str) -> list[str | Path]:
    """Command line that builds the workers' image unless it is there."""
    return [
        *(sys.executable, "-m", "local.mesos", "image", "--tag", tag),
        *("--lock", ROOT / "workers" / "requirements.lock", "--images", images()),
    ]


def images() -> Path:
    """The images of this user."""
    return cache() / "images"


def image_ready(tag: str) -> bool:
    """Whether the image is there, whole."""
    try:
        find_image(images(), f"worker:{tag}")
    except ImageError:
        return False
    return True


def answers(url: str) -> bool:
    """Whether a server answers there, whatever it says: one that only listens may still be starting."""
    session = requests.Session()
    session.trust_env = False
    try:
        session.get(url, timeout=5.0, allow_redirects=False)
    except requests.RequestException:
        return False
    return True


def shop_urls(layout: Layout) -> dict[str, str]:
    """Shop → base URL, as the shops themselves wrote it."""
    return json.loads((layout.shops / "shops.json").read_text())
