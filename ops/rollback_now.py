"""`rollback --now`: an earlier release straight to Marathon, whoever holds the stack's lock.

The engine is not asked for an update: Marathon still knows how each app was defined with that release. The stack
file is pinned to it, so that the next `pulumi up` finds Marathon as it wants it and changes nothing there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from infra.errors import InfraError
from infra.marathon.client import AppNotFound, MarathonClient
from infra.marathon.normal_form import READ_ONLY
from infra.release.history import ReleaseStore
from ops.cluster import connect, require_marathon
from ops.deploy import Deployed
from ops.engine import Engine
from ops.errors import MisuseError, OpsError
from ops.pin import Pin, write
from ops.rollback import release_store, wanted
from ops.stack_file import StackFile
from ops.standing import SHORT, Standing, release_of, standing, table
from ops.talk import Talk
from ops.waiting import Pace

LOOK_BACK = 50
"""Most versions of an app that are looked at. Marathon keeps 50 (`--zk_max_versions`)."""


@dataclass(frozen=True)
class Change:
    """What one app becomes."""

    app: str
    definition: dict[str, Any]
    """All of it, with the instances that the app has now."""


class RollbackNow:
    """One rollback past the engine.

    Args:
        engine: of the stack; asked for its outputs only, which no lock keeps from being read.
        file: the stack file.
        talk: where progress goes.
        pace: how waits go by.
    """

    def __init__(self, engine: Engine, file: StackFile, talk: Talk, pace: Pace | None = None) -> None:
        self._engine, self._file, self._talk = engine, file, talk
        self._pace = pace or Pace(poll_s=0.5)

    def run(self, to: str | None = None) -> Deployed:
        """Every app runs an earlier release, and the stack is held at it.

        Args:
            to: how its digest begins. Where not given: the release of the last deploy that was done, when an app is
                set to another one; else the one before it.

        Raises:
            MisuseError: there is no such release.
            OpsError: Marathon cannot do it for every app, and nothing was changed; or the tasks do not run in time.
        """
        started = self._pace.clock()
        outputs = self._engine.outputs()
        require_marathon(self._file, outputs)
        client = connect(self._file, outputs)
        store = release_store(self._file, outputs)
        try:
            pin, changes = self._planned(client, store, list(outputs["apps"]), to)
            planned = self._pace.clock()
            self._hold(pin)
            put = {
                change.app: client.put_app(change.app, change.definition, force=True) for change in changes
            }
        except InfraError as e:
            raise OpsError(str(e)) from None
        first_put = planned - started
        self._talk.say(f"{', '.join(put)}: put with force; waiting until their tasks run …")
        apps = self._await(client, pin, [change.app for change in changes])
        try:
            store.add_deploy(self._file.stack, pin.digest, pin.image)
        except InfraError as e:
            self._talk.say(
                f"warning: {self._file.stack} runs {pin.digest[:SHORT]}, but that is not recorded: {e}"
            )
        total = self._pace.clock() - started
        return Deployed(
            self._file.stack,
            pin.digest,
            pin.image,
            changed=True,
            seconds={"first_put": first_put, "tasks": total - first_put, "total": total},
            apps=apps,
        )

    def _planned(
        self, client: MarathonClient, store: ReleaseStore, app_ids: list[str], to: str | None
    ) -> tuple[Pin, list[Change]]:
        """All that will be said to Marathon, before anything is."""
        now = {app_id: client.app(app_id) for app_id in app_ids if _there(client, app_id)}
        pin = wanted(store, self._file.stack, to, now.values())
        since = self._deployed_at(store, pin)
        changes: list[Change] = []
        missing: list[str] = []
        for app_id, app in now.items():
            found, oldest = _definition(client, app_id, pin.digest)
            if found is not None:
                kept = {key: value for key, value in found.items() if key not in READ_ONLY}
                changes.append(Change(app_id, {**kept, "instances": app["instances"]}))
            elif since is not None and oldest > since:
                self._talk.say(f"{app_id}: was not there with {pin.digest[:SHORT]}, and stays as it is")
            else:
                missing.append(app_id)
        if missing or not changes:
            raise OpsError(
                f"Marathon no longer knows how {', '.join(missing or app_ids)} was defined with release "
                f"{pin.digest[:SHORT]}; nothing was changed. `trawler rollback --stack {self._file.stack} --to "
                f"{pin.digest[:SHORT]}` makes the definitions anew, once the stack is not locked"
            )
        return pin, changes

    def _deployed_at(self, store: ReleaseStore, pin: Pin) -> datetime | None:
        entries = [entry for entry in store.deploys(self._file.stack) if entry.digest == pin.digest]
        return moment(entries[0].when) if entries else None

    def _hold(self, pin: Pin) -> None:
        try:
            write(self._file, pin)
        except MisuseError as e:
            self._talk.say(f"warning: not held at {pin.digest[:SHORT]}: {e}")
        else:
            self._talk.say(f"{self._file.path.name}: held at {pin.digest[:SHORT]} from now on")

    def _await(self, client: MarathonClient, pin: Pin, app_ids: list[str]) -> list[Standing]:
        timeout_s = float(self._file.setting("cluster.deployTimeoutS", 600))

        def look() -> list[Standing] | None:
            apps = standing(client, app_ids)
            return apps if all(app.settled and app.release == pin.digest for app in apps) else None

        settled = self._pace.until(look, timeout_s)
        if settled is not None:
            return settled
        apps = standing(client, app_ids)
        self._talk.show(table(apps, self._file.stack))
        moved = [app.app for app in apps if app.release not in {pin.digest, None}]
        again = (
            f"{', '.join(moved)} was changed again meanwhile: an update is still under way; end it (Ctrl-C there, or "
            f"`pulumi cancel -s {self._file.stack}` where its process is dead) and say this again"
            if moved
            else "Marathon goes on with it; the table says where it stands"
        )
        raise OpsError(f"not every task of {self._file.stack} runs after {timeout_s:.0f} s: {again}")


def moment(text: str | datetime) -> datetime:
    """A time as Marathon or a record writes it."""
    found = text if isinstance(text, datetime) else datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _there(client: MarathonClient, app_id: str) -> bool:
    try:
        client.app(app_id)
    except AppNotFound:
        return False
    return True


def _definition(client: MarathonClient, app_id: str, digest: str) -> tuple[dict[str, Any] | None, datetime]:
    """The newest definition of an app with that release, and the time of the oldest that was looked at."""
    versions = sorted(client.versions(app_id), key=moment, reverse=True)[:LOOK_BACK]
    for version in versions:
        definition = client.version(app_id, version)
        if release_of(definition) == digest:
            return definition, moment(version)
    return None, moment(versions[-1])
