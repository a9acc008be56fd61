"""A base image for the workers' image, made on this machine, where no registry that has one can be reached.

Debian's own Python in the smallest system that holds it, from the mirror that apt uses here. It stands in for the
base image that the settings name: good for a local stack, for tests and measurements, not for what is deployed.
Needs root, debootstrap and a Docker daemon. Runs on the system's Python with the standard library alone.

    python3 tools/base_image.py [--reference trawler/base:bookworm] [--again]
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

SUITE = "bookworm"
"""Debian 12: its Python is 3.11, which the workers' lock is made for."""

PACKAGES = ("ca-certificates", "python3", "python3-pip", "python3-venv")
UNUSED = (
    "usr/share/doc",
    "usr/share/info",
    "usr/share/locale",
    "usr/share/man",
    "var/cache/apt",
    "var/lib/apt/lists",
)
"""Emptied: no program of the image reads it."""

LABEL = "trawler.base"
BOOTSTRAP_TIMEOUT_S = 900
IMPORT_TIMEOUT_S = 300
DOCKER_TIMEOUT_S = 30
ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_REFERENCE = re.compile(r"[a-z0-9][a-z0-9._/:-]{0,200}")


class BaseImageError(Exception):
    """The image cannot be made; the text says why and what to do."""


def main(arguments: Sequence[str]) -> int:
    """0 when the image is there, made now or before; 1 otherwise."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--reference", default="trawler/base:bookworm", help="name of the image")
    parser.add_argument("--again", action="store_true", help="make it anew though it is there")
    given = parser.parse_args(arguments)
    if not _REFERENCE.fullmatch(given.reference):
        parser.error(f"--reference {given.reference}: no name of an image, such as trawler/base:bookworm")
    try:
        made = make(given.reference, again=given.again)
    except BaseImageError as e:
        print(f"error: {e}", file=sys.stderr)
        return 1
    print(f"{given.reference}: {made}")
    return 0


def make(reference: str, *, again: bool = False) -> str:
    """The image is there under that name; says what was done.

    Args:
        reference: name of the image, `repository:tag`.
        again: make it anew though one of this recipe is there.

    Raises:
        BaseImageError: something that is needed is missing, or failed.
    """
    architecture = ARCHITECTURES.get(platform.machine().lower())
    if architecture is None:
        raise BaseImageError(f"machines of the kind {platform.machine()} are not known here")
    recipe = hashlib.sha256(repr((SUITE, PACKAGES, UNUSED, architecture)).encode()).hexdigest()[:16]
    if not again and _there(reference) == recipe:
        return "there already"
    if os.geteuid() != 0:
        raise BaseImageError("debootstrap makes files of root: run this as root")
    if not shutil.which("debootstrap"):
        raise BaseImageError("there is no debootstrap here; `apt-get install debootstrap` brings it")
    mirror, environment = apt_mirror(), {**os.environ, **apt_proxies()}
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="trawler-base-") as folder:
        root = Path(folder) / "root"
        _say(f"debootstrap {SUITE} ({', '.join(PACKAGES)}) …")
        line = [
            "debootstrap",
            "--variant=minbase",
            f"--arch={architecture}",
            f"--include={','.join(PACKAGES)}",
        ]
        _run([*line, SUITE, str(root), mirror], BOOTSTRAP_TIMEOUT_S, environment)
        for unused in UNUSED:
            shutil.rmtree(root / unused, ignore_errors=True)
            (root / unused).mkdir(parents=True, exist_ok=True)
        bootstrapped = time.monotonic()
        _import(root, reference, f"linux/{architecture}", recipe)
    return f"made in {time.monotonic() - started:.0f} s (debootstrap {bootstrapped - started:.0f} s)"


def apt_mirror() -> str:
    """The mirror from which apt takes Debian here.

    Raises:
        BaseImageError: apt knows none for this suite.
    """
    form = "$(REPO_URI) $(RELEASE)"
    listed = _run(["apt-get", "indextargets", "--format", form, "Created-By: Packages"], DOCKER_TIMEOUT_S)
    for line in listed.splitlines():
        uri, _, release = line.rpartition(" ")
        if release == SUITE:
            return uri
    raise BaseImageError(
        f"apt has no mirror of {SUITE} here: this needs a machine with Debian {SUITE} as its source"
    )


def apt_proxies() -> dict[str, str]:
    """The proxies that apt is told to use, as debootstrap wants them: in the environment."""
    dumped = _run(["apt-config", "dump", "Acquire::http::Proxy", "Acquire::https::Proxy"], DOCKER_TIMEOUT_S)
    found = re.findall(r'^Acquire::(https?)::Proxy "([^"]+)";$', dumped, re.MULTILINE)
    return {f"{scheme}_proxy": url for scheme, url in found if url != "DIRECT"}


def _there(reference: str) -> str | None:
    """Of which recipe the image is that has this name; None where there is none, or a foreign one."""
    line = ["docker", "image", "inspect", "--format", f'{{{{index .Config.Labels "{LABEL}"}}}}', reference]
    try:
        _run(["docker", "version", "--format", "{{.Server.Version}}"], DOCKER_TIMEOUT_S)
    except BaseImageError as e:
        raise BaseImageError(f"no Docker daemon answers: {e}") from None
    try:
        return _run(line, DOCKER_TIMEOUT_S).strip() or None
    except BaseImageError:
        return None


def _import(root: Path, reference: str, os_and_architecture: str, recipe: str) -> None:
    changes = [f"LABEL {LABEL}={recipe}", "ENV PATH=/usr/local/bin:/usr/bin:/bin", 'CMD ["/usr/bin/python3"]']
    line = ["docker", "import", "--platform", os_and_architecture]
    line += [part for change in changes for part in ("--change", change)]
    _say("docker import …")
    # What the kernel puts there when a container runs.
    left_out = [f"--exclude=./{folder}/*" for folder in ("dev", "proc", "sys")]
    with (
        subprocess.Popen(
            ["tar", "--numeric-owner", *left_out, "-C", str(root), "-c", "."], stdout=subprocess.PIPE
        ) as packed,
        subprocess.Popen(
            [*line, "-", reference],
            stdin=packed.stdout,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as importing,
    ):
        try:
            said, _ = importing.communicate(timeout=IMPORT_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            importing.kill()
            packed.kill()
            raise BaseImageError(f"docker import: no end after {IMPORT_TIMEOUT_S} s") from None
        if importing.returncode != 0 or packed.wait(timeout=IMPORT_TIMEOUT_S) != 0:
            raise BaseImageError(f"docker import failed: {said.strip()[-500:]}")


def _run(line: Sequence[str], timeout_s: float, environment: Mapping[str, str] | None = None) -> str:
    try:
        done = subprocess.run(
            line, capture_output=True, text=True, timeout=timeout_s, check=False, env=environment
        )
    except FileNotFoundError:
        raise BaseImageError(f"there is no `{line[0]}` here") from None
    except subprocess.TimeoutExpired:
        raise BaseImageError(f"{line[0]}: no end after {timeout_s:g} s") from None
    if done.returncode != 0:
        # debootstrap tells its reason on standard output.
        raise BaseImageError(f"{' '.join(line[:2])}: {(done.stderr.strip() or done.stdout.strip())[-800:]}")
    return done.stdout


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
