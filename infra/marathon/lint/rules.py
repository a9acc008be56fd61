"""Every rule on app manifests, in the order of docs/app-lint.md."""

from __future__ import annotations

from infra.marathon.lint import (
    capacity,
    command,
    container,
    environment,
    fetching,
    ids,
    placement,
    ports,
    rollout,
)
from infra.marathon.lint.document import FORM
from infra.marathon.lint.rule import Rule

EXCEPTIONS = Rule(
    "exception",
    "error",
    "An exception names an app that is there and a rule that may be broken.",
    "One that names nothing protects nothing, and a reader believes it does.",
    "docs/app-lint.md, Exceptions",
    fixed=True,
)
EXCEPTION_UNUSED = Rule(
    "exception-unused",
    "warning",
    "An exception is needed.",
    "One that is kept for nothing lets the next breach through unseen.",
    "docs/app-lint.md, Exceptions",
)

JUDGED: tuple[Rule, ...] = (
    *ids.RULES,
    *command.RULES,
    *container.RULES,
    *fetching.RULES,
    *environment.RULES,
    *ports.RULES,
    *placement.RULES,
    *capacity.RULES,
    *rollout.RULES,
)
"""Rules that look at what a manifest says, where its form is right."""

RULES: tuple[Rule, ...] = (*FORM, *JUDGED, EXCEPTIONS, EXCEPTION_UNUSED)
