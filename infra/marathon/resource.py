"""A Marathon app as a Pulumi resource."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi import Input, Output, ResourceOptions
from pulumi.dynamic import (
    ConfigureRequest,
    CreateResult,
    DiffResult,
    ReadResult,
    Resource,
    ResourceProvider,
    UpdateResult,
)

from infra.aws_connection import AwsConnection
from infra.marathon.client import AppNotFound, MarathonClient, MarathonError
from infra.marathon.credentials import credentials
from infra.plain_errors import told_plainly

POLL_S = 0.5


class DeploymentFailedError(MarathonError):
    """An app did not get its tasks running in time. The text says what its tasks and the queue said."""


class MarathonAppProvider(ResourceProvider):
    """Create, read, update and delete by full PUTs; each waits until the tasks run.

    Stored by reference in the state (an imported module), so a change of this code is no change of an app.
    """

    def __init__(self) -> None:
        super().__init__()
        self._connection: AwsConnection | None = None

    def configure(self, req: ConfigureRequest) -> None:
        """Keep how this stack reaches AWS: Marathon's credentials are asked of Secrets Manager."""
        self._connection = AwsConnection.from_config(req.config.get)

    def _client(self, props: Mapping[str, Any]) -> MarathonClient:
        if self._connection is None:
            raise MarathonError("the provider of Marathon apps was not configured by the engine")
        return MarathonClient(props["urls"], credentials(self._connection, props.get("credentials_secret")))

    @told_plainly
    def create(self, props: dict[str, Any]) -> CreateResult:
        """PUT the app and wait. An app of that id that is there already is taken over."""
        client = self._client(props)
        _await_ready(client, props)
        return CreateResult(props["manifest"]["id"], _deployed(client, props))

    @told_plainly
    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """PUT the app and wait; where it fails, put the version that ran before back."""
        client = self._client(_news)
        try:
            before = client.app(_id)["version"]
        except AppNotFound:
            return UpdateResult(_deployed(client, _news))
        try:
            return UpdateResult(_deployed(client, _news))
        except DeploymentFailedError as e:
            client.roll_back(_id, before)
            raise DeploymentFailedError(f"{e}\nthe version of {before} was put back") from None

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Another id is another app; anything else in the manifest is an update."""
        old, new = _olds.get("manifest", {}), _news["manifest"]
        renamed = isinstance(new, dict) and old.get("id") != new.get("id")
        return DiffResult(changes=old != new, replaces=["manifest"] if renamed else [], stables=[])

    @told_plainly
    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """What Marathon holds now, in the fields that the manifest sets; gone when it knows no such app."""
        try:
            app = self._client(props).app(id_)
        except AppNotFound:
            return ReadResult("", {})
        manifest = {key: _as_set(value, app.get(key)) for key, value in props["manifest"].items()}
        return ReadResult(id_, {**props, "manifest": manifest, "version": app["version"]})

    @told_plainly
    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Stop the app and wait until its tasks are gone. One that is gone already is fine."""
        client = self._client(_props)
        try:
            deployment = client.delete_app(_id)
        except AppNotFound:
            return
        deadline = time.monotonic() + _props["timeout_s"]
        while deployment in client.deployment_ids():
            if time.monotonic() > deadline:
                raise DeploymentFailedError(f"app {_id}: tasks still end after {_props['timeout_s']:.0f} s")
            time.sleep(POLL_S)


class MarathonApp(Resource, module="marathon", name="App"):
    """An app of Marathon, running: as many tasks as its `instances` say.

    Every change is an update; only another id replaces. `version` is Marathon's own version of the app.
    """

    manifest: Output[dict[str, Any]]
    version: Output[str]

    def __init__(
        self,
        name: str,
        urls: Sequence[Input[str]],
        credentials_secret: str | None,
        manifest: Input[Mapping[str, Any]],
        timeout_s: int,
        ready_timeout_s: int,
        opts: ResourceOptions | None = None,
    ) -> None:
        """Register the app.

        Args:
            name: logical name.
            urls: Marathon's base URLs.
            credentials_secret: name of the Secrets Manager entry with its credentials, where it asks for them.
            manifest: the app's JSON, filled.
            timeout_s: how long its deployment may take, seconds.
            ready_timeout_s: how long to wait for Marathon itself before a create, seconds.
            opts: resource options.
        """
        super().__init__(
            MarathonAppProvider(),
            name,
            {
                "urls": urls,
                "credentials_secret": credentials_secret,
                "manifest": manifest,
                "timeout_s": timeout_s,
                "ready_timeout_s": ready_timeout_s,
                "version": None,
            },
            pulumi.ResourceOptions.merge(
                # Marathon takes seconds to minutes; the provider's own deadline is the one that counts.
                ResourceOptions(custom_timeouts=pulumi.CustomTimeouts(create="30m", update="30m")),
                opts,
            ),
        )


def _await_ready(client: MarathonClient, props: Mapping[str, Any]) -> None:
    deadline = time.monotonic() + props["ready_timeout_s"]
    while not client.ping():
        if time.monotonic() > deadline:
            raise MarathonError(
                f"Marathon at {', '.join(props['urls'])} did not answer /ping within "
                f"{props['ready_timeout_s']:.0f} s; is the cluster up and reachable from here?"
            )
        time.sleep(POLL_S)


def _deployed(client: MarathonClient, props: Mapping[str, Any]) -> dict[str, Any]:
    """PUT, wait until the deployment has left the list, and see that the tasks run."""
    manifest = _whole_numbers(props["manifest"])
    app_id, deadline = manifest["id"], time.monotonic() + props["timeout_s"]
    deployment = client.put_app(app_id, manifest)
    while deployment in client.deployment_ids():
        if time.monotonic() > deadline:
            raise DeploymentFailedError(
                f"app {app_id}: not running after {props['timeout_s']:.0f} s: {_why(client, app_id)}"
            )
        time.sleep(POLL_S)
    # Leaving the list also happens on cancel and failure: only the tasks tell.
    app = client.app(app_id)
    if app["tasksRunning"] < manifest.get("instances", 1):
        raise DeploymentFailedError(
            f"app {app_id}: the deployment ended with {app['tasksRunning']} of "
            f"{manifest.get('instances', 1)} tasks running: {_why(client, app_id)}"
        )
    return {**props, "version": app["version"]}


def _why(client: MarathonClient, app_id: str) -> str:
    """What Marathon knows of an app that does not run: counts, last failure, and why it waits."""
    app = client.app(app_id)
    parts = [f"{app['tasksRunning']} running, {app['tasksStaged']} staged of {app['instances']}"]
    if failure := app.get("lastTaskFailure"):
        parts.append(f"last failure {failure['state']} on {failure['host']}: {failure['message']}")
    if item := client.queue_item(app_id):
        delay = item["delay"]
        if not delay["overdue"]:
            parts.append(f"backed off for another {delay['timeLeftSeconds']} s")
        offers = item["processedOffersSummary"]["rejectSummaryLastOffers"]
        declined = [f"{reason['reason']} {reason['declined']}×" for reason in offers if reason["declined"]]
        if declined:
            parts.append(f"offers declined: {', '.join(declined)}")
    return "; ".join(parts)


def _as_set(wanted: Any, found: Any) -> Any:
    """What is there, in the shape that was set: fields the server added are not drift.

    Objects are compared by the keys that were set, lists of equal length item by item, numbers as numbers.
    """
    if isinstance(wanted, dict) and isinstance(found, dict):
        return {key: _as_set(value, found.get(key)) for key, value in wanted.items()}
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        return [_as_set(w, f) for w, f in zip(wanted, found, strict=True)]
    if found is None and wanted in ({}, []):
        return wanted  # Marathon leaves empty collections out of what it answers
    return found


def _whole_numbers(node: Any) -> Any:
    """Pulumi's numbers are doubles; Marathon wants its counts whole."""
    if isinstance(node, dict):
        return {key: _whole_numbers(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_whole_numbers(value) for value in node]
    return int(node) if isinstance(node, float) and node.is_integer() else node
