"""A gate before the first write of a deploy: the program gets ready while somebody still looks at the preview.

Starting the engine and the program takes seconds, and a preview takes the same again. `trawler deploy` starts both
at once and lets the update through here when the preview has agreed. The gate is a file that the deploy keeps locked
until it has written there which release may pass: the kernel takes the lock away when that process ends, however it
ends, and an empty file lets nothing through.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from pathlib import Path
from typing import TypeVar

import pulumi
from pulumi import Output

VARIABLE = "TRAWLER_GATE"
"""Path of the file, in the environment of an update that has to wait."""

T = TypeVar("T")


def after_agreement(value: pulumi.Input[T], digest: str) -> pulumi.Input[T]:
    """The value, once the gate is open; the value itself where there is none, as in a preview or a plain `pulumi up`.

    Args:
        value: an input of the resource that is written first.
        digest: the release that this run packed; the gate opens for one release only.

    Raises:
        RunError: in the update, when the gate does not open.
    """
    path = os.environ.get(VARIABLE)
    if not path or pulumi.runtime.is_dry_run():
        return value
    return Output.all(value, _agreed(Path(path), digest)).apply(lambda known: known[0])


async def _agreed(path: Path, digest: str) -> bool:
    said = await asyncio.to_thread(_await_word, path)
    if said != digest:
        raise pulumi.RunError(f"nothing was changed: {_refusal(said, digest)}")
    return True


def _await_word(path: Path) -> str:
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            return file.read().strip()
    except OSError:  # the deploy has gone, and its gate with it
        return ""


def _refusal(said: str, digest: str) -> str:
    if not said:
        return "the deploy that started this update did not agree to it"
    return f"the sources changed while they were being deployed ({said[:12]} became {digest[:12]})"
