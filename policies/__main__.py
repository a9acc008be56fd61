"""Serves the pack to the engine. Nothing else: the constructor never returns."""

from __future__ import annotations

from pulumi_policy import EnforcementLevel, PolicyPack

# The engine starts the pack in its own folder, which is first on the path; the repository's root is not.
from rules import RULES

PolicyPack(
    name="trawler",
    policies=[rule.policy() for rule in RULES],
    enforcement_level=EnforcementLevel.MANDATORY,
)
