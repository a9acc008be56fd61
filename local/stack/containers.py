"""Whether the local stack's tasks run in real containers, and how the workers' image comes to be there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from local.mesos.agent.choice import ChoiceError, choose
from local.stack.layout import ROOT
from local.stack.processes import StackError

Wanted = Literal["auto", "yes", "no"]

STAND_IN = "trawler/base:bookworm"
"""The base image that `tools/base_image.py` makes where no registry has one to give."""

LOOK_TIMEOUT_S = 10.0
REGISTRY_TIMEOUT_S = 4.0
PULL_TIMEOUT_S = 300.0
MAKE_TIMEOUT_S = 900.0

Run = Callable[[Sequence[str], float], bool]
"""Runs a command for at most so many seconds; whether it succeeded."""


@dataclass(frozen=True)
class Plan:
    """How tasks run.

    Attributes:
        docker: in containers; else as processes.
        why: one line for whoever watches.
        build: command that has the workers' image ready afterwards; None where it is there.
    """

    docker: bool
    why: str
    build: Sequence[str] | None = None


def plan(wanted: Wanted, image: str, base: str, say: Callable[[str], None], run: Run | None = None) -> Plan:
    """What `wanted` comes to on this machine.

    `auto` takes containers where nothing long is in the way: a daemon answers, and the workers' image or its base is
    here or in a registry that answers within seconds. `yes` also pulls the base image, or makes a stand-in for it.

    Args:
        wanted: by whoever starts the stack.
        image: reference of the workers' image.
        base: reference of the image that it is built upon.
        say: called with a line before anything that takes long.
        run: runs a command; that of this machine where it is None.

    Raises:
        StackError: `yes`, and something is missing; says what.
    """
    run = run or _run
    if wanted == "no":
        return Plan(docker=False, why="tasks run as processes: so it was asked for")
    try:
        choice = choose("auto" if wanted == "auto" else "docker")
    except ChoiceError as e:
        raise StackError(f"{e}; DOCKER=no runs tasks as processes") from None
    if not choice.docker:
        return Plan(docker=False, why=choice.why)
    if _is_here(image, run):
        return Plan(docker=True, why=choice.why)
    upon = _base_at_hand(base, run)
    if upon is None and wanted == "auto":
        why = (
            f"tasks run as processes: neither the workers' image {image} nor its base image is here, and no registry "
            "answers at once; DOCKER=yes makes them"
        )
        return Plan(docker=False, why=why)
    upon = upon or _base_by_all_means(base, say, run)
    return Plan(docker=True, why=choice.why, build=_build(upon, base))


def _base_at_hand(base: str, run: Run) -> str | None:
    here = next((each for each in (base, STAND_IN) if _is_here(each, run)), None)
    if here is None and run(["docker", "manifest", "inspect", base], REGISTRY_TIMEOUT_S):
        return base
    return here


def _base_by_all_means(base: str, say: Callable[[str], None], run: Run) -> str:
    say(f"pulling the base image {base.partition('@')[0]} …")
    if run(["docker", "pull", "--quiet", base], PULL_TIMEOUT_S):
        return base
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        raise StackError(
            f"the base image {base} cannot be pulled, and a stand-in for it needs root and debootstrap: "
            "`sudo python3 tools/base_image.py` makes it once; DOCKER=no runs tasks as processes"
        )
    say(f"it cannot be pulled: making a stand-in for it, {STAND_IN} (a minute, once) …")
    if not run(
        [sys.executable, str(ROOT / "tools" / "base_image.py"), "--reference", STAND_IN], MAKE_TIMEOUT_S
    ):
        raise StackError(
            "the stand-in for the base image could not be made: `python3 tools/base_image.py` says why; "
            "DOCKER=no runs tasks as processes"
        )
    return STAND_IN


def _build(upon: str, base: str) -> list[str]:
    command = [sys.executable, "-m", "ops", "image", "--stack", "local", "--no-push"]
    return command if upon == base else [*command, "--base-image", upon]


def _is_here(image: str, run: Run) -> bool:
    return run(["docker", "image", "inspect", image], LOOK_TIMEOUT_S)


def _run(command: Sequence[str], timeout_s: float) -> bool:
    try:
        done = subprocess.run(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            timeout=timeout_s, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
