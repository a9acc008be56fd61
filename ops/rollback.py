"""`rollback`: an earlier release by the road of a deploy, and the stack held at it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

from infra.errors import InfraError
from infra.release.history import DeployEntry, ReleaseStore
from ops.cluster import connect, require_marathon
from ops.deploy import Deploy, Deployed
from ops.engine import Engine
from ops.errors import MisuseError, OpsError
from ops.pin import Pin
from ops.stack_file import StackFile
from ops.standing import SHORT, release_of
from ops.talk import Talk


class Rollback:
    """One rollback of a stack.

    Args:
        engine: of the stack.
        file: the stack file.
        talk: where progress goes.
    """

    def __init__(self, engine: Engine, file: StackFile, talk: Talk) -> None:
        self._engine, self._file, self._talk = engine, file, talk

    def run(self, to: str | None = None) -> Deployed:
        """An earlier release runs, and the stack is held at it.

        Args:
            to: how its digest begins; the newest one before the one that runs where not given.

        Raises:
            MisuseError: there is none, or more than one begins so. Nothing was changed.
            OpsError: it is no longer in the bucket (nothing was changed), or as of a deploy.
        """
        outputs = self._engine.outputs()
        require_marathon(self._file, outputs)
        store = release_store(self._file, outputs)
        try:
            found = [
                app for app in connect(self._file, outputs).apps() if app["id"] in outputs.get("apps", [])
            ]
            pin = wanted(store, self._file.stack, to, found)
        except InfraError as e:
            raise OpsError(f"{e}; nothing was changed") from None
        self._talk.say(f"{self._file.stack}: back to {pin.digest[:SHORT]} with image {pin.image}")
        return Deploy(self._engine, self._file, self._talk).run_pinned(pin)


def release_store(file: StackFile, outputs: Mapping[str, Any]) -> ReleaseStore:
    """The releases and deploys of a stack.

    Raises:
        MisuseError: the stack has no bucket yet.
    """
    bucket = outputs.get("artifactBucket")
    if not bucket:
        raise MisuseError(f"{file.stack} has no releases yet: `pulumi up -s {file.stack}` comes first")
    return ReleaseStore(file.connection.client("s3"), bucket)


def wanted(store: ReleaseStore, stack: str, to: str | None, apps: Iterable[Mapping[str, Any]]) -> Pin:
    """The release to go back to, which is in the bucket and whole.

    Args:
        store: the stack's releases.
        stack: the stack.
        to: how its digest begins; None for the one before the release that the apps are set to.
        apps: the stack's apps, as Marathon defines them now.

    Raises:
        MisuseError: there is none.
        OpsError: it was removed, or is not what was stored.
    """
    done = store.deploys(stack)
    try:
        entry = _before(stack, done, apps) if to is None else _named(store, stack, done, to)
        store.verified(entry.digest)
    except InfraError as e:
        raise OpsError(f"{e}; nothing was changed. {_known(stack, done)}") from None
    return Pin(entry.digest, entry.image)


def _before(stack: str, done: Sequence[DeployEntry], apps: Iterable[Mapping[str, Any]]) -> DeployEntry:
    """The deploy to go back to, of those that were done, newest first.

    Where an app is set to a release that was never deployed whole, that is the last of them. Else it is the last that
    was done before the release that runs came for the first time: said twice, rollback goes back two releases, not
    there and back.
    """
    releases = [release_of(app) for app in apps]
    last = done[0].digest if done else None
    if any(release not in {last, None} for release in releases):
        return done[0] if done else _nothing(stack)
    first_time = max((at for at, entry in enumerate(done) if entry.digest == last), default=0)
    return next((entry for entry in done[first_time:] if entry.digest != last), None) or _nothing(stack)


def _nothing(stack: str) -> NoReturn:
    raise MisuseError(
        f"{stack} has no release before the one that runs; nothing was changed. `--to` names any other that was "
        f"deployed (`trawler releases list --stack {stack}`)"
    )


def _named(store: ReleaseStore, stack: str, done: Sequence[DeployEntry], to: str) -> DeployEntry:
    digest = store.resolve(to)
    for entry in done:
        if entry.digest == digest:
            return entry
    raise MisuseError(
        f"release {digest[:SHORT]} was never deployed to {stack}, so the image that it runs in is not known; "
        f"nothing was changed. {_known(stack, done)}"
    )


def _known(stack: str, done: Sequence[DeployEntry]) -> str:
    """The releases one can go back to, newest first."""
    seen = list(dict.fromkeys(entry.digest[:SHORT] for entry in done))
    return f"Deployed before: {', '.join(seen[:10]) or 'none'} (`trawler releases --stack {stack}` says more)"
