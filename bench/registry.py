"""A real registry for the length of a benchmark: Debian's `docker-registry`, on a free loopback port."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
import yaml

from local.stack.ports import free_base

READY_TIMEOUT_S = 20.0
_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


class RegistryError(Exception):
    """No registry can run here; says why."""


@contextmanager
def registry(folder: Path) -> Generator[str]:
    """Serve an empty registry; gives its `host:port`.

    Args:
        folder: where it keeps what is pushed; made.

    Raises:
        RegistryError: the program is not installed, or does not come up.
    """
    program = shutil.which("docker-registry")
    if program is None:
        raise RegistryError("`docker-registry` is not on PATH (Debian: apt-get install docker-registry)")
    folder.mkdir(parents=True)
    address = f"127.0.0.1:{free_base()}"
    config = {
        "version": 0.1,
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "blobs")}},
        "http": {"addr": address},
    }
    (folder / "config.yml").write_text(yaml.safe_dump(config))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, "serve", str(folder / "config.yml")],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not _answers(address):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RegistryError(f"the registry did not come up:\n{(folder / 'log').read_text()[-2000:]}")
            time.sleep(0.05)
        yield address
    finally:
        process.terminate()
        process.wait(READY_TIMEOUT_S)


def layers(address: str, repository: str, tag: str) -> dict[str, int]:
    """Digest → bytes of an image's layers and configuration, as the registry holds them.

    Raises:
        requests.RequestException: the registry has no such tag.
    """
    answer = _session().get(
        f"http://{address}/v2/{repository}/manifests/{tag}", headers={"Accept": _MANIFEST}, timeout=10
    )
    answer.raise_for_status()
    manifest: dict[str, Any] = answer.json()
    return {each["digest"]: each["size"] for each in [manifest["config"], *manifest["layers"]]}


def _answers(address: str) -> bool:
    try:
        return _session().get(f"http://{address}/v2/", timeout=2).ok
    except requests.RequestException:
        return False


def _session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    return session
