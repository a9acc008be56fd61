"""Previews made on this machine: on an empty local stack, or on top of the base revision."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from local.stack.processes import StackError
from local.stack.rehearsal import Outcome, Rehearsal
from review.checkout import resolved, worktree
from review.errors import MisuseError, ReviewError
from review.machine import cleaned, machine_roots, without_codes, without_paths

_STACK = re.compile(r"^[A-Za-z0-9_.-]{1,100}$")
_DIAGNOSTICS = re.compile(r"^Diagnostics:\n((?:  .*\n|\s*\n)+)", re.MULTILINE)
_RESOURCE = re.compile(r"^  (?=\S.*:$)", re.MULTILINE)
"""Where the diagnostics of the next resource begin: `  type (name):`, what was said indented by four."""

_LAST_WORDS = frozenset({"error: update failed", "error: preview failed"})
_SAID_LINES = 20

ON_STAND_INS = (
    "Made on a local stack, with stand-ins for AWS and Marathon: no account was asked, and no task started."
)


class Running(Protocol):
    """What a rehearsal can do."""

    def up(self, checkout: Path) -> Outcome: ...
    def preview(self, checkout: Path, *, policy_pack: Path | None = None) -> Outcome: ...


Rehearse = Callable[[str, Path], AbstractContextManager[Running]]
"""Makes a rehearsal of a stack in a folder."""


@dataclass(frozen=True)
class Made:
    """A preview as the engine wrote it, with nothing of this machine in it."""

    json: str | None
    """None where the engine gave none."""

    events: str | None
    said: str
    """What the engine said besides."""

    failed: bool
    notes: tuple[str, ...]


def require_name(stack: str) -> None:
    """Raise MisuseError unless the name can be a stack's."""
    if not _STACK.match(stack):
        raise MisuseError(f"--stack {stack!r}: a stack's name has letters, digits, `_`, `.` and `-`")


def require_stack(root: Path, stack: str) -> None:
    """Raise MisuseError unless the checkout has a file for the stack."""
    require_name(stack)
    if not (root / f"Pulumi.{stack}.yaml").is_file():
        known = sorted(
            path.name.removeprefix("Pulumi.").removesuffix(".yaml") for path in root.glob("Pulumi.*.yaml")
        )
        raise MisuseError(
            f"--stack {stack}: no file Pulumi.{stack}.yaml here; there are {', '.join(known) or 'none'}"
        )


def on_nothing(root: Path, stack: str, build: Path, rehearse: Rehearse = Rehearsal) -> Made:
    """Preview the working tree where nothing exists yet.

    Args:
        root: the checkout.
        stack: name of the stack.
        build: folder for what the run leaves.
        rehearse: makes the local stack.

    Raises:
        MisuseError: the stack has no file.
        ReviewError: the preview could not be run at all.
    """
    require_stack(root, stack)
    with _run_folder(build) as run, _told_plainly(), rehearse(stack, run) as rehearsal:
        outcome = rehearsal.preview(root, policy_pack=policy_pack(root))
        return made(outcome, root, run, (ON_STAND_INS, "Nothing existed before."))


def on_base(root: Path, stack: str, base: str, build: Path, rehearse: Rehearse = Rehearsal) -> Made:
    """Preview the working tree on top of a base revision that was brought up first.

    Args:
        root: the checkout.
        stack: name of the stack.
        base: git ref of the base.
        build: folder for what the run leaves, the base's worktree while it is needed.
        rehearse: makes the local stack.

    Raises:
        MisuseError: the stack has no file, or there is no such ref.
        ReviewError: the base does not come up, or the preview could not be run at all.
    """
    require_stack(root, stack)
    commit = resolved(root, base)
    what = (
        f"Base: <code>{commit[:12]}</code>, brought up with the stand-ins and packages of the working tree."
    )
    with (
        _run_folder(build) as run,
        worktree(root, commit, build / f"base-{commit[:12]}") as checkout,
        _told_plainly(),
        rehearse(stack, run) as rehearsal,
    ):
        if (checkout / f"Pulumi.{stack}.yaml").is_file():
            outcome = rehearsal.up(checkout)
            if outcome.status != 0:
                raise ReviewError(
                    _base_failed(base, commit, outcome, {**machine_roots(root, run), str(checkout): "."})
                )
        else:
            what = f"Base: <code>{commit[:12]}</code>, which has no such stack: nothing existed before."
        outcome = rehearsal.preview(root, policy_pack=policy_pack(root))
        return made(outcome, root, run, (ON_STAND_INS, what))


def policy_pack(root: Path) -> Path | None:
    """The checkout's policy pack, where it has one."""
    pack = root / "policies"
    return pack if (pack / "PulumiPolicy.yaml").is_file() else None


def made(outcome: Outcome, root: Path, run: Path, notes: tuple[str, ...]) -> Made:
    """What a run of the engine gave, with nothing of this machine in it.

    Args:
        outcome: of a preview.
        root: the checkout it was run in.
        run: the rehearsal's folder.
        notes: how it was made, Markdown of the project's own.

    Raises:
        ReviewError: the engine ended well and gave no preview.
    """
    roots = machine_roots(root, run)
    events = outcome.events.read_text("utf-8") if outcome.events and outcome.events.is_file() else None
    said = without_paths(without_codes(outcome.stderr.strip()), roots)
    if outcome.preview_json is None and outcome.status == 0:
        raise ReviewError(f"the engine ended well and gave no preview: {said or 'it said nothing'}")
    return Made(
        cleaned(outcome.preview_json, roots) if outcome.preview_json else None,
        without_paths(events, roots) if events else None,
        said,
        outcome.status != 0,
        (*notes, f"Took {outcome.seconds:.0f} s."),
    )


def _base_failed(base: str, commit: str, outcome: Outcome, roots: dict[str, str]) -> str:
    text = without_paths(without_codes(f"{outcome.stdout}\n{outcome.stderr}"), roots)
    told = _diagnostics(text) or text.strip().splitlines()[-5:]
    more = ["…"] if len(told) > _SAID_LINES else []
    return (
        f"the base revision {base} ({commit[:12]}) does not come up on the local stack, so there is nothing "
        "to compare with; choose another --base, or mend it:\n"
        + "\n".join(f"    {line}" for line in [*told[:_SAID_LINES], *more])
    )


def _diagnostics(text: str) -> list[str]:
    """What the engine told under `Diagnostics:` of each resource with an error, warnings left out."""
    told: list[str] = []
    for found in _DIAGNOSTICS.findall(text):
        for part in _RESOURCE.split(found)[1:]:
            lines = [line.strip() for line in part.splitlines() if line.strip()]
            lines = [line for line in lines if not line.startswith("warning:") and line not in _LAST_WORDS]
            if any(line.startswith("error:") for line in lines):
                told += lines
    return told


@contextmanager
def _run_folder(build: Path) -> Generator[Path]:
    """A folder for one run under the build folder, gone afterwards."""
    build.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=build))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _told_plainly() -> Generator[None]:
    try:
        yield
    except StackError as e:
        raise ReviewError(f"the local stack: {e}") from None
