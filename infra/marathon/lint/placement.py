"""Where tasks may run, and what becomes of them when their machine or they themselves fail."""

from __future__ import annotations

import re
from collections.abc import Iterator

from infra.marathon.app_fields import UnreachableStrategy
from infra.marathon.lint.facts import AGENT_ATTRIBUTES, Facts
from infra.marathon.lint.rule import App, AppRule, Found, Rule

_OPERATORS = frozenset({"UNIQUE", "CLUSTER", "GROUP_BY", "LIKE", "UNLIKE", "MAX_PER", "IS"})
_CONSTRAINTS = "Marathon 1.11, SchedulingValidation.scala"
_HOST = frozenset({"hostname", "@hostname", "@region", "@zone"})


def _form(app: App, _: Facts) -> Iterator[Found]:
    for i, constraint in enumerate(app.app.constraints):
        where, operator = f"/constraints/{i}", constraint[1]
        value = constraint[2] if len(constraint) > 2 else None
        match operator:
            case "UNIQUE":
                if value is not None:
                    yield Found(where, "UNIQUE takes no value", "remove it")
            case "LIKE" | "UNLIKE":
                try:
                    if value is None:
                        yield Found(where, f"{operator} needs a regular expression", "add one")
                    else:
                        re.compile(value)
                except re.error as e:
                    yield Found(where, f"'{value}' is no regular expression: {e}", "correct it")
            case "MAX_PER" if not (value or "").isdigit():
                yield Found(where, "MAX_PER needs a whole number, as a text", 'write "2"')
            case "GROUP_BY" if value is not None and not value.isdigit():
                yield Found(where, f"'{value}' is no whole number", 'write "3", or leave it out')
            case "IS" if not value:
                yield Found(where, "IS needs a value", "add one")
            case _ if operator not in _OPERATORS:
                do = f"write one of {', '.join(sorted(_OPERATORS))}"
                yield Found(where, f"'{operator}' is no operator", do)
            case _:
                pass


def _field(app: App, _: Facts) -> Iterator[Found]:
    for i, constraint in enumerate(app.app.constraints):
        field = constraint[0]
        if field not in _HOST and field not in AGENT_ATTRIBUTES:
            have = ", ".join(sorted({*AGENT_ATTRIBUTES, "hostname"}))
            yield Found(f"/constraints/{i}/0", f"no agent has an attribute '{field}'", f"they have {have}")
        elif field in {"@region", "@zone"}:
            what = f"{field} is Mesos' fault domain, which these agents do not tell"
            yield Found(f"/constraints/{i}/0", what, "write zone")


def _zones(app: App, facts: Facts) -> Iterator[Found]:
    if facts.capacity is None:
        return
    zones, tasks = facts.capacity.zones, app.app.instances
    strategy = app.app.upgradeStrategy
    keeps_all = strategy is None or -(-tasks * strategy.minimumHealthCapacity // 1) >= tasks > 0
    for i, constraint in enumerate(app.app.constraints):
        if constraint[0] != "zone" or constraint[1] not in {"UNIQUE", "MAX_PER"}:
            continue
        each = int(constraint[2]) if len(constraint) > 2 and constraint[2].isdigit() else 1
        room = zones * each
        if tasks > room:
            what = f"{tasks} tasks, but {each} in each of {zones} zones is {room}"
            yield Found(f"/constraints/{i}", what, "lower the tasks, or allow more in a zone")
        elif tasks == room and keeps_all:
            what = f"{tasks} tasks fill {zones} zones, and an upgrade that keeps all of them has no place for a new one"
            yield Found(f"/constraints/{i}", what, "lower minimumHealthCapacity, or allow more in a zone")


def _roles(app: App, _: Facts) -> Iterator[Found]:
    roles = app.app.acceptedResourceRoles
    if roles is None:
        return
    if not roles:
        yield Found("/acceptedResourceRoles", "is empty", "remove it")
    for i, role in enumerate(roles):
        if role not in {"*", app.app.role}:
            do = 'write "*", or remove the field'
            yield Found(f"/acceptedResourceRoles/{i}", f"'{role}' is neither * nor the app's role", do)


def _backoff(app: App, _: Facts) -> Iterator[Found]:
    longest, first = app.app.maxLaunchDelaySeconds, app.app.backoffSeconds
    if longest > 300:
        what = f"is {longest} s: after some crashes a repaired app waits as long"
        yield Found("/maxLaunchDelaySeconds", what, "write 300 or less")
    elif first > longest:
        what = f"is {first} s, above maxLaunchDelaySeconds of {longest} s, which then holds"
        yield Found("/backoffSeconds", what, "write less")


def _unreachable(app: App, _: Facts) -> Iterator[Found]:
    strategy = app.app.unreachableStrategy
    if strategy == "disabled":
        what = "is disabled: the tasks of a machine that vanished are never replaced"
        yield Found(
            "/unreachableStrategy", what, 'write {"inactiveAfterSeconds": 0, "expungeAfterSeconds": 0}'
        )
    if not isinstance(strategy, UnreachableStrategy):
        return
    if strategy.inactiveAfterSeconds > strategy.expungeAfterSeconds:
        what = f"is {strategy.inactiveAfterSeconds} s, above expungeAfterSeconds"
        yield Found("/unreachableStrategy/inactiveAfterSeconds", what, "write 0")
    elif strategy.inactiveAfterSeconds:
        what = (
            f"is {strategy.inactiveAfterSeconds} s: a vanished machine's work may wait eleven minutes longer"
        )
        yield Found("/unreachableStrategy/inactiveAfterSeconds", what, "write 0")


RULES: tuple[Rule, ...] = (
    AppRule(
        id="constraint-form",
        severity="error",
        what="A constraint is a field, an operator of Marathon, and the value that this operator takes.",
        why="Marathon refuses any other (422).",
        reference=_CONSTRAINTS,
        fixed=True,
        reads=("constraints",),
        check=_form,
    ),
    AppRule(
        id="constraint-field",
        severity="error",
        what="A constraint is on `hostname` or an attribute that every agent has.",
        why="No offer ever matches another one, and the deployment waits until it is cancelled.",
        reference="Marathon 1.11, docs/docs/constraints.md",
        reads=("constraints",),
        check=_field,
    ),
    AppRule(
        id="constraint-room",
        severity="error",
        what="The zones have room for all tasks, and for a new one while an upgrade keeps the old ones.",
        why="The last task never finds a place, and the deployment waits until it is cancelled.",
        reference="Marathon 1.11, docs/docs/constraints.md",
        reads=("constraints", "instances", "upgradeStrategy"),
        check=_zones,
    ),
    AppRule(
        id="resource-roles",
        severity="error",
        what="`acceptedResourceRoles` names `*` and the app's own role alone.",
        why="Marathon 1.10 and later refuse others (422), 1.9 drops them in silence.",
        reference="Marathon 1.11, ResourceRole.scala; changelog.md, 1.10",
        fixed=True,
        reads=("acceptedResourceRoles", "role"),
        check=_roles,
    ),
    AppRule(
        id="launch-delay",
        severity="warning",
        what="The back-off begins below its upper bound, and that is five minutes or less.",
        why="A task that crashed for a while is started again only after that long, also when its cause is gone.",
        reference="Marathon 1.11, docs/docs/backoff.md",
        reads=("maxLaunchDelaySeconds", "backoffSeconds"),
        check=_backoff,
    ),
    AppRule(
        id="unreachable",
        severity="error",
        what="Tasks of a machine that vanished are replaced at once.",
        why="Their work lies still for 75 s in any case; a delay is kept only to the next reconciliation, ten minutes "
        "apart.",
        reference="Marathon 1.11, docs/docs/unreachable.md; UnreachableStrategy.scala",
        reads=("unreachableStrategy",),
        check=_unreachable,
    ),
)
