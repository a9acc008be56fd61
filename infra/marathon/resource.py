"""A Marathon app as a Pulumi resource."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pulumi
from pulumi import Input, Output, ResourceOptions
from pulumi.dynamic import (
    CheckFailure,
    CheckResult,
    ConfigureRequest,
    CreateResult,
    DiffResult,
    ReadResult,
    Resource,
    ResourceProvider,
    UpdateResult,
)
from pulumi.runtime import rpc

from infra.aws_connection import AwsConnection
from infra.marathon.changes import as_found, differences, told
from infra.marathon.client import AppNotFound, MarathonClient, MarathonError
from infra.marathon.credentials import credentials
from infra.marathon.deployment import Deployer, Limits, Surroundings, is_as_wanted
from infra.marathon.engine import Engine
from infra.marathon.errors import DeploymentCancelled, DeploymentFailedError
from infra.marathon.explain import Explainer
from infra.marathon.normal_form import absolute
from infra.plain_errors import told_plainly

Json = dict[str, Any]

POLL_S = 0.5

TYPE = "pulumi-python:dynamic/marathon:App"

SETTINGS: Json = {
    "urls": [],
    "credentials_secret": None,
    "ca_file": None,
    "agent_port": 5051,
    "scaled": False,
    "timeout_s": 600,
    "ready_timeout_s": 900,
    "settle_s": 3,
    "crash_limit": 3,
}
"""How the app is reached and waited for, with the value of one that an older state lacks. A change of them is kept in
the state, where a destroy reads it, and asks nothing of Marathon."""


class MarathonAppProvider(ResourceProvider):
    """Create, read, update and delete by full PUTs; each waits until the tasks run.

    Stored by reference in the state (an imported module), so a change of this code is no change of an app.
    """

    def __init__(self) -> None:
        super().__init__()
        self._connection: AwsConnection | None = None
        self._engine: Engine | None = None

    def configure(self, req: ConfigureRequest) -> None:
        """Keep how this stack reaches AWS, of whose Secrets Manager Marathon's credentials are asked."""
        self._connection = AwsConnection.from_config(req.config.get)
        self._engine = Engine()

    def check(self, _olds: Json, news: Json) -> CheckResult:
        """An app whose instances the scaler owns says nothing of them."""
        manifest = news.get("manifest")
        if not isinstance(manifest, dict):
            return CheckResult(news, [])
        failures = [] if manifest.get("id") else [CheckFailure("manifest", "an app needs an id")]
        if news.get("scaled") is True:
            news = {**news, "manifest": {key: value for key, value in manifest.items() if key != "instances"}}
        return CheckResult(news, failures)

    @told_plainly
    def diff(self, _id: str, _olds: Json, _news: Json) -> DiffResult:
        """Another id is another app; any other difference in meaning is an update, told field by field."""
        old, new = _olds.get("manifest", {}), _news["manifest"]
        # What is known only after an update makes a manifest unknown, whole or in parts.
        if not isinstance(new, dict):
            return DiffResult(changes=True, replaces=[], stables=[])
        renamed = absolute(str(old.get("id", ""))) != absolute(str(new.get("id", "")))
        changed = differences(_sizeless(old, _news), _sizeless(new, _news), of_marathon=False)
        if changed and not renamed:
            maybe = ", unless what is known only later is as before" if rpc.UNKNOWN in _leaves(new) else ""
            self._say(_news, f"app {new.get('id')} {told(changed, new)}{maybe}")
        moved = [key for key in SETTINGS if key in _olds and not _equal(_olds[key], _news.get(key))]
        return DiffResult(
            changes=bool(changed or moved), replaces=["manifest"] if renamed else [], stables=[]
        )

    @told_plainly
    def create(self, props: Json) -> CreateResult:
        """PUT the app and wait. One of that id that is there already is taken over, unwritten where it is as wanted."""
        client, manifest = self._client(props), _whole_numbers(props["manifest"])
        self._await_ready(client, props)
        deployer = self._deployer(client, props)
        there = deployer.app(manifest["id"])
        if there:
            wanted, found = _sizeless(manifest, props), _sizeless(there, props)
            changed = differences(wanted, found, of_marathon=True)
            what = told(changed, manifest) if changed else "is as wanted"
            self._say(props, f"app {manifest['id']} was there already and is taken over: it {what}")
            if is_as_wanted(wanted, found):
                return CreateResult(manifest["id"], {**props, "version": there["version"]})
        return CreateResult(manifest["id"], {**props, "version": deployer.deploy(manifest)})

    @told_plainly
    def update(self, _id: str, _olds: Json, _news: Json) -> UpdateResult:
        """PUT the app and wait; where it fails, put the version that ran before back.

        Where only the way to Marathon or the waiting changed, Marathon is only read.
        """
        client, manifest = self._client(_news), _whole_numbers(_news["manifest"])
        deployer = self._deployer(client, _news)
        same = not differences(
            _sizeless(_olds.get("manifest", {}), _news), _sizeless(manifest, _news), of_marathon=False
        )
        there = deployer.app(_id) if same else None
        if there and is_as_wanted(_sizeless(manifest, _news), _sizeless(there, _news)):
            return UpdateResult({**_news, "version": there["version"]})
        return UpdateResult({**_news, "version": deployer.deploy(manifest)})

    @told_plainly
    def read(self, id_: str, props: Json) -> ReadResult:
        """What Marathon holds now, where it means something else than the manifest; gone when it knows no such app."""
        try:
            app = self._client(props).app(id_)
        except AppNotFound:
            return ReadResult("", {})
        manifest = as_found(_sizeless(props["manifest"], props), _sizeless(app, props))
        found = {**props, "manifest": manifest, "version": app["version"]}
        return ReadResult(id_, found, {**found, "version": None})

    @told_plainly
    def delete(self, _id: str, _props: Json) -> None:
        """Stop the app and wait until its tasks are gone, then remove groups left empty. One that is gone is fine."""
        client = self._client(_props)
        try:
            deployment = client.delete_app(_id)
        except AppNotFound:
            return
        timeout_s = _setting(_props, "timeout_s")
        if not self._deployer(client, _props).await_end(deployment, timeout_s):
            raise DeploymentFailedError(
                f"app {_id}: its tasks still end after {timeout_s:.0f} s; deployment {deployment} goes on, and another "
                "destroy waits for it again"
            )
        client.delete_empty_groups(_id)

    def _client(self, props: Mapping[str, Any]) -> MarathonClient:
        if self._connection is None:
            raise MarathonError("the provider of Marathon apps was not configured by the engine")
        ca_file = _setting(props, "ca_file")
        return MarathonClient(
            props["urls"],
            credentials(self._connection, props.get("credentials_secret")),
            Path(ca_file) if ca_file else None,
        )

    def _deployer(self, client: MarathonClient, props: Mapping[str, Any]) -> Deployer:
        urn, engine = props.get("urn") or "", self._running_engine()
        return Deployer(
            client,
            Explainer(client, int(_setting(props, "agent_port"))),
            Limits(
                _setting(props, "timeout_s"),
                _setting(props, "settle_s"),
                int(_setting(props, "crash_limit")),
            ),
            Surroundings(
                say=lambda text: engine.say(urn, text, passing=True),
                warn=lambda text: engine.say(urn, text, warning=True),
                is_stopping=lambda: engine.is_stopping,
                wait=engine.wait,
            ),
            scaled=_setting(props, "scaled"),
        )

    def _running_engine(self) -> Engine:
        if self._engine is None:
            self._engine = Engine()
        return self._engine

    def _say(self, props: Mapping[str, Any], text: str) -> None:
        self._running_engine().say(props.get("urn") or "", text)

    def _await_ready(self, client: MarathonClient, props: Mapping[str, Any]) -> None:
        engine, ready_s = self._running_engine(), _setting(props, "ready_timeout_s")
        deadline = time.monotonic() + ready_s
        while not client.ping():
            if time.monotonic() > deadline:
                raise MarathonError(
                    f"Marathon at {', '.join(props['urls'])} did not answer /ping within "
                    f"{ready_s:.0f} s; is the cluster up and reachable from here?"
                )
            if engine.is_stopping:
                raise DeploymentCancelled("cancelled while Marathon was waited for; nothing was changed")
            engine.wait(POLL_S)


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
        *,
        scaled: bool = False,
        ca_file: str | None = None,
        agent_port: int = 5051,
        settle_s: float = 3,
        crash_limit: int = 3,
    ) -> None:
        """Register the app.

        Args:
            name: logical name.
            urls: Marathon's base URLs.
            credentials_secret: name of the Secrets Manager entry with its credentials, where it asks for them.
            manifest: the app's JSON, filled. What is secret in it stays secret in the state.
            timeout_s: how long its deployment may take, seconds.
            ready_timeout_s: how long to wait for Marathon itself before a create, seconds.
            opts: resource options.
            scaled: its `instances` belong to the scaler: 0 in a new app, left as they are in one that is there.
            ca_file: PEM file of the authority of Marathon's certificates, relative to the program's folder.
            agent_port: where each agent serves its HTTP interface, for the end of a failed task's log.
            settle_s: how long a task without health checks must have run to count as well, seconds.
            crash_limit: so many new tasks failing in a row fail the deployment.

        Raises:
            MarathonError: `opts` asks for an import.
        """
        if opts and opts.import_:
            # The engine asks for an import's Read before the provider, which is an input, is known to it.
            raise MarathonError(
                f"app {opts.import_}: a dynamic resource cannot be imported; leave `import_` out: `up` takes an app "
                "that is there over, says what it changes, and writes nothing where nothing differs"
            )
        super().__init__(
            MarathonAppProvider(),
            name,
            {
                "urls": urls,
                "credentials_secret": credentials_secret,
                "ca_file": ca_file,
                "agent_port": agent_port,
                "manifest": manifest,
                "scaled": scaled,
                "timeout_s": timeout_s,
                "ready_timeout_s": ready_timeout_s,
                "settle_s": settle_s,
                "crash_limit": crash_limit,
                # A provider is not told whose resource it works on; its lines are shown beside it.
                "urn": _own_urn(name, opts.parent if opts else None),
                "version": None,
            },
            pulumi.ResourceOptions.merge(
                # Marathon takes seconds to minutes; the provider's own deadline is the one that counts.
                ResourceOptions(custom_timeouts=pulumi.CustomTimeouts(create="30m", update="30m")),
                opts,
            ),
        )


def _own_urn(name: str, parent: pulumi.Resource | None) -> Output[str]:
    """The URN that an app will have, depending on nothing: as an output of its parent, it would wait for itself."""
    urn = pulumi.create_urn(name, TYPE, parent)
    return cast(Output[str], Output(set(), urn.future(), urn.is_known()))


def _setting(props: Mapping[str, Any], key: str) -> Any:
    """A setting, as it is in a state or as it is when the state is older than the setting."""
    value = props.get(key)
    return SETTINGS[key] if value is None else value


def _sizeless(app: Mapping[str, Any], props: Mapping[str, Any]) -> Mapping[str, Any]:
    """The app without `instances` where these are the scaler's."""
    if not _setting(props, "scaled"):
        return app
    return {key: value for key, value in app.items() if key != "instances"}


def _equal(old: Any, new: Any) -> bool:
    return old == new


def _leaves(node: Any) -> list[Any]:
    if isinstance(node, dict):
        return [leaf for value in node.values() for leaf in _leaves(value)]
    if isinstance(node, list):
        return [leaf for value in node for leaf in _leaves(value)]
    return [node]


def _whole_numbers(node: Any) -> Any:
    """Pulumi's numbers are doubles; Marathon wants its counts whole."""
    if isinstance(node, dict):
        return {key: _whole_numbers(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_whole_numbers(value) for value in node]
    return int(node) if isinstance(node, float) and node.is_integer() else node
