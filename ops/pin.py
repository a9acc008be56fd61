"""The pin in a stack file: `trawler:release`, written and taken out without touching another line."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from infra.settings.release import PinnedRelease
from ops.errors import MisuseError
from ops.stack_file import PROJECT, StackFile

KEY = f"{PROJECT}:release"
NOTE = "# Held here by `trawler rollback`; `trawler unpin` lets the working tree go out again."


@dataclass(frozen=True)
class Pin:
    """The release at which a stack is held."""

    digest: str
    """SHA-256, hex."""

    image: str
    """`<repository>:<tag>`."""


def pin_of(file: StackFile) -> Pin | None:
    """The pin of a stack file.

    Raises:
        MisuseError: what is there is no pin.
    """
    found = file.setting("release")
    if found is None:
        return None
    try:
        known = PinnedRelease.model_validate(found)
    except ValueError as e:
        raise MisuseError(f"{file.path}: {KEY} is not valid: {e}") from None
    return Pin(known.digest, known.image)


def pinned(text: str, pin: Pin | None) -> str:
    """A stack file's text with this pin, or without any; every other line stays as it is.

    Raises:
        MisuseError: the file's form does not allow that; nothing was written.
    """
    lines = _without(text).splitlines(keepends=True)
    if pin:
        first = _config("".join(lines)).value[0][0].start_mark
        end = "\r\n" if lines[0].endswith("\r\n") else "\n"
        block = (NOTE, f"{KEY}:", f"  digest: '{pin.digest}'", f"  image: '{pin.image}'")
        at = first.line
        while at and lines[at - 1].lstrip().startswith("#"):
            at -= 1  # the comment above the first key is about that key
        lines[at:at] = [f"{' ' * first.column}{line}{end}" for line in block]
    edited = "".join(lines)
    if _meaning(edited) != _wanted(text, pin):
        raise MisuseError(_by_hand(pin))
    return edited


def write(file: StackFile, pin: Pin | None) -> StackFile:
    """The stack file has this pin, or none; the file as it is then.

    Raises:
        MisuseError: it cannot be written, or its form does not allow that; it is as it was.
    """
    try:
        # As bytes: line ends stay as they are.
        text = file.path.read_bytes().decode()
        edited = pinned(text, pin)
        if edited != text:
            _replace(file.path, edited)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as e:
        raise MisuseError(f"{file.path}: {e}; {_by_hand(pin)}") from None
    return StackFile.read(file.stack, file.path)


def copied(file: StackFile, pin: Pin | None, folder: Path) -> Path:
    """A copy of the stack file with this pin, or without any, in `folder`."""
    path = folder / file.path.name
    path.write_text(yaml.safe_dump(_with(file.document, pin), sort_keys=False))
    return path


def _without(text: str) -> str:
    """The text without a pin."""
    lines = text.splitlines(keepends=True)
    for key, value in _config(text).value:
        if key.value == KEY:
            first = key.start_mark.line
            noted = bool(first) and lines[first - 1].strip() == NOTE
            del lines[first - noted : _line_behind(value)]
    return "".join(lines)


def _config(text: str) -> Any:
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    entries = root.value if isinstance(root, yaml.MappingNode) else []
    for key, value in entries:
        if (
            key.value == "config"
            and isinstance(value, yaml.MappingNode)
            and value.value
            and not value.flow_style
        ):
            return value
    raise MisuseError("the stack file has no `config:` with a key on each line below it")


def _line_behind(value: Any) -> int:
    # A block's end is where the next token begins, behind blank lines and comments that belong to what follows.
    while isinstance(value, (yaml.MappingNode, yaml.SequenceNode)) and not value.flow_style and value.value:
        last = value.value[-1]
        value = last[1] if isinstance(last, tuple) else last
    return value.end_mark.line + 1


def _meaning(text: str) -> Any:
    return yaml.safe_load(text)


def _wanted(text: str, pin: Pin | None) -> Any:
    return _with(_meaning(text), pin)


def _with(document: Mapping[str, Any], pin: Pin | None) -> dict[str, Any]:
    config = {key: value for key, value in document["config"].items() if key != KEY}
    if pin:
        config[KEY] = {"digest": pin.digest, "image": pin.image}
    return {**document, "config": config}


def _by_hand(pin: Pin | None) -> str:
    if pin is None:
        return f"take `{KEY}` out of it by hand"
    return f"put `{KEY}: {{digest: '{pin.digest}', image: '{pin.image}'}}` there by hand"


def _replace(path: Path, text: str) -> None:
    """Write a file as a whole or not at all."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        shutil.copymode(path, name)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
