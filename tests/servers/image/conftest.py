"""A real registry, a real daemon, and a small workers' folder to build images of; skipped where one is missing."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from bench.registry import RegistryError, registry
from ops.docker import Docker, DockerError
from ops.errors import OpsError
from ops.image import ImageWork
from ops.stack_file import StackFile
from ops.talk import Talk
from ops.wheels import Lock, cache, download

ROOT = Path(__file__).resolve().parents[3]
BASE = "trawler/base:bookworm"
PACKAGES = ("jstyleson", "msgspec", "six")
"""Of the real lock: one that is published as source alone, one that is compiled, one that is neither."""


def docker(*arguments: str) -> str:
    """What a call of Docker's command line printed."""
    return subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, timeout=60, check=True
    ).stdout


class Site:
    """A stack whose image lives in a registry of this machine."""

    def __init__(self, folder: Path, address: str) -> None:
        self.workers = folder / "workers"
        self.workers.mkdir()
        (self.workers / "Dockerfile").write_text((ROOT / "workers/Dockerfile").read_text())
        (self.workers / "requirements.in").write_text("".join(f"{name}>=0\n" for name in PACKAGES))
        lock = (ROOT / "workers/requirements.lock").read_text()
        entries = re.split(r"\n(?=[A-Za-z0-9])", lock)
        kept = [entries[0], *(e for e in entries if e.startswith(tuple(f"{name}==" for name in PACKAGES)))]
        (self.workers / "requirements.lock").write_text("\n".join(kept) + "\n")
        # What a slip could carry into an image.
        (self.workers / "crawler").mkdir()
        (self.workers / "crawler/__init__.py").write_text("")
        self.address = address
        self._path = folder / "Pulumi.test.yaml"
        self.configure()

    def configure(self, **image: str) -> None:
        """The stack's settings of its image."""
        settings = {"repository": f"{self.address}/trawler/worker", "baseImage": BASE, **image}
        self._path.write_text(yaml.safe_dump({"config": {"trawler:image": settings}}))

    def wheels(self) -> Path:
        """The wheels of the lock, from the cache where they were fetched before."""
        return download(Lock.read(self.workers / "requirements.lock"), "x86_64", cache(), lambda _: None)

    def work(self, wheels: Path | None = None) -> ImageWork:
        """What `trawler image` does."""
        file = StackFile.read("test", self._path)
        return ImageWork(file, Talk(), workers=self.workers, wheels_folder=wheels or cache())


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of the registry."""
    try:
        with registry(tmp_path_factory.mktemp("registry") / "kept") as served:
            yield served
    except RegistryError as e:
        pytest.skip(str(e))


@pytest.fixture
def site(tmp_path: Path, address: str) -> Iterator[Site]:
    """A stack of the test's own. Its images are gone from the daemon afterwards."""
    daemon = Docker(lambda _: None)
    try:
        daemon.require()
        base = daemon.image(BASE)
    except DockerError as e:
        pytest.skip(str(e))
    if base is None:
        pytest.skip(f"there is no {BASE}; `python3 tools/base_image.py` makes it (as root, with debootstrap)")
    yield Site(tmp_path, address)
    for image in set(docker("image", "ls", "--quiet", f"{address}/trawler/worker").split()):
        docker("rmi", "--force", image)


@pytest.fixture(scope="session", autouse=True)
def wheels_can_be_had(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skips where neither the cache nor an index has the wheels."""
    try:
        Site(tmp_path_factory.mktemp("wheels"), "127.0.0.1:1").wheels()
    except OpsError as e:
        pytest.skip(str(e))
