"""Settings of the rules on `marathon_apps/`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from infra.settings.section import Section


class AllowedBreach(Section):
    """A rule that one app may break, and why."""

    app: Annotated[str, Field(pattern=r"^/[a-z0-9./-]+$")]
    """The app's id, `/crawler/plan`."""

    rule: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    """The rule's id, as docs/app-lint.md lists it."""

    reason: Annotated[str, Field(min_length=10, max_length=500)]
    """Why that is right for this app, for whoever reads it in a year."""


class AppLint(Section):
    """Exceptions from the rules of docs/app-lint.md. One that no app needs any more is told."""

    allow: list[AllowedBreach] = Field(default=[])
    """Rules that single apps may break."""
