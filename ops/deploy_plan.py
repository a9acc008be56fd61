"""What of a preview a deploy applies, what it leaves to `pulumi up`, and what keeps it from being applied alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ops.steps import Preview, Step

COMPONENT = "Apps"
RELEASE_MODULE = "pulumi-python:dynamic/release:"

TARGETS = (
    f"**::{RELEASE_MODULE}**",
    f"**::trawler:infra:{COMPONENT}::**",
    f"**::trawler:infra:{COMPONENT}$**",
)
"""URNs of what a deploy applies: the release, its record, and the apps, whatever their number."""

NOT_THERE_YET = frozenset({"create", "replace", "create-replacement", "import"})


@dataclass(frozen=True)
class DeployPlan:
    """A preview, split."""

    ours: tuple[Step, ...]
    """Release, apps and the record of the deploy: applied."""

    pending: tuple[Step, ...]
    """The platform's changes: listed, and left to `pulumi up`."""

    @classmethod
    def of(cls, preview: Preview) -> DeployPlan:
        """The plan that follows from a preview of the whole stack."""
        ours = tuple(step for step in preview.steps if is_ours(step))
        return cls(ours, tuple(step for step in preview.steps if not is_ours(step)))

    @property
    def in_the_way(self) -> tuple[Step, ...]:
        """Pending changes without which ours cannot be: what they are made of is not there yet."""
        needed = frozenset(urn for step in self.ours for urn in step.needs)
        return tuple(
            step
            for step in self.pending
            if step.urn in needed and (step.op in NOT_THERE_YET or step.is_provider)
        )


def is_ours(step: Step) -> bool:
    """Whether a deploy applies that step."""
    kind = step.urn.split("::")[2].rpartition("$")[2]
    return step.component == COMPONENT or kind.startswith(RELEASE_MODULE)


def listed(steps: Sequence[Step]) -> str:
    """Steps as one text."""
    shown = [str(step) for step in steps[:10]]
    return ", ".join(shown) + (f" and {len(steps) - 10} more" if len(steps) > 10 else "")
