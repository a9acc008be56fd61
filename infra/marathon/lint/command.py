"""What a task runs, and how it is told to end."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from infra.marathon.lint.facts import DRAIN_CAP_S, DRAIN_S, Facts
from infra.marathon.lint.rule import App, AppRule, Found, Rule

_SEPARATORS = frozenset({"&&", "||", ";", "|", "&", "(", ")", ";;", "|&"})


_DUPLICATES = re.compile(r"\d*[<>]&\s*(\d+|-)|&(?=>)")
_REDIRECTION = re.compile(r"\d*(>>|>\||<>|>|<)(.*)")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*")


def _something(app: App, _: Facts) -> Iterator[Found]:
    cmd, args = app.app.cmd, app.app.args
    if cmd and args:
        yield Found("/args", "stands beside `cmd`", "keep one: `cmd` is run by a shell, `args` are not")
    container = app.app.container
    if not cmd and not args and not (container and container.docker):
        yield Found(
            "/cmd", "there is nothing to run", "write `cmd`, or `args`, or name an image that has a command"
        )


def _exec(app: App, _: Facts) -> Iterator[Found]:
    if not app.app.cmd:
        return
    try:
        parts = _commands(app.app.cmd)
    except ValueError as e:
        yield Found("/cmd", f"the shell cannot read it: {e}", "close what is open")
        return
    if not _hands_over(parts):
        last = " ".join(parts[-1][0]) if parts else ""
        yield Found(
            "/cmd", "the shell stays in front of the program", f"write 'exec {last}' as the last command"
        )


def _commands(line: str) -> list[tuple[list[str], str]]:
    """The simple commands of a shell line, each with the separator behind it.

    Raises:
        ValueError: a quotation is not closed.
    """
    # An ampersand of a redirection ends no command.
    line = _DUPLICATES.sub(" ", line).replace("\n", " ; ")
    lexer = shlex.shlex(line, posix=False, punctuation_chars="();&|")
    lexer.whitespace_split = True
    lexer.commenters = ""
    parts: list[tuple[list[str], str]] = []
    words: list[str] = []
    for token in lexer:
        if token in _SEPARATORS:
            parts.append((words, token))
            words = []
        else:
            words.append(token)
    if words:
        parts.append((words, ""))
    return [(some, after) for some, after in parts if some or after not in {";", ""}]


def _hands_over(parts: list[tuple[list[str], str]]) -> bool:
    """Whether the last command to run replaces the shell. After `exec a ||` comes only what runs if `a` is missing."""
    while parts:
        words, after = parts[-1]
        before = parts[-2][1] if len(parts) > 1 else ""
        if _replaces(words):
            return after in {"", ";", "||"} and before != "|"
        if before != "||":
            return False
        parts = parts[:-1]
    return False


def _replaces(words: list[str]) -> bool:
    """Whether a simple command is an exec of a program; with redirections alone it only moves the shell's files."""
    rest = list(words)
    while rest and _ASSIGNMENT.fullmatch(rest[0]):
        rest.pop(0)
    if rest[:1] != ["exec"]:
        return False
    rest.pop(0)
    while rest and (redirection := _REDIRECTION.fullmatch(rest[0])):
        del rest[: 1 if redirection[2] else 2]
    return bool(rest)


def _grace(app: App, _: Facts) -> Iterator[Found]:
    grace = app.app.taskKillGracePeriodSeconds
    given = "is absent, which is 5 s" if grace is None else f"is {grace} s"
    if (5 if grace is None else grace) < DRAIN_S:
        what = f"{given}, but a worker may need {DRAIN_S} s after SIGTERM"
        yield Found("/taskKillGracePeriodSeconds", what, f"write {DRAIN_S} or more")


def _grace_kept(app: App, _: Facts) -> Iterator[Found]:
    grace = app.app.taskKillGracePeriodSeconds
    if grace is not None and grace > DRAIN_CAP_S:
        what = f"is {grace} s, but a machine that must go gives a task {DRAIN_CAP_S} s at most"
        yield Found(
            "/taskKillGracePeriodSeconds", what, f"make the worker end within {DRAIN_CAP_S} s, and write that"
        )


RULES: tuple[Rule, ...] = (
    AppRule(
        id="cmd-or-args",
        severity="error",
        what="There is one of `cmd` and `args`, or neither and an image with a command.",
        why="Marathon refuses both and neither (422).",
        reference="Marathon 1.11, AppValidation.scala, containsCmdArgsOrContainer",
        fixed=True,
        reads=("cmd", "args", "container"),
        check=_something,
    ),
    AppRule(
        id="cmd-exec",
        severity="error",
        what="The last command of `cmd` is run by `exec`.",
        why="`cmd` is run by `/bin/sh -c`: without exec the shell may stay process 1 and keep SIGTERM for itself, and "
        "the worker is killed with its messages in hand.",
        reference="Apache Mesos, src/docker/docker.cpp, Docker::run; POSIX, XCU 2.14, exec",
        reads=("cmd",),
        check=_exec,
    ),
    AppRule(
        id="kill-grace",
        severity="error",
        what=f"`taskKillGracePeriodSeconds` is {DRAIN_S} or more.",
        why="Between SIGTERM and SIGKILL a worker finishes or hands back what it holds; what it could not comes back "
        "only when its visibility timeout ends.",
        reference="Marathon 1.11, app.raml; Apache Mesos, Agent Configuration, --executor_shutdown_grace_period",
        reads=("taskKillGracePeriodSeconds",),
        check=_grace,
    ),
    AppRule(
        id="kill-grace-kept",
        severity="warning",
        what=f"`taskKillGracePeriodSeconds` is {DRAIN_CAP_S} or less.",
        why="A spot interruption leaves two minutes for everything: the drained agent cuts longer graces, and the "
        "worker is killed earlier than it was made for.",
        reference="Apache Mesos, Operator HTTP API, DRAIN_AGENT, max_grace_period",
        reads=("taskKillGracePeriodSeconds",),
        check=_grace_kept,
    ),
)
