"""An app's deployment from its PUT to its tasks running, and back to the earlier version where they do not."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from infra.marathon.changes import differences
from infra.marathon.client import DeploymentId, MarathonClient
from infra.marathon.errors import (
    AppLocked,
    AppNotFound,
    DeploymentCancelled,
    DeploymentFailedError,
    DeploymentReplaced,
    MarathonError,
    MarathonUnreachable,
)
from infra.marathon.explain import Explainer
from infra.marathon.normal_form import READ_ONLY, without_nulls
from infra.marathon.progress import Progress, moment

Json = dict[str, Any]

RESTORE_S = 60.0
"""How long the earlier version is waited for. It goes on after that."""

RACES = 3


@dataclass(frozen=True)
class Limits:
    """When a deployment counts as done, and when as failed."""

    timeout_s: float
    """Longest time from the PUT until all tasks run."""

    settle_s: float = 3.0
    """How long a task without health checks must have run. Marathon takes it for healthy the moment it starts, and
    stops an old one for it; a task that crashes at its start is found by this only."""

    crash_limit: int = 3
    """So many new tasks failing in a row end the wait early: Marathon itself tries for ever."""

    halted_s: float = 5.0
    """How long old tasks may stay after the deployment has left the list, until it counts as cancelled by somebody."""

    poll_s: float = 0.5
    """Time between two looks."""


@dataclass(frozen=True)
class Surroundings:
    """What a wait needs of the process it is in."""

    say: Callable[[str], None]
    """Shows a line of progress."""

    warn: Callable[[str], None]
    """Shows a line that needs attention."""

    is_stopping: Callable[[], bool]
    """Whether to give up."""

    wait: Callable[[float], None]
    """Returns after so many seconds, sooner when to give up."""


class Deployer:
    """Deploys one app."""

    def __init__(
        self,
        client: MarathonClient,
        explainer: Explainer,
        limits: Limits,
        around: Surroundings,
        *,
        scaled: bool = False,
    ) -> None:
        """A deployer.

        Args:
            client: of the cluster.
            explainer: says why tasks do not run.
            limits: of the wait.
            around: the process it is in.
            scaled: `instances` is somebody else's: 0 in a new app, and what is there in one that is.
        """
        self._client = client
        self._explainer = explainer
        self._limits = limits
        self._around = around
        self._scaled = scaled

    def deploy(self, manifest: Mapping[str, Any]) -> str:
        """The app is what the manifest says and its tasks run; its version.

        Raises:
            DeploymentFailedError: they do not. The version that was there before is put back, an app that was not
                there is deleted; the text says why, and what is there now.
            DeploymentReplaced: somebody else's deployment took over. Nothing is put back.
            MarathonError: Marathon refused the app, or could not be asked; nothing was changed unless the text says so.
        """
        wanted: Json = without_nulls(dict(manifest))
        deadline = time.monotonic() + self._limits.timeout_s
        before, made = self._put(wanted, deadline)
        try:
            return self._await(wanted["id"], before, made, deadline)
        except DeploymentReplaced:
            raise
        except DeploymentFailedError as failed:
            raise type(failed)(f"{failed}\n{self._undone(wanted['id'], before, failed)}") from None
        except MarathonError as e:
            raise DeploymentFailedError(
                f"app {wanted['id']}: Marathon can no longer be asked: {e}\nits deployment {made} goes on there, and "
                "another `up` takes the app up again"
            ) from None

    def app(self, app_id: str) -> Json | None:
        """The app, or None."""
        try:
            return self._client.app(app_id)
        except AppNotFound:
            return None

    def await_end(self, deployment: str, timeout_s: float) -> bool:
        """Whether a deployment left the list in time."""
        deadline = time.monotonic() + timeout_s
        while deployment and deployment in self._client.deployment_ids():
            if time.monotonic() > deadline or self._around.is_stopping():
                return False
            self._around.wait(self._limits.poll_s)
        return True

    def _put(self, wanted: Json, deadline: float) -> tuple[Json | None, DeploymentId]:
        """PUT, once nobody else holds the app; what was there before, and the deployment."""
        app_id, held = wanted["id"], ""
        while True:
            before = self.app(app_id)
            if self._scaled:
                wanted["instances"] = before["instances"] if before else 0
            try:
                made = self._client.put_app(app_id, wanted)
            except AppLocked as locked:
                holders = ", ".join(locked.deployments)
                if holders != held:
                    self._around.say(f"app {app_id}: held by deployment {holders}, waiting for its end")
                    held = holders
                if time.monotonic() > deadline:
                    raise DeploymentFailedError(
                        f"app {app_id}: not deployed: deployment {holders} has held it for "
                        f"{self._limits.timeout_s:.0f} s. Nothing was changed. Wait for its end, or cancel it: "
                        f"DELETE /v2/deployments/{locked.deployments[0]}?force=true"
                    ) from None
                self._pause(app_id, "Nothing was changed.")
                continue
            return before, self._with_their_instances(wanted, before, made)

    def _with_their_instances(self, wanted: Json, before: Json | None, made: DeploymentId) -> DeploymentId:
        """The deployment, done again with the right `instances` where these moved between the read and the PUT.

        Marathon has no compare-and-set; its list of versions tells what came between.
        """
        if not self._scaled or before is None or not made.version:
            return made
        app_id, seen = wanted["id"], moment(before["version"])
        for _ in range(RACES):
            between = [v for v in self._client.versions(app_id) if seen < moment(v) < moment(made.version)]
            if not between:
                break
            newest = max(between, key=moment)
            count = self._client.version(app_id, newest)["instances"]
            if count == wanted["instances"]:
                break
            wanted["instances"], seen = count, moment(made.version)
            self._around.say(f"app {app_id}: scaled to {count} meanwhile, which stays")
            self._client.put_app(app_id, wanted, force=True)
            # That one only scales, and has cancelled the one that replaces tasks.
            made = self._client.restart_app(app_id, force=True)
        return made

    def _await(self, app_id: str, before: Json | None, made: DeploymentId, deadline: float) -> str:
        """Return once the tasks run; the app's version."""
        progress = Progress(self._limits.settle_s, before, made.version)
        line, halted = "", 0.0
        while True:
            try:
                app = self._client.app(app_id)
            except AppNotFound:
                raise DeploymentReplaced(f"app {app_id}: deleted by somebody else meanwhile") from None
            except MarathonUnreachable as e:
                # An election in the middle of a deployment does not end it: running deployments survive it.
                if time.monotonic() > deadline:
                    raise
                self._around.warn(f"app {app_id}: {e}")
                self._pause(app_id, "What its tasks do is not known.")
                continue
            now = progress.seen(app, time.monotonic())
            if made.version and moment(now.config_version) > moment(made.version):
                raise DeploymentReplaced(
                    f"app {app_id}: superseded: another deployment changed it at {now.config_version}, after this one "
                    f"({made.version}). Nothing is put back; the app is what that one says"
                )
            if now.line != line:
                line = now.line
                self._around.say(f"app {app_id}: {line}")
            holding = {d["id"] for d in app.get("deployments", [])}
            if now.is_done and made not in holding:
                return app["version"]
            halted = 0.0 if holding or not now.old else halted or time.monotonic()
            if halted and time.monotonic() - halted > self._limits.halted_s:
                if not made.version or moment(app["version"]) <= moment(made.version):
                    self._fail(
                        app_id,
                        "its deployment was cancelled by somebody, old and new tasks are mixed",
                        progress,
                    )
                # Scaled by force: that deployment took this one's place, and leaves the tasks that it finds.
                self._around.say(f"app {app_id}: scaled while its tasks were being replaced, which goes on")
                made, halted = self._client.restart_app(app_id, force=True), 0.0
                continue
            if now.failures >= self._limits.crash_limit:
                self._fail(app_id, f"{now.failures} new tasks failed in a row", progress)
            if time.monotonic() > deadline:
                self._fail(app_id, f"not running after {self._limits.timeout_s:.0f} s", progress)
            self._pause(app_id, f"{line}.")

    def _pause(self, app_id: str, state: str) -> None:
        if self._around.is_stopping():
            raise DeploymentCancelled(f"app {app_id}: cancelled while it was waited for. {state}")
        self._around.wait(self._limits.poll_s)

    def _fail(self, app_id: str, why: str, progress: Progress) -> None:
        reasons = self._explainer.why(app_id, progress)
        raise DeploymentFailedError(
            "\n".join([f"app {app_id}: {why}", *(f"  {reason}" for reason in reasons)])
        )

    def _undone(self, app_id: str, before: Json | None, failed: DeploymentFailedError) -> str:
        """What was done about a failure, and what is there now. Never raises: the failure itself must be told."""
        patient = not isinstance(failed, DeploymentCancelled)
        try:
            if before is None:
                deployment = self._client.delete_app(app_id)
                what = "it was not there before, so it was deleted again"
            else:
                deployment = self._put_back(app_id, before)
                what = f"the version of {before['version']} was put back"
            if patient and self.await_end(deployment, RESTORE_S):
                app = self.app(app_id)
                counts = f", {app['tasksRunning']} of {app['instances']} tasks run" if app else ""
                return f"{what}{counts}"
        except MarathonError as e:
            return (
                f"it could not be undone: {e}; put the earlier version back by hand: PUT /v2/apps{app_id}?force=true "
                f'with {{"version": "{before["version"] if before else ""}"}}'
            )
        return f"{what}; its deployment {deployment} is under way" if deployment else what

    def _put_back(self, app_id: str, before: Json) -> DeploymentId:
        if not self._scaled:
            return self._client.roll_back(app_id, before["version"])
        definition = self._client.version(app_id, before["version"])
        kept = {key: value for key, value in definition.items() if key not in READ_ONLY}
        kept["instances"] = (self.app(app_id) or before)["instances"]
        return self._client.put_app(app_id, kept, force=True)


def is_as_wanted(wanted: Mapping[str, Any], app: Mapping[str, Any]) -> bool:
    """Whether Marathon holds the app as it is wanted, every task of it new and no deployment under way."""
    config = moment(app.get("versionInfo", {}).get("lastConfigChangeAt", app["version"]))
    old = [t for t in app.get("tasks", []) if "version" in t and moment(t["version"]) < config]
    return not old and not app.get("deployments") and not differences(wanted, app, of_marathon=True)
