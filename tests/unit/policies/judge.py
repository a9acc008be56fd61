"""Puts resources before a rule as the engine does: camelCase properties, unknown values, dependencies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pulumi_policy import (
    PolicyCustomTimeouts,
    PolicyProviderResource,
    PolicyResource,
    PolicyResourceOptions,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, UnknownValueError, unknown_checking_proxy

from policies.rules import RULES

UNKNOWN = UNKNOWN_STRING_VALUE
"""A value that only an update can know."""

RULE = {rule.name: rule for rule in RULES}


@dataclass(frozen=True)
class Declared:
    """A resource that a program declares."""

    type: str
    name: str = "it"
    props: Mapping[str, Any] = field(default_factory=dict[str, Any])
    protect: bool = False
    of: Mapping[str, str] = field(default_factory=dict[str, str])
    """Property → name of the resource whose output it is."""

    stack: str = "prod"
    provider: Mapping[str, Any] | None = None
    """Configuration of the provider it goes through."""

    @property
    def urn(self) -> str:
        return f"urn:pulumi:{self.stack}::trawler::{self.type}::{self.name}"


@dataclass(frozen=True)
class Verdict:
    """What a rule said of a program."""

    messages: list[str]
    unevaluated: str = ""
    """Why the rule could not be evaluated in full; empty where it was."""


def judge(rule: str, declared: Sequence[Declared], config: Mapping[str, Any] | None = None) -> Verdict:
    """The verdict of a rule on a program's resources."""
    policy = RULE[rule].policy()
    messages: list[str] = []

    def report(message: str, urn: str | None = None) -> None:
        messages.append(message)

    try:
        if isinstance(policy, StackValidationPolicy):
            policy.validate(StackValidationArgs(_stack(declared), config), report)
        else:
            assert isinstance(policy, ResourceValidationPolicy)
            for one in declared:
                props = unknown_checking_proxy(dict(one.props))
                policy.validate(
                    ResourceValidationArgs(
                        one.type, props, one.urn, one.name, _options(one), _provider(one), config
                    ),
                    report,
                )
    except UnknownValueError as e:
        return Verdict(messages, e.message)
    return Verdict(messages)


def _stack(declared: Sequence[Declared]) -> list[PolicyResource]:
    resources = {
        one.name: PolicyResource(
            one.type,
            unknown_checking_proxy(dict(one.props)),
            one.urn,
            one.name,
            _options(one),
            _provider(one),
            None,
            [],
            {},
        )
        for one in declared
    }
    for one in declared:
        for key, name in one.of.items():
            resources[one.name].property_dependencies[key] = [resources[name]]
    return list(resources.values())


def _options(one: Declared) -> PolicyResourceOptions:
    return PolicyResourceOptions(one.protect, [], None, [], PolicyCustomTimeouts(0, 0, 0), [])


def _provider(one: Declared) -> PolicyProviderResource | None:
    if one.provider is None:
        return None
    props = unknown_checking_proxy(dict(one.provider))
    return PolicyProviderResource("pulumi:providers:aws", props, "urn:provider", "default")
