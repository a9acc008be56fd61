"""Marathon's REST API over requests: what a deployment needs of `/v2`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import stamina

from infra.marathon.changes import differences
from infra.marathon.errors import (
    AnswerLost,
    AppExists,
    AppLocked,
    AppNotFound,
    MarathonError,
    MarathonFailed,
    MarathonRefused,
    MarathonUnreachable,
    NotAllowed,
)
from infra.marathon.servers import TIMEOUT_S, Servers

__all__ = [
    "AnswerLost",
    "AppExists",
    "AppLocked",
    "AppNotFound",
    "DeploymentId",
    "MarathonClient",
    "MarathonError",
    "MarathonFailed",
    "MarathonRefused",
    "MarathonUnreachable",
    "NotAllowed",
]

Json = dict[str, Any]

WRITES = 3
"""How often a write is said whose answer was lost, when what is there shows that it was not done."""


class DeploymentId(str):
    """Id of a deployment, empty where none is known to have been made.

    Attributes:
        version: Marathon's time of it, which is the version of the apps that it changes.
    """

    version: str

    def __new__(cls, id_: str, version: str) -> DeploymentId:
        made = super().__new__(cls, id_)
        made.version = version
        return made


class MarathonClient:
    """A Marathon cluster behind one or more base URLs.

    Every request has time-outs. Reads are said again a few times with jitter when a server does not answer or has no
    leader (502, 503). A write is said again when it cannot have been done, or when a read shows that it was not: no
    second deployment starts because an answer was lost.
    """

    def __init__(
        self,
        urls: Sequence[str],
        credentials: tuple[str, str] | None = None,
        ca_file: Path | None = None,
        timeout_s: tuple[float, float] = TIMEOUT_S,
    ) -> None:
        """A client of these servers; see `Servers`."""
        self._servers = Servers(urls, credentials, ca_file, timeout_s)

    def ping(self) -> bool:
        """Whether a server answers `/ping` now. Never retries. Raises NotAllowed where it asks for credentials."""
        return self._servers.ping()

    def info(self) -> Json:
        """Marathon's version, leader and configuration."""
        return self._get("/v2/info")

    def leader(self) -> str:
        """`host:port` of the leading server. Raises AppNotFound where there is none."""
        return self._get("/v2/leader")["leader"]

    def app(self, app_id: str) -> Json:
        """The app with counts, tasks, deployments and last failure. Raises AppNotFound."""
        return self._get(_app(app_id), {"embed": "app.failures"})["app"]

    def apps(self) -> list[Json]:
        """Every app, with counts."""
        return self._get("/v2/apps", {"embed": "apps.counts"})["apps"]

    def versions(self, app_id: str) -> list[str]:
        """Versions of the app that Marathon keeps. Raises AppNotFound."""
        return self._get(f"{_app(app_id)}/versions")["versions"]

    def version(self, app_id: str, version: str) -> Json:
        """The app as it was at a version. Raises AppNotFound."""
        return self._get(f"{_app(app_id)}/versions/{quote(version)}")

    def tasks(self, app_id: str) -> list[Json]:
        """The app's tasks. Raises AppNotFound."""
        return self._get(f"{_app(app_id)}/tasks")["tasks"]

    def deployments(self) -> list[Json]:
        """The deployments under way."""
        return cast(list[Json], self._servers.call("GET", "/v2/deployments"))

    def deployment_ids(self) -> set[str]:
        """Ids of the deployments under way."""
        return {d["id"] for d in self.deployments()}

    def queue_item(self, app_id: str) -> Json | None:
        """What Marathon's queue says of an app that waits for offers or is backed off; None when it does not wait."""
        queue: list[Json] = self._get("/v2/queue", {"embed": "lastUnusedOffers"})["queue"]
        return next((item for item in queue if item.get("app", {}).get("id") == app_id), None)

    def put_app(self, app_id: str, app: Mapping[str, Any], *, force: bool = False) -> DeploymentId:
        """Make the app exactly what `app` says (fields left out return to their defaults); its deployment.

        Args:
            app_id: the app; created where there is none.
            app: the whole definition.
            force: cancel whatever deployment holds the app, instead of raising AppLocked.
        """
        params = {"partialUpdate": "false", "force": _flag(force)}
        return self._written(
            lambda: self._deployment("PUT", _app(app_id), params, app), lambda: self._done(app_id, app)
        )

    def roll_back(self, app_id: str, version: str) -> DeploymentId:
        """Put an earlier version of the app back, whatever holds it; its deployment."""
        return self._written(
            lambda: self._deployment("PUT", _app(app_id), {"force": "true"}, {"version": version}),
            lambda: self._done(app_id, self.version(app_id, version)),
        )

    def delete_app(self, app_id: str) -> DeploymentId:
        """Stop the app and forget it, whatever holds it; its deployment. Raises AppNotFound."""
        return self._written(
            lambda: self._deployment("DELETE", _app(app_id), {"force": "true"}), lambda: self._gone(app_id)
        )

    def restart_app(self, app_id: str, *, force: bool = False) -> DeploymentId:
        """Replace every task; the deployment. Raises AnswerLost where it may have begun: saying it again is another."""
        return self._deployment("POST", f"{_app(app_id)}/restart", {"force": _flag(force)})

    def cancel_deployment(self, deployment: str, *, force: bool = False) -> DeploymentId:
        """End a deployment: rolled back, or with `force` left half done. Raises AppNotFound where it has ended."""
        return self._deployment("DELETE", f"/v2/deployments/{quote(deployment)}", {"force": _flag(force)})

    def delete_empty_groups(self, app_id: str) -> None:
        """The groups above an app that has gone, as far up as they hold nothing, are gone too.

        Deleting an app leaves them. Marathon cannot be asked to delete a group only if it is empty, so each is looked
        at first; without `force`, one that a deployment holds stays.
        """
        segments = app_id.strip("/").split("/")[:-1]
        while segments:
            path = f"/v2/groups/{quote('/'.join(segments))}"
            try:
                group = self._get(path)
                if any(group.get(kind) for kind in ("apps", "pods", "groups")):
                    return
                self._servers.call("DELETE", path, {"force": "false"})
            except (AppNotFound, AppLocked, AnswerLost):
                return
            segments.pop()

    def _get(self, path: str, params: Mapping[str, str] | None = None) -> Json:
        answer = self._servers.call("GET", path, params)
        if not isinstance(answer, dict):
            raise MarathonError(f"GET {path}: not the answer of a Marathon: {type(answer).__name__}")
        return answer

    def _deployment(
        self, method: str, path: str, params: Mapping[str, str], body: Mapping[str, Any] | None = None
    ) -> DeploymentId:
        answer: Json = self._servers.call(method, path, params, body)
        return DeploymentId(answer.get("deploymentId", ""), answer.get("version", ""))

    @staticmethod
    def _written(write: Callable[[], DeploymentId], done: Callable[[], DeploymentId | None]) -> DeploymentId:
        """`write`, said again only while `done` sees nothing of it."""
        for attempt in stamina.retry_context(on=AnswerLost, attempts=WRITES, wait_initial=0.2, wait_max=3.0):
            with attempt:
                found = done() if attempt.num > 1 else None
                return write() if found is None else found
        raise AssertionError("unreachable")  # pragma: no cover

    def _done(self, app_id: str, app: Mapping[str, Any]) -> DeploymentId | None:
        """The deployment by which the app became `app`; None while it is something else."""
        try:
            found = self.app(app_id)
        except AppNotFound:
            return None
        if differences(app, found, of_marathon=True):
            return None
        running = [d["id"] for d in found.get("deployments", [])]
        return DeploymentId(running[0] if running else "", found["version"])

    def _gone(self, app_id: str) -> DeploymentId | None:
        try:
            self.app(app_id)
        except AppNotFound:
            return DeploymentId("", "")
        return None


def _app(app_id: str) -> str:
    return f"/v2/apps/{quote(app_id.strip('/'))}"


def _flag(value: bool) -> str:
    return str(value).lower()
