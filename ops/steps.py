"""What a preview of the engine says it would do (`pulumi preview --json`)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

NOTHING = frozenset({"same", "read", "refresh"})
"""Operations that change nothing."""


@dataclass(frozen=True)
class Step:
    """One step of a preview."""

    op: str
    urn: str
    needs: frozenset[str] = frozenset()
    """URNs of its dependencies, its parent and its provider."""

    @property
    def name(self) -> str:
        """Logical name."""
        return self.urn.rsplit("::", 1)[-1]

    @property
    def component(self) -> str | None:
        """Name of the outermost component type that holds it, such as `Fleet`; None outside of all."""
        types = self.urn.split("::")[2].split("$")
        return next((t.rsplit(":", 1)[-1] for t in types if t.startswith("trawler:infra:")), None)

    @property
    def is_provider(self) -> bool:
        """Whether it is a provider of other resources."""
        return self.urn.split("::")[2].rpartition("$")[2].startswith("pulumi:providers:")

    def __str__(self) -> str:
        return f"{self.op} {self.name}"


@dataclass(frozen=True)
class Preview:
    """A preview: its steps that would change something, and what the program or the engine complained of."""

    steps: tuple[Step, ...]
    errors: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Preview:
        """A preview from the engine's JSON. Fields that are empty are left out by the engine.

        Raises:
            ValueError: that is no such document.
        """
        document: Any = json.loads(text)
        if not isinstance(document, dict):
            raise ValueError("not a JSON object")  # noqa: TRY004  the same to whoever reads it
        steps = tuple(
            Step(str(step["op"]), str(step["urn"]), _needs(step.get("newState") or {}))
            for step in document.get("steps") or []
            if step["op"] not in NOTHING
        )
        errors = tuple(
            str(each.get("message", "")).strip()
            for each in document.get("diagnostics") or []
            if each.get("severity") == "error"
        )
        return cls(steps, errors)

    def within(self, components: Iterable[str]) -> tuple[Step, ...]:
        """The steps inside these components."""
        wanted = frozenset(components)
        return tuple(step for step in self.steps if step.component in wanted)

    def outside(self, components: Iterable[str]) -> tuple[Step, ...]:
        """The steps outside these components."""
        wanted = frozenset(components)
        return tuple(step for step in self.steps if step.component not in wanted)


def _needs(state: Mapping[str, Any]) -> frozenset[str]:
    # A provider is named by its URN and, behind another `::`, its id.
    provider = str(state.get("provider", "")).rpartition("::")[0]
    return frozenset({*(state.get("dependencies") or []), str(state.get("parent", "")), provider} - {""})
