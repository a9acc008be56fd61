"""`roll`: another Spot Fleet request in the place of the one that runs, without losing capacity or work.

A new version of the launch template (image, boot script, instance types) replaces the request. In a protected stack
the engine refuses that. This operation runs the program with the setting `fleet.roll`, which lets that one
replacement through: the new request starts with the capacity that the old one has, the old one leaves the state
and lives on; it is then drained to zero and cancelled.

Nothing about its progress is kept in a file: the tag on the old request, the requests' capacities and the
instances' tags say where it is. Started again after an interruption, it goes on from there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rich.table import Table

from ops.engine import Engine, Resource
from ops.errors import MisuseError, OpsError
from ops.fleet_requests import FleetRequest, FleetRequests, Node
from ops.stack_file import StackFile
from ops.steps import Preview, Step
from ops.talk import Talk
from ops.waiting import Pace

REQUEST = "aws:ec2/spotFleetRequest:SpotFleetRequest"
COMPONENTS = ("Fleet", "AutoScaling", "Monitoring")
"""What follows the request: nothing else is touched."""

NEW = frozenset({"replace", "create-replacement"})
"""Operations of a preview that make another request."""


@dataclass(frozen=True)
class Options:
    """How a roll is done."""

    fill_timeout_s: float = 900.0
    """How long the new request may take to have its instances up, seconds."""

    drain_timeout_s: float = 1800.0
    """How long the old request's instances may take to leave, all of them together, seconds."""

    batch: float = 0.25
    """Share of the old instances that drain at the same time, above 0 to 1: the rest keeps their tasks going."""

    force: bool = False
    """Terminate what has not left in time."""


@dataclass(frozen=True)
class Plan:
    """What a roll would do, from AWS's and the engine's facts."""

    resource: Resource
    current: FleetRequest
    """The request in the stack's state."""

    draining: tuple[FleetRequest, ...]
    """Requests that an earlier roll left to be drained."""

    replaces: bool
    """Whether another request is made."""

    capacity: int
    """Units with which it starts."""

    steps: tuple[Step, ...]
    """What the update would do."""

    others: tuple[Step, ...]
    """Changes that wait for an ordinary `pulumi up`."""


@dataclass
class Rolled:
    """What a roll did."""

    stack: str
    new: str
    old: list[str]
    capacity: int
    terminated: list[str] = field(default_factory=list[str])
    """Instances that had to be terminated."""

    seconds: dict[str, float] = field(default_factory=dict[str, float])


class Roll:
    """One roll of a stack's fleet.

    Args:
        engine: of the stack.
        requests: the stack's requests.
        file: the stack file.
        talk: where progress goes.
        options: how it is done.
        pace: how waits go by.
    """

    def __init__(
        self,
        engine: Engine,
        requests: FleetRequests,
        file: StackFile,
        talk: Talk,
        options: Options,
        pace: Pace,
    ) -> None:
        self._engine, self._requests, self._file = engine, requests, file
        self._talk, self._options, self._pace = talk, options, pace
        self._seconds: dict[str, float] = {}

    def run(self) -> Rolled:
        """The fleet's instances are those of a new request, and the old one is gone.

        Raises:
            MisuseError: no new request would be made, or the update would touch more than the fleet.
            ConsentError: nobody said yes.
            OpsError: it failed on the way; says in which state both requests are, and how to go on or back.
        """
        started = self._pace.clock()
        plan = self._plan()
        self._seconds["plan"] = self._pace.clock() - started
        self._show(plan)
        self._talk.agree(f"Roll the fleet of {self._file.stack}?")
        if plan.replaces:
            self._requests.mark(plan.current.id)
        if plan.steps:
            self._timed("update", lambda: self._update(plan))
        resource, new = self._current()
        if plan.replaces and new.id == plan.current.id:
            self._requests.unmark(new.id)
            raise OpsError(
                f"the update of {self._file.stack} made no new request, although its preview said so; nothing was "
                "drained. Look at what `pulumi preview` says now"
            )
        if self._file.protected and not resource.protected:
            self._engine.protect(resource.urn)
        old = [r for r in self._requests.draining() if r.id != new.id]
        self._timed("fill", lambda: self._await_filled(new, old, plan.capacity))
        rolled = Rolled(self._file.stack, new.id, [r.id for r in old], plan.capacity, seconds=self._seconds)
        self._timed("drain", lambda: rolled.terminated.extend(self._drain(old)))
        self._timed("cancel", lambda: self._cancel(old))
        return rolled

    # Before anything is changed

    def _plan(self) -> Plan:
        resource, current = self._current()
        draining = tuple(self._requests.draining())
        if not resource.retained:
            raise MisuseError(
                f"the fleet request of {self._file.stack} is not retained (`trawler:protect` was false at its last "
                "update), so an update would terminate its instances: there, `pulumi up` is all there is to do"
            )
        filled = [r for r in (current, *draining) if r.target > 0]
        least = int(self._file.setting("fleet.minCapacity", 1))
        capacity = max([least, *(r.target for r in filled)])
        self._talk.say(f"previewing a fleet of {capacity} units …")
        with self._file.with_fleet(roll={"capacity": capacity}) as config:
            preview = self._engine.preview(config)
        steps, others = preview.within(COMPONENTS), preview.outside(COMPONENTS)
        replaces = any(s.urn == resource.urn and s.op in NEW for s in steps)
        self._require_something_to_do(resource, current, draining, replaces, preview)
        self._require_alone(steps, others)
        return Plan(resource, current, draining, replaces, capacity, steps, others)

    def _current(self) -> tuple[Resource, FleetRequest]:
        """The request in the state: the stack's outputs are not yet right after an update that failed."""
        found = list(self._engine.resources(REQUEST))
        if not found:
            raise MisuseError(f"{self._file.stack} has no fleet yet; `pulumi up` makes it")
        resource = found[0]
        request = self._requests.describe(resource.id)
        if request is None or not request.alive:
            raise OpsError(
                f"the fleet request {resource.id} of {self._file.stack} does not run "
                f"({request.state if request else 'EC2 does not know it'}); `pulumi up --refresh` makes another"
            )
        return resource, request

    def _require_something_to_do(
        self,
        resource: Resource,
        current: FleetRequest,
        draining: Sequence[FleetRequest],
        replaces: bool,
        preview: Preview,
    ) -> None:
        if replaces or any(r.id != current.id for r in draining):
            return
        undone = ""
        if draining:
            # Marked, but the update never came, and the change was taken back since.
            self._requests.unmark(current.id)
            undone = "; the mark that an earlier roll left on it was removed"
        waiting = f"; `pulumi up` applies what waits: {_listed(preview.steps)}" if preview.steps else ""
        raise MisuseError(
            f"nothing to roll: no change would replace the request {resource.id} of {self._file.stack}{undone}{waiting}"
        )

    def _require_alone(self, steps: Sequence[Step], others: Sequence[Step]) -> None:
        """See that an update limited to these steps can be, and touches nothing else.

        The engine takes a default provider's change along with any target, and refuses a target that needs what is
        not there yet.
        """
        needed = frozenset(urn for step in steps for urn in step.needs)
        in_the_way = [
            s for s in others if s.is_provider or (s.urn in needed and s.op in {"create", "replace"})
        ]
        if in_the_way:
            raise MisuseError(
                f"the fleet cannot be rolled by itself: it would take {_listed(in_the_way)} along; take the "
                "fleet's change out of the stack file, `pulumi up`, put it in again, and start roll again"
            )

    def _show(self, plan: Plan) -> None:
        say = self._talk.say
        if plan.replaces:
            say(f"the request {plan.current} is replaced; the new one starts with {plan.capacity} units")
        for request in plan.draining:
            if request.id != plan.current.id:
                say(f"an earlier roll goes on: {request} is to be drained and cancelled")
        table = Table("step", "resource", title="applied now", title_justify="left")
        for step in plan.steps:
            table.add_row(step.op, step.name)
        if plan.steps:
            self._talk.show(table)
        if plan.others:
            say(f"not applied, waits for `pulumi up`: {_listed(plan.others)}")

    # The road

    def _update(self, plan: Plan) -> None:
        self._talk.say("pulumi up, limited to the fleet and what follows it …")
        with self._file.with_fleet(roll={"capacity": plan.capacity}) as config:
            try:
                self._engine.up(config, [s.urn for s in plan.steps])
            except OpsError as e:
                raise OpsError(
                    f"{e}\nno instance was drained. Started again, roll goes on from here; to go back, take the "
                    "change out of the stack file and start it again"
                ) from None

    def _await_filled(self, new: FleetRequest, old: Sequence[FleetRequest], capacity: int) -> None:
        if all(request.target == 0 for request in old):
            return  # what had to be up was up when they were told to drain
        self._talk.say(f"waiting until {new.id} has its capacity up …")

        def look() -> FleetRequest | None:
            request = self._requests.describe(new.id)
            if request is None or not request.alive:
                return None
            # Auto Scaling may have asked for less since.
            if request.fulfilled < min(capacity, request.target):
                return None
            nodes = self._requests.nodes(new.id)
            return request if nodes and self._requests.healthy(nodes) == len(nodes) else None

        if self._pace.until(look, self._options.fill_timeout_s) is None:
            now = self._requests.describe(new.id) or new
            raise OpsError(
                f"after {self._options.fill_timeout_s:.0f} s the new request {now} is not up with {capacity} units. "
                f"The old one still runs, undrained: {_listed(old)}. Both are billed. Started again, roll goes on "
                "waiting; to go back, put the earlier settings of the fleet into the stack file and start it again"
            )

    def _drain(self, old: Sequence[FleetRequest]) -> list[str]:
        """Every instance of these requests has left; those that had to be terminated."""
        for request in old:
            if request.target:
                self._requests.stop_filling(request.id)
        nodes = self._nodes(old)
        batch = max(1, math.ceil(len(nodes) * self._options.batch))
        self._talk.say(f"draining {len(nodes)} instances, {batch} at a time …")
        left = len(nodes)

        def look() -> bool | None:
            nonlocal left
            nodes = self._nodes(old)
            if len(nodes) < left:
                left = len(nodes)
                self._talk.say(f"{left} to go")
            room = batch - sum(node.draining for node in nodes)
            leave = [node.id for node in nodes if not node.draining][: max(0, room)]
            if leave:
                self._requests.ask_to_leave(leave)
            return None if nodes else True

        if self._pace.until(look, self._options.drain_timeout_s):
            return []
        stuck = [node.id for node in self._nodes(old)]
        if not self._options.force:
            raise OpsError(
                f"after {self._options.drain_timeout_s:.0f} s these instances have not left: {', '.join(stuck)}. "
                "The new request runs at full capacity. Started again, roll goes on waiting; with --force it "
                "terminates them after its time-out, and their tasks lose what the queue does not hand out again"
            )
        return stuck

    def _nodes(self, requests: Sequence[FleetRequest]) -> list[Node]:
        return [node for request in requests for node in self._requests.nodes(request.id)]

    def _cancel(self, old: Sequence[FleetRequest]) -> None:
        for request in old:
            self._requests.cancel(request.id)
            self._talk.say(f"{request.id} is cancelled")

    def _timed(self, name: str, step: Callable[[], None]) -> None:
        started = self._pace.clock()
        step()
        self._seconds[name] = self._pace.clock() - started


def _listed(things: Sequence[object]) -> str:
    shown = [str(thing) for thing in things[:10]]
    return ", ".join(shown) + (f" and {len(things) - 10} more" if len(things) > 10 else "")
