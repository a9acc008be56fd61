"""What a rule is: what it says to a reader, and how it is put before the engine."""

from __future__ import annotations

import fnmatch
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyConfigSchema,
    PolicyProviderResource,
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError

from .reading import Props, leaves

EXCEPT = "except"
"""Configuration of every rule: logical name (or pattern) → why it may break the rule."""

_EXCEPT_SCHEMA = {"type": "object", "additionalProperties": {"type": "string", "minLength": 10}}


@dataclass(frozen=True)
class Subject:
    """A resource as a rule sees it."""

    type: str
    name: str
    urn: str
    props: Props
    protect: bool
    provider: PolicyProviderResource | None
    config: Mapping[str, object]
    """The rule's configuration."""

    through: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    """Property → URNs of the resources whose outputs it is made of; only a rule on a stack is told."""

    def sets(self, key: str) -> bool:
        """Whether the program sets a property.

        A rule on a stack reads outputs, where one that AWS will fill in looks like one that is not known yet:
        only the latter is made of another resource's outputs.
        """
        return bool(self.through.get(key)) or not (self.props.is_unknown(key) or not self.props.text(key))

    @property
    def stack(self) -> str:
        """Name of the stack: the third part of `urn:pulumi:<stack>::<project>::<types>::<name>`."""
        return self.urn.split("::", 1)[0].rsplit(":", 1)[-1]


@dataclass(frozen=True)
class Rule(ABC):
    """A rule of the pack.

    Attributes:
        name: how it is called in reports and in configuration.
        what: what must be true, one sentence.
        why: what goes wrong otherwise.
        reference: the page of AWS (or Pulumi) that says so.
        types: tokens of the resource types it judges.
    """

    name: str
    what: str
    why: str
    reference: str
    types: tuple[str, ...]
    settings: Mapping[str, Mapping[str, object]] = field(default_factory=dict[str, Mapping[str, object]])
    """Configuration beside `except`: name → JSON schema with its default."""

    @property
    def description(self) -> str:
        """Stands before each message."""
        return f"{self.what} {self.why} See {self.reference}"

    @property
    def schema(self) -> PolicyConfigSchema:
        """What `--policy-pack-config` may say about the rule."""
        return PolicyConfigSchema(
            {EXCEPT: dict(_EXCEPT_SCHEMA), **{k: dict(v) for k, v in self.settings.items()}}
        )

    @abstractmethod
    def policy(self) -> Policy:
        """The rule as the SDK takes it, mandatory."""

    def _judges(self, type_: str, name: str, config: Mapping[str, object]) -> bool:
        excepted = cast("Mapping[str, str]", config.get(EXCEPT) or {})
        return type_ in self.types and not any(fnmatch.fnmatchcase(name, pattern) for pattern in excepted)


@dataclass(frozen=True, kw_only=True)
class ResourceRule(Rule):
    """A rule on one resource by itself: judged before the resource is touched, in a preview and at `up`."""

    check: Callable[[Subject], Iterator[str]]
    """Yields a message for each violation: what to change, and where."""

    def policy(self) -> Policy:
        return ResourceValidationPolicy(
            name=self.name,
            description=self.description,
            validate=self._validate,
            enforcement_level=EnforcementLevel.MANDATORY,
            config_schema=self.schema,
        )

    def _validate(self, args: ResourceValidationArgs, report: ReportViolation) -> None:
        config = cast("Mapping[str, object]", args.get_config())
        if self._judges(args.resource_type, args.name, config):
            props = Props(cast("Mapping[str, object]", args.props))
            subject = Subject(
                args.resource_type, args.name, args.urn, props, args.opts.protect, args.provider, config
            )
            for message in self.check(subject):
                report(f"{args.name}: {message}", None)


@dataclass(frozen=True, kw_only=True)
class StackRule(Rule):
    """A rule on resources beside their like: judged when all of them are known, after the last one at `up`."""

    check: Callable[[Subject, Sequence[Subject]], Iterator[str]]
    """Given a resource and the whole stack; yields a message for each violation."""

    def policy(self) -> Policy:
        return StackValidationPolicy(
            name=self.name,
            description=self.description,
            validate=self._validate,
            enforcement_level=EnforcementLevel.MANDATORY,
            config_schema=self.schema,
        )

    def _validate(self, args: StackValidationArgs, report: ReportViolation) -> None:
        config = cast("Mapping[str, object]", args.get_config())
        stack = [_in_stack(resource, config) for resource in args.resources]
        unknown: list[tuple[str, UnknownValueError]] = []
        for subject in stack:
            if not self._judges(subject.type, subject.name, config):
                continue
            # One resource that cannot be judged yet must not hide another's violation.
            try:
                for message in self.check(subject, stack):
                    report(f"{subject.name}: {message}", subject.urn)
            except UnknownValueError as e:
                unknown.append((subject.name, e))
        if unknown:
            first = unknown[0][1]
            # The SDK names no resource for a rule on a stack.
            names = ", ".join(sorted(name for name, _ in unknown))
            reasons = ", ".join(sorted({e.message for _, e in unknown}))
            first.message = f"{names}: {reasons}"
            raise first


def _in_stack(resource: PolicyResource, config: Mapping[str, object]) -> Subject:
    return Subject(
        resource.resource_type,
        resource.name,
        resource.urn,
        Props(cast("Mapping[str, object]", resource.props)),
        resource.opts.protect,
        resource.provider,
        config,
        {key: [r.urn for r in of] for key, of in resource.property_dependencies.items()},
    )


def companions(
    subject: Subject, stack: Sequence[Subject], type_: str, key: str, names: Sequence[str]
) -> list[Subject]:
    """Resources of a type that name the subject in a property.

    By dependency where the program passed an output of the subject, which is so before the subject exists;
    else by the property's value.

    Args:
        subject: the resource they belong to.
        stack: where to look.
        type_: token of their type.
        key: their property, such as `queueUrl`.
        names: the subject's own properties that such a value may be equal to, such as `url`.
    """
    return [s for s in stack if s.type == type_ and points_at(s, key, subject, names)]


def points_at(pointer: Subject, key: str, subject: Subject, names: Sequence[str]) -> bool:
    """Whether a property of one resource names another; see `companions`."""
    if through := pointer.through.get(key):
        return subject.urn in through
    if not pointer.sets(key):
        return False
    told = leaves(pointer.props.value(key))
    return any(not subject.props.is_unknown(n) and subject.props.text(n) in told for n in names)
