"""The few things that are asked of Docker, by its own command line: whoever may use it here, with its own logins."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.errors import OpsError

CALL_TIMEOUT_S = 60.0
BUILD_TIMEOUT_S = 1800.0
PUSH_TIMEOUT_S = 1800.0
_KEPT_LINES = 15


class DockerError(OpsError):
    """Docker refused, failed or is not there; the text holds its last lines."""


@dataclass(frozen=True)
class LocalImage:
    """An image as the daemon of this machine has it."""

    image_id: str
    size_bytes: int
    """Unpacked."""

    labels: Mapping[str, str]
    digests: Sequence[str]
    """Of its manifests in registries, `repository@sha256:…`; none before it was pushed or pulled."""


@dataclass(frozen=True)
class Build:
    """An image to build."""

    context: Path
    """Holds a Dockerfile and what it copies."""

    reference: str
    platform: str
    """`linux/amd64` or `linux/arm64`."""

    arguments: Mapping[str, str]


class Docker:
    """The daemon that the command line speaks to.

    Args:
        say: called with a line of progress.
        command: the command line's program.
    """

    def __init__(self, say: Callable[[str], None], command: str = "docker") -> None:
        self._say = say
        self._command = command

    def require(self) -> str:
        """The daemon's version.

        Raises:
            DockerError: there is no Docker, or its daemon does not answer.
        """
        try:
            return self._call("version", "--format", "{{.Server.Version}}").strip()
        except DockerError as e:
            raise DockerError(
                f"building an image needs a Docker daemon, and none answers here: {e}"
            ) from None

    def image(self, reference: str) -> LocalImage | None:
        """The image of that name, or None where the daemon has none."""
        try:
            found: Any = json.loads(self._call("image", "inspect", reference))[0]
        except DockerError as e:
            if "no such image" in str(e).lower():
                return None
            raise
        labels: Mapping[str, str] = (found.get("Config") or {}).get("Labels") or {}
        return LocalImage(found["Id"], int(found["Size"]), labels, found.get("RepoDigests") or [])

    def build(self, build: Build) -> None:
        """The image is there under its name. No step of it has a network.

        Raises:
            DockerError: a step failed, the base image cannot be had, or it took too long.
        """
        line = [
            "build",
            "--network",
            "none",
            "--platform",
            build.platform,
            "--tag",
            build.reference,
            "--force-rm",
        ]
        line += [
            part for name, value in build.arguments.items() for part in ("--build-arg", f"{name}={value}")
        ]
        self._call(*line, str(build.context), timeout_s=BUILD_TIMEOUT_S)

    def prune(self, label: str) -> None:
        """Nameless images with this label, which the classic builder leaves of a stage, are gone.

        Args:
            label: `name=value`.

        Raises:
            DockerError: the daemon did not do it.
        """
        self._call("image", "prune", "--force", "--filter", f"label={label}")

    def run(self, reference: str, program: Sequence[str], stdin: str) -> str:
        """What a program prints in a container of the image that has no network and may write nothing.

        Raises:
            DockerError: it failed.
        """
        line = ["run", "--rm", "--interactive", "--network", "none", "--read-only", "--cap-drop", "ALL"]
        return self._call(*line, reference, *program, stdin=stdin)

    def rename(self, old: str, new: str) -> None:
        """The image goes by the new name instead of the old one.

        Raises:
            DockerError: there is no such image.
        """
        self._call("tag", old, new)
        self._call("rmi", "--no-prune", old)

    def remove(self, reference: str) -> None:
        """The daemon no longer has an image of that name.

        Raises:
            DockerError: there is none, or a container uses it.
        """
        self._call("rmi", reference)

    def push(self, reference: str) -> None:
        """The registry has the image.

        Raises:
            DockerError: the registry refused it, or cannot be reached.
        """
        self._call("push", "--quiet", reference, timeout_s=PUSH_TIMEOUT_S)

    def _call(self, *arguments: str, stdin: str | None = None, timeout_s: float = CALL_TIMEOUT_S) -> str:
        # Without it BuildKit pushes an index that holds, beside the image, a page on how it was built.
        environment = {**os.environ, "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
        what = f"{self._command} {arguments[0]}"
        try:
            done = subprocess.run(
                [self._command, *arguments],
                input=stdin,
                stdin=subprocess.DEVNULL if stdin is None else None,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout_s,
                check=False,
                env=environment,
            )
        except FileNotFoundError:
            raise DockerError(f"there is no `{self._command}` here") from None
        except subprocess.TimeoutExpired:
            raise DockerError(f"{what}: no end after {timeout_s:g} s") from None
        if done.returncode != 0:
            # The classic builder tells on standard output which step failed, and why on the other.
            said = [line for line in (*done.stdout.splitlines(), *done.stderr.splitlines()) if line.strip()]
            raise DockerError(f"{what} failed:\n" + "\n".join(f"  {line}" for line in said[-_KEPT_LINES:]))
        return done.stdout
