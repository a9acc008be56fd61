"""`trawler image`: the workers' image, built and pushed unless it is there already."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from infra import image as images
from infra import registry
from infra.settings import ImageSettings
from ops import image_check, wheels
from ops.docker import Build, Docker, DockerError
from ops.errors import MisuseError, OpsError
from ops.stack_file import ROOT, StackFile
from ops.talk import Talk

BASE_LABEL = "org.opencontainers.image.base.name"
STAGE_LABEL = "trawler.stage-of"
_PLATFORMS = {"x86_64": "linux/amd64", "arm64": "linux/arm64"}
_NO_BASE = ("pull access denied", "manifest unknown", "not found", "no such host", "dial tcp", "lookup ")


@dataclass
class Imaged:
    """What became of an image."""

    stack: str
    image: str
    built: bool = False
    pushed: bool = False
    digest: str | None = None
    """Of its manifest in the registry; None where it is on this machine only."""

    size_bytes: int | None = None
    """Unpacked, where it was built here or is here."""

    seconds: dict[str, float] = field(default_factory=dict[str, float])
    """Of each step."""


class ImageWork:
    """The image that a stack's settings ask for is where its agents pull it.

    Args:
        file: the stack.
        talk: to whoever asked.
        docker: the daemon that builds.
        workers: folder of Dockerfile and lock.
        wheels_folder: where downloaded wheels are kept.
    """

    def __init__(
        self,
        file: StackFile,
        talk: Talk,
        docker: Docker | None = None,
        workers: Path = ROOT / "workers",
        wheels_folder: Path | None = None,
    ) -> None:
        self._file, self._talk, self._workers = file, talk, workers
        self._docker = docker or Docker(talk.say)
        self._wheels = wheels_folder or wheels.cache()
        self._settings = settings_of(file)
        try:
            self._done = Imaged(file.stack, images.reference(workers, self._settings))
        except OSError as e:
            raise MisuseError(f"{e.filename}: cannot be read: {e.strerror}") from None

    @property
    def image(self) -> str:
        """Its name, `<repository>:<tag>`."""
        return self._done.image

    def run(self, base_image: str | None = None, *, push: bool = True) -> Imaged:
        """Build and push what the registry lacks.

        Args:
            base_image: build upon this one, whatever the settings say: a stand-in for a machine that cannot have the
                real one. The image keeps the name that the settings give it, so it never leaves this machine.
            push: to the registry; otherwise the image is for the daemon of this machine.

        Raises:
            MisuseError: the settings or the lock cannot be.
            OpsError: Docker, pip or the registry failed; says what stands.
        """
        image = self._done.image
        push = push and base_image is None
        if push:
            with self._timed("look"):
                answer = registry.look_up(image, self._file.connection.profile)
            if isinstance(answer, registry.Present):
                self._done.digest = answer.digest
                return self._done
            if isinstance(answer, registry.Unknown):
                self._go_on_without_knowing(answer)
        self._docker.require()
        base = base_image or self._settings.base_image
        here = self._docker.image(image)
        if here is None or here.labels.get(BASE_LABEL) != base:
            self._build(base)
        if push:
            self._push()
        built = self._docker.image(image)
        self._done.size_bytes = built.size_bytes if built else None
        return self._done

    def _go_on_without_knowing(self, answer: registry.Unknown) -> None:
        if not answer.refused:
            raise OpsError(
                f"whether {self._done.image} is there is not known: {answer.why}. Nothing was built; with --no-push it "
                "is built for this machine alone"
            )
        # A repository that is not there yet looks the same; pushing will tell.
        self._talk.say(f"{answer.why}; building it all the same")

    def _build(self, base: str) -> None:
        architecture = self._settings.architecture
        with self._timed("wheels"):
            made = wheels.download(
                wheels.Lock.read(self._workers / "requirements.lock"),
                architecture,
                self._wheels,
                self._talk.say,
            )
        self._talk.say(f"building {self._done.image} upon {base} …")
        with self._timed("build"), tempfile.TemporaryDirectory(prefix="trawler-image-") as folder:
            # A context of its own: what is not in it cannot get into the image.
            context = Path(folder) / "context"
            shutil.copytree(made, context)
            shutil.copyfile(self._workers / "Dockerfile", context / "Dockerfile")
            arguments = {"BASE_IMAGE": base, "IMAGE": self._unchecked}
            try:
                self._docker.build(Build(context, self._unchecked, _PLATFORMS[architecture], arguments))
            except DockerError as e:
                raise DockerError(f"{e}{_advice(str(e), base, architecture)}") from None
            finally:
                self._docker.prune(f"{STAGE_LABEL}={self._unchecked}")
        with self._timed("check"):
            try:
                self._check(architecture)
            except BaseException:
                self._docker.remove(self._unchecked)
                raise
            self._docker.rename(self._unchecked, self._done.image)
        self._done.built = True

    @property
    def _unchecked(self) -> str:
        """The name under which it is built: only what was checked gets its own."""
        return f"{self._done.image}-unchecked"

    def _check(self, architecture: wheels.Architecture) -> None:
        names = re.findall(r"(?m)^([A-Za-z0-9._-]+)", (self._workers / "requirements.in").read_text())
        program = Path(image_check.__file__).read_text()
        said = json.loads(self._docker.run(self._unchecked, ["python", "-", *names], program))
        faults: list[str] = said["faults"]
        if said["machine"] != wheels.machine(architecture):
            faults.append(f"it is for {said['machine']}, the fleet is {architecture}")
        if faults:
            raise OpsError(f"{self._done.image} cannot be used: {'; '.join(faults)}. Nothing was pushed")

    def _push(self) -> None:
        image = self._done.image
        self._talk.say(f"pushing {image} …")
        with self._timed("push"):
            try:
                self._docker.push(image)
            except DockerError as e:
                host = registry.Reference.parse(image).registry
                raise DockerError(
                    f"{e}\nThe image is built and on this machine. Where the registry asks for credentials, "
                    f"`docker login {host}` (or a credential helper) gives them; then start again"
                ) from None
        self._done.pushed = True
        with self._timed("verify"):
            answer = registry.look_up(image, self._file.connection.profile)
        match answer:
            case registry.Present(digest):
                self._done.digest = digest
            case registry.Absent():
                raise OpsError(f"{image} was pushed, and the registry says that it has no such tag")
            case registry.Unknown(why):
                self._talk.say(f"pushed; it could not be read back: {why}")

    @contextmanager
    def _timed(self, step: str) -> Generator[None]:
        started = time.monotonic()
        yield
        self._done.seconds[step] = time.monotonic() - started


def settings_of(file: StackFile) -> ImageSettings:
    """The image's settings of a stack.

    Raises:
        MisuseError: they cannot be; names the key.
    """
    try:
        return ImageSettings.model_validate(file.setting("image", {}))
    except ValidationError as e:
        wrong = e.errors(include_url=False)[0]
        key = ".".join(["trawler:image", *map(str, wrong["loc"])])
        raise MisuseError(f"{file.path}: {key}: {wrong['msg']}") from None


def summary(done: Imaged) -> str:
    """The result as one line."""
    took = ", ".join(f"{step} {seconds:.1f} s" for step, seconds in done.seconds.items())
    size = f", {done.size_bytes / 1e6:.0f} MB unpacked" if done.size_bytes else ""
    became = (
        ("built and pushed" if done.built else "pushed")
        if done.pushed
        else "built"
        if done.built
        else "there already"
    )
    return f"{done.image}: {became}{size}{f' ({took})' if took else ''}"


def _advice(failure: str, base: str, architecture: str) -> str:
    if "exec format error" in failure:
        return (
            f"\nThis machine cannot run programs of {architecture}: build on one that can, or install QEMU's binfmt "
            "handlers"
        )
    if any(sign in failure.lower() for sign in _NO_BASE):
        return (
            f"\nThe base image {base} cannot be had. Without a way to its registry, `python3 tools/base_image.py` "
            "makes a stand-in, and `--base-image trawler/base:bookworm` builds upon it, for this machine alone"
        )
    return ""
