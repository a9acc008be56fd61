"""The data volume of a master: found, formatted if and only if it is blank, mounted, and known to be this master's."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

WAIT_S = 900.0
"""The volume is attached after the instance runs."""

_BLANK_BYTES = 1 << 20
_NOTHING_FOUND = 2
"""Exit status of `blkid -p` on a device without any signature (blkid(8))."""


class VolumeError(Exception):
    """The volume is missing, or holds what is not this master's. Nothing was changed on it."""


def status(command: Sequence[str]) -> int:
    """Exit status of a command of this machine, which may take five minutes."""
    return subprocess.run(command, check=False, timeout=300).returncode


def is_blank(device: Path, run: Callable[[Sequence[str]], int] = status) -> bool:
    """True when two independent looks find nothing: no signature, and a first MiB of zeros as AWS delivers it."""
    with device.open("rb") as file:
        head = file.read(_BLANK_BYTES)
    return bool(head) and not any(head) and run(["blkid", "--probe", str(device)]) == _NOTHING_FOUND


def mount(
    device: Path,
    at: Path,
    run: Callable[[Sequence[str]], int] = status,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """The volume is mounted; a blank one was given a file system first.

    Raises:
        VolumeError: it does not appear within `WAIT_S`, cannot be formatted, or cannot be mounted.
    """
    deadline = clock() + WAIT_S
    while not device.exists():
        if clock() >= deadline:
            raise VolumeError(f"{device}: not there after {WAIT_S:.0f} s; is the data volume attached?")
        sleep(5)
    at.mkdir(parents=True, exist_ok=True)
    if run(["mountpoint", "--quiet", str(at)]) == 0:
        return
    if is_blank(device, run) and run(["mkfs.xfs", "-L", "trawler", str(device)]) != 0:
        raise VolumeError(f"{device}: mkfs.xfs failed")
    if run(["mount", "-t", "xfs", "-o", "nodev,nosuid,noexec", str(device), str(at)]) != 0:
        raise VolumeError(
            f"{device}: cannot be mounted at {at}; it holds no file system that this master made"
        )


def claim(at: Path, identity: dict[str, object]) -> None:
    """The volume carries this master's identity.

    Raises:
        VolumeError: it carries another one, or data without any: a log from another cluster, or from another place
            in it, must not vote here.
    """
    file = at / "identity.json"
    if file.exists():
        found = json.loads(file.read_text())
        if found != identity:
            raise VolumeError(
                f"{at}: the volume is {found}, this machine is {identity}; nothing is started on it"
            )
        return
    if any(at.iterdir()):
        raise VolumeError(f"{at}: the volume holds data but says not whose; nothing is started on it")
    file.write_text(json.dumps(identity, sort_keys=True))
