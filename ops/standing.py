"""Which app runs which release, by Marathon itself: what is so after a deploy, also after one that failed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rich.markup import escape
from rich.table import Table

from infra.errors import InfraError
from infra.marathon.client import AppNotFound, MarathonClient

SHORT = 12
"""Digits of a digest that are shown."""

_RELEASE = re.compile(r"/releases/([0-9a-f]{64})\.tar\.gz$")


@dataclass(frozen=True)
class Standing:
    """One app."""

    app: str
    release: str | None
    """The release that its definition names; None where it names none, or there is no such app."""

    instances: int
    """Tasks that it is to have."""

    running: dict[str, int]
    """Release → tasks of it that run; `?` where Marathon no longer knows the version of a task."""

    deploying: bool = False
    """Whether a deployment of it is under way."""

    trouble: str = ""
    """Why nothing else is known."""

    @property
    def settled(self) -> bool:
        """Whether every task runs, and every one the release of the definition."""
        wanted = {self.release: self.instances} if self.instances else {}
        return not self.trouble and not self.deploying and self.running == wanted

    @property
    def tasks(self) -> str:
        """The tasks, for a person."""
        if self.trouble:
            return self.trouble
        parts = [
            f"{count} running{'' if release == self.release else f' {release[:SHORT]}'}"
            for release, count in self.running.items()
        ]
        text = f"{', '.join(parts) or '0 running'} of {self.instances}"
        return f"{text}, a deployment is under way" if self.deploying else text


def release_of(app: Mapping[str, Any]) -> str | None:
    """The release that an app's definition fetches."""
    for each in app.get("fetch", []):
        if found := _RELEASE.search(str(each.get("uri", ""))):
            return found[1]
    return None


def standing(client: MarathonClient, app_ids: Iterable[str]) -> list[Standing]:
    """Where these apps stand now; never raises: what cannot be asked is said of the app."""
    return [_one(client, app_id) for app_id in sorted(app_ids)]


def table(apps: Iterable[Standing], title: str) -> Table:
    """The table a person reads."""
    shown = Table("app", "release", "tasks", title=title, title_justify="left")
    for app in apps:
        shown.add_row(app.app, (app.release or "none")[:SHORT], escape(app.tasks))
    return shown


def _one(client: MarathonClient, app_id: str) -> Standing:
    try:
        app = client.app(app_id)
        release = release_of(app)
        running: Counter[str] = Counter()
        versions: dict[str, str] = {}
        for task in app.get("tasks", []):
            if task.get("state") != "TASK_RUNNING":
                continue
            version = str(task.get("version", app["version"]))
            if version not in versions:
                versions[version] = _release_at(client, app, version)
            running[versions[version]] += 1
    except AppNotFound:
        return Standing(app_id, None, 0, {}, trouble="Marathon has no such app")
    except InfraError as e:
        return Standing(app_id, None, 0, {}, trouble=str(e))
    return Standing(app_id, release, int(app["instances"]), dict(running), bool(app.get("deployments")))


def _release_at(client: MarathonClient, app: Mapping[str, Any], version: str) -> str:
    if version == app["version"]:
        return release_of(app) or "?"
    try:
        return release_of(client.version(str(app["id"]), version)) or "?"
    except AppNotFound:
        return "?"
