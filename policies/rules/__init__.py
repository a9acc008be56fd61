"""Every rule of the pack, in the order of docs/policies.md.

Modules here import each other relatively: the engine finds this folder as `rules`, tests as `policies.rules`.
"""

from __future__ import annotations

from . import fleet, identity, machines, network, protection, queues, storage, tags
from .rule import ResourceRule, Rule, StackRule

__all__ = ["RULES", "ResourceRule", "Rule", "StackRule"]

RULES: tuple[Rule, ...] = (
    *storage.RULES,
    *queues.RULES,
    *network.RULES,
    *identity.RULES,
    *machines.RULES,
    *fleet.RULES,
    *tags.RULES,
    *protection.RULES,
)
