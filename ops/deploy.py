"""`deploy`: the working tree's code, live; and the road that a rollback takes, too.

The engine runs twice: a preview of the whole stack, which tells what a deploy leaves to `pulumi up`, and an update of
release and apps. Where it is known that there is something to deploy, both start at once, and the update waits at a
gate before its first write until the preview has agreed: that is half of the way from the command to the first PUT.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.table import Table

from infra.errors import InfraError
from infra.release import pack
from infra.revision import read as read_revision
from ops import locked
from ops.cluster import connect, require_marathon
from ops.deploy_plan import TARGETS, DeployPlan, listed
from ops.engine import PREVIEW_TIMEOUT_S, UPDATE_TIMEOUT_S, Engine
from ops.engine_run import Ended, EngineRun, EventLog
from ops.errors import ConsentError, MisuseError, OpsError
from ops.gate import Gate
from ops.pin import Pin, copied, pin_of, write
from ops.stack_file import ROOT, StackFile
from ops.standing import SHORT, Standing, standing, table
from ops.steps import Preview
from ops.talk import Talk
from ops.timeline import Timeline
from ops.waiting import Pace

PREVIEW_GRACE_S = 5.0
DIAGNOSIS = 3000
"""Most characters of the engine's complaint that are repeated."""


@dataclass
class Deployed:
    """What a deploy did."""

    stack: str
    release: str
    """Digest of the release that runs."""

    image: str | None
    changed: bool
    commit: str | None = None
    dirty: bool | None = None
    seconds: dict[str, float] = field(default_factory=dict[str, float])
    """Step → seconds. `first_put` and `total` count from the command."""

    pending: list[str] = field(default_factory=list[str])
    """Changes that wait for `pulumi up`."""

    apps: list[Standing] = field(default_factory=list[Standing])


class Deploy:
    """One deploy of a stack.

    Args:
        engine: of the stack.
        file: the stack file.
        talk: where progress goes.
        root: the working tree.
        pace: the clock.
    """

    def __init__(
        self, engine: Engine, file: StackFile, talk: Talk, root: Path = ROOT, pace: Pace | None = None
    ) -> None:
        self._engine, self._file, self._talk, self._root = engine, file, talk, root
        self._clock = (pace or Pace()).clock
        self._seconds: dict[str, float] = {}

    def run(self, *, unpin: bool = False) -> Deployed:
        """Release and apps are those of the working tree.

        Args:
            unpin: let go of the release at which the stack is held.

        Raises:
            ConsentError: the stack is held at a release, or what would be deployed needs a platform change first.
            MisuseError: there is nothing that could be deployed to.
            OpsError: it failed; the table before it says where each app stands.
        """
        pin = pin_of(self._file)
        if pin and not unpin:
            raise ConsentError(
                f"{self._file.stack} is held at release {pin.digest[:SHORT]} (`trawler:release` in "
                f"{self._file.path.name}), so the working tree would not go out; nothing was changed. "
                "With --unpin it does"
            )
        revision = read_revision(self._root, *self._sources)
        self._talk.say(f"{self._file.stack}: {revision}{', which is recorded' if revision.dirty else ''}")
        deployed = self._go(None, self._packed, lambda: None)
        deployed.commit, deployed.dirty = revision.commit, revision.dirty
        if pin:
            write(self._file, None)
            self._talk.say(f"{self._file.path.name}: no longer held at {pin.digest[:SHORT]}")
        return deployed

    def run_pinned(self, pin: Pin) -> Deployed:
        """The stack is held at a release, and runs it. Errors as of `run`."""
        return self._go(pin, lambda: pin.digest, lambda: self._hold(pin))

    def _hold(self, pin: Pin) -> None:
        write(self._file, pin)
        self._talk.say(f"{self._file.path.name}: held at {pin.digest[:SHORT]} from now on")

    @property
    def _sources(self) -> tuple[str, ...]:
        return ("workers", "marathon_apps", str(self._file.setting("shops", "workers/shops")))

    def _packed(self) -> str:
        try:
            shops = self._root / str(self._file.setting("shops", "workers/shops"))
            return self._timed("pack", lambda: pack(self._root / "workers", shops).digest)
        except InfraError as e:
            raise MisuseError(f"{e}\nnothing was changed") from None

    def _go(self, pin: Pin | None, release: Callable[[], str], agreed: Callable[[], None]) -> Deployed:
        """The road.

        Args:
            pin: the pin with which the program runs.
            release: gives the digest of what is deployed.
            agreed: called when the preview has agreed, before anything is written.
        """
        started = self._clock()
        with ExitStack() as held:
            folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="trawler-")))
            same = pin == pin_of(self._file)
            config = self._file.path if same else copied(self._file, pin, folder)
            preview = self._engine.start_preview(config)
            held.callback(preview.end, PREVIEW_GRACE_S)
            digest = release()
            outputs = self._engine.outputs()
            self._require_there(outputs)
            self._timed("marathon", lambda: require_marathon(self._file, outputs))
            work = _Work(self._engine, config, folder, held)
            if digest != outputs.get("release"):
                work.start()
            self._talk.say(f"previewing {self._file.stack} with release {digest[:SHORT]} …")
            plan = DeployPlan.of(self._previewed(preview, work))
            self._seconds["preview"] = self._clock() - started
            deployed = Deployed(
                self._file.stack, digest, outputs.get("image"), changed=bool(plan.ours), seconds=self._seconds
            )
            self._report(plan, deployed)
            if plan.ours:
                agreed()
                work.start()
                self._update(work, digest, started)
                outputs = self._engine.outputs()
                deployed.image = outputs.get("image")
            else:
                agreed()
        deployed.apps = standing(connect(self._file, outputs), outputs["apps"])
        self._seconds["total"] = self._clock() - started
        return deployed

    def _require_there(self, outputs: Mapping[str, Any]) -> None:
        if not outputs.get("apps"):
            raise ConsentError(
                f"{self._file.stack} has no apps yet: a deploy changes code, not the platform. "
                f"`pulumi up -s {self._file.stack}` comes first"
            )

    def _previewed(self, preview: EngineRun, work: _Work) -> Preview:
        """The preview; an update that cannot get the stack's lock says so at once."""

        def look() -> None:
            if work.run and not work.run.running:
                raise self._refused(work.run.wait(0))

        return self._engine.read_preview(preview.wait(PREVIEW_TIMEOUT_S, look))

    def _report(self, plan: DeployPlan, deployed: Deployed) -> None:
        """Say what is not applied, and stop where it would be needed."""
        deployed.pending = [str(step) for step in plan.pending]
        stack = self._file.stack
        if plan.pending:
            self._talk.say(f"not applied by a deploy: {listed(plan.pending)}; `pulumi up -s {stack}` does")
        if plan.in_the_way:
            raise ConsentError(
                f"what would be deployed to {stack} needs platform changes that are not applied yet: "
                f"{listed(plan.in_the_way)}. Nothing was changed; `pulumi up -s {stack}` applies all of it"
            )

    def _update(self, work: _Work, digest: str, started: float) -> None:
        run = work.started
        self._talk.say(f"deploying {digest[:SHORT]} to {self._file.stack} …")
        timeline = Timeline(self._clock)
        work.gate.open(digest)
        try:
            ended = run.wait(UPDATE_TIMEOUT_S, lambda: timeline.read(work.events.news()))
        except KeyboardInterrupt:
            self._talk.say("interrupted: the engine ends what is under way …")
            run.end()
            self._show_standing("after the interrupt")
            raise
        timeline.read(work.events.news())
        self._seconds |= _named(timeline, started)
        if ended.status != 0:
            raise self._refused(ended)

    def _refused(self, ended: Ended) -> OpsError:
        """Why an update did not do its work; the table is shown where it may have done a part."""
        said = f"{ended.stdout}\n{ended.stderr}"
        lock = locked.told(self._file.stack, said)
        if lock:
            return OpsError(lock)
        self._show_standing("after the failed deploy")
        return OpsError(
            f"the deploy to {self._file.stack} failed (status {ended.status}); what the engine said is above, and "
            "where the apps stand is in the table. An app whose tasks did not run was put back to its earlier "
            "version. Mend the code and deploy again, or `trawler rollback` to hold all apps at an earlier release"
        )

    def _show_standing(self, when: str) -> None:
        try:
            outputs = self._engine.outputs()
            apps = standing(connect(self._file, outputs), outputs.get("apps", []))
        except OpsError as e:
            self._talk.say(f"where the apps stand cannot be told: {e}")
            return
        self._talk.show(table(apps, f"{self._file.stack} {when}"))

    def _timed(self, name: str, step: Callable[[], Any]) -> Any:
        started = self._clock()
        found = step()
        self._seconds[name] = self._clock() - started
        return found


class _Work:
    """The update that a deploy starts once, early or late."""

    def __init__(self, engine: Engine, config: Path, folder: Path, held: ExitStack) -> None:
        self.events = EventLog(folder)
        self.run: EngineRun | None = None
        self.gate = Gate(folder)
        self._engine, self._config, self._held = engine, config, held
        held.callback(self.gate.close)

    @property
    def started(self) -> EngineRun:
        """The update, which is started."""
        return self.run or self.start()

    def start(self) -> EngineRun:
        """Start it, unless that was done."""
        if self.run is None:
            self.run = self._engine.start_up(self._config, TARGETS, self.events, self.gate.variables)
            self._held.callback(self.run.end)
            # Whatever ends the deploy early: who waits at the gate is refused before it is waited for.
            self._held.callback(self.gate.close)
        return self.run


def show(talk: Talk, deployed: Deployed) -> None:
    """The tables at the end."""
    steps = Table("step", "seconds", title=f"{deployed.stack}: what took how long", title_justify="left")
    for name, seconds in deployed.seconds.items():
        steps.add_row(name.replace("_", " "), f"{seconds:.1f}")
    talk.show(steps)
    talk.show(table(deployed.apps, deployed.stack))


def summary(deployed: Deployed) -> str:
    """The result as one line."""
    total = f"{deployed.seconds.get('total', 0.0):.1f} s"
    if not deployed.changed:
        return f"{deployed.stack}: nothing to deploy, {deployed.release[:SHORT]} runs already ({total})"
    return f"{deployed.stack}: {deployed.release[:SHORT]} runs ({total})"


def _named(timeline: Timeline, started: float) -> dict[str, float]:
    """Seconds by the names that the table shows: `put` of the release, each app, `first_put` from the command."""
    seconds = {_shown(name): took for name, took in timeline.seconds.items()}
    apps = [when for name, when in timeline.began.items() if name.startswith("apps-")]
    return {**seconds, **({"first_put": min(apps) - started} if apps else {})}


def _shown(name: str) -> str:
    return {"release": "put", "deploy": "record"}.get(name, name.removeprefix("apps-"))


def as_data(deployed: Deployed) -> dict[str, Any]:
    """The result as JSON."""
    apps: Sequence[Standing] = deployed.apps
    return {
        **{key: value for key, value in vars(deployed).items() if key != "apps"},
        "seconds": {name: round(value, 3) for name, value in deployed.seconds.items()},
        "apps": [{**vars(app), "settled": app.settled} for app in apps],
    }
