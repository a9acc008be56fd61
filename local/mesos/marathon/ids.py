"""Ids of apps, instances and tasks (PathId, Instance.Id and Task.Id of Marathon 1.11)."""

import re
from uuid import uuid4

_SEGMENT = re.compile(r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$")
_TASK = re.compile(
    r"^(?P<instance>(?P<app>.+)\.instance-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})\._app\.(?P<attempt>\d+)$"
)
RESERVED = frozenset({"restart", "tasks", "versions"})


def canonical(raw: str) -> str:
    """``a/b``, ``/a/b/`` and ``//a//b`` all name ``/a/b``; ``.`` and ``..`` resolve."""
    segments: list[str] = []
    for segment in raw.split("/"):
        if segment == "..":
            del segments[-1:]
        elif segment and segment != ".":
            segments.append(segment)
    return "/" + "/".join(segments)


def problems(app_id: str) -> list[str]:
    """Why a canonical id is refused; empty when it is sound."""
    segments = app_id.strip("/").split("/")
    found: list[str] = []
    if app_id == "/":
        found.append("must not be empty")
    elif not all(_SEGMENT.match(segment) for segment in segments):
        found.append(
            "must fully match regular expression '^(([a-z0-9]|[a-z0-9][a-z0-9\\-]*[a-z0-9])\\.)*"
            "([a-z0-9]|[a-z0-9][a-z0-9\\-]*[a-z0-9])|(\\.|\\.\\.)$'"
        )
    if segments[-1] in RESERVED:
        found.append(
            f"must not end with any of the following reserved keywords: {', '.join(sorted(RESERVED))}"
        )
    return found


def parents(app_id: str) -> list[str]:
    """Every group above an id, nearest first: ``/a/b/c`` → ``/a/b``, ``/a``, ``/``."""
    segments = app_id.strip("/").split("/")
    return ["/" + "/".join(segments[:depth]) for depth in range(len(segments) - 1, -1, -1)]


def is_below(app_id: str, group_id: str) -> bool:
    return group_id == "/" or app_id.startswith(group_id.rstrip("/") + "/")


def instance_id(app_id: str) -> str:
    return f"{app_id.strip('/').replace('/', '_')}.instance-{uuid4()}"


def task_id(instance: str, attempt: int) -> str:
    """The instance keeps its uuid over relaunches, ``attempt`` counts from 1."""
    return f"{instance}._app.{attempt}"


def instance_of(task: str) -> str | None:
    """The instance a task id belongs to; None where it is malformed."""
    match = _TASK.match(task)
    return match["instance"] if match else None
