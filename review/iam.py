"""What an IAM document newly allows: compared by meaning, not by text.

A statement that comes in another order, or is split or joined, allows the same. Widening is: an action on a
resource that no statement allowed to that principal under conditions as strict, or a Deny that is gone.
`NotAction`, `NotResource` and `NotPrincipal` are not taken apart: a statement with one of them is the same
only when it is equal. Source: IAM User Guide, policy evaluation logic and JSON policy elements.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

_NEGATED = ("NotAction", "NotResource", "NotPrincipal")
_ANYONE = (("AWS", "*"),)


@dataclass(frozen=True)
class _Statement:
    effect: str
    principals: tuple[tuple[str, str], ...]
    """`(kind, who)`; empty in a document of a role, whose principal is the role."""

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: Mapping[tuple[str, str], frozenset[str]]
    """`(operator, key)` → values."""

    negated: str
    """Canonical text of the statement where it has a negated element, else empty."""


@dataclass(frozen=True)
class _Atom:
    principal: tuple[str, str] | None
    action: str
    resource: str


def widening(before: Any, after: Any) -> list[str]:
    """What `after` allows that `before` did not, a line each, in stable order; empty where there is nothing.

    Args:
        before: the document as it is; None for none.
        after: the document as it would be; None for none.
    """
    old, new = _statements(before), _statements(after)
    lines = [
        *_uncovered(_of(new, "Allow"), _of(old, "Allow"), "allows"),
        *_uncovered(_of(old, "Deny"), _of(new, "Deny"), "no longer denies"),
    ]
    return sorted(set(lines))


def public_grants(before: Any, after: Any) -> list[str]:
    """What `after` newly allows to anyone, without any condition."""
    lines = widening(before, _only_public(after))
    return [line for line in lines if line.startswith("allows")]


def _only_public(policy: Any) -> Any:
    if not isinstance(policy, dict):
        return None
    kept = [
        s
        for s in _as_list(policy.get("Statement"))
        if isinstance(s, dict)
        and s.get("Effect") == "Allow"
        and not s.get("Condition")
        and any(who == "*" for _, who in _principals(s.get("Principal")))
    ]
    return {"Statement": kept}


def _uncovered(wanted: Sequence[_Statement], given: Sequence[_Statement], verb: str) -> Iterator[str]:
    for statement in wanted:
        if statement.negated:
            if all(statement.negated != other.negated for other in given):
                yield f"{verb} {statement.negated}"
            continue
        missing: dict[tuple[tuple[str, str] | None, str], list[str]] = {}
        loosened = False
        for atom in _atoms(statement):
            by_pattern = [other for other in given if not other.negated and _covers(other, atom)]
            if any(_condition_covers(other, statement) for other in by_pattern):
                continue
            loosened |= bool(by_pattern)
            missing.setdefault((atom.principal, atom.resource), []).append(atom.action)
        for (principal, resource), actions in missing.items():
            yield _line(verb, principal, resource, actions, statement, loosened)


def _line(
    verb: str,
    principal: tuple[str, str] | None,
    resource: str,
    actions: Sequence[str],
    statement: _Statement,
    loosened: bool,
) -> str:
    who = f" to {principal[0]} {principal[1]}" if principal else ""
    where = f" on {resource}" if resource else ""
    conditions = "; ".join(
        f"{operator} {key}={','.join(sorted(values))}"
        for (operator, key), values in sorted(statement.conditions.items())
    )
    when = f" if {conditions}" if conditions else " without any condition" if loosened else ""
    why = " (under other conditions than before)" if loosened and conditions else ""
    return f"{verb} {', '.join(sorted(actions))}{where}{who}{when}{why}"


def _of(statements: Sequence[_Statement], effect: str) -> list[_Statement]:
    return [statement for statement in statements if statement.effect == effect]


def _atoms(statement: _Statement) -> Iterator[_Atom]:
    for principal in statement.principals or (None,):
        for resource in statement.resources or ("",):
            for action in statement.actions:
                yield _Atom(principal, action, resource)


def _covers(statement: _Statement, atom: _Atom) -> bool:
    return (
        any(_matches(atom.action.lower(), pattern.lower()) for pattern in statement.actions)
        and any(_matches(atom.resource, pattern) for pattern in statement.resources or ("",))
        and (
            (atom.principal is None and not statement.principals)
            or atom.principal in statement.principals
            or any(principal in statement.principals for principal in _ANYONE)
        )
    )


def _matches(text: str, pattern: str) -> bool:
    """Whether an IAM pattern covers a text that may itself be a pattern. Only `*` and `?` are special in IAM."""
    if text == pattern:
        return True
    # A `?` of the text may stand for anything, which a literal of the pattern does not cover: fnmatch sees `?`.
    return fnmatchcase(text, pattern.replace("[", "[[]"))


def _condition_covers(other: _Statement, statement: _Statement) -> bool:
    """Whether `other` applies at least wherever `statement` does.

    For an Allow: all that `other` asks for, `statement` asks for too, with no further value. For a Deny it is
    the same question the other way round, and the caller has swapped old and new.
    """
    return all(
        key in statement.conditions and _as_strict(key[0], statement.conditions[key], values)
        for key, values in other.conditions.items()
    )


def _as_strict(operator: str, asked: frozenset[str], before: frozenset[str]) -> bool:
    """Whether a test asks for no less than one before: a `Not` asks for more with each value, others for less."""
    return asked >= before if "not" in operator.lower() else asked <= before


def _statements(policy: Any) -> list[_Statement]:
    if not isinstance(policy, dict):
        return []
    return [_statement(raw) for raw in _as_list(policy.get("Statement")) if isinstance(raw, dict)]


def _statement(raw: Mapping[str, Any]) -> _Statement:
    conditions: dict[tuple[str, str], frozenset[str]] = {}
    for operator, tests in (raw.get("Condition") or {}).items():
        for key, values in tests.items() if isinstance(tests, dict) else ():
            conditions[operator, key.lower()] = frozenset(map(str, _as_list(values)))
    negated = any(key in raw for key in _NEGATED)
    return _Statement(
        str(raw.get("Effect", "")),
        tuple(_principals(raw.get("Principal"))),
        tuple(map(str, _as_list(raw.get("Action")))),
        tuple(map(str, _as_list(raw.get("Resource")))),
        conditions,
        json.dumps({k: v for k, v in raw.items() if k != "Sid"}, sort_keys=True) if negated else "",
    )


def _principals(raw: Any) -> Iterator[tuple[str, str]]:
    if raw == "*":
        yield ("AWS", "*")
    elif isinstance(raw, dict):
        for kind, who in raw.items():
            for one in _as_list(who):
                yield (str(kind), str(one))


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]
