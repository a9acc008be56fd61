"""Programs that break each rule, and programs that keep it."""

from __future__ import annotations

from tests.unit.policies.examples import identity, machines, network, protection, queues, storage
from tests.unit.policies.examples.example import Breaks, Examples, Keeps

__all__ = ["EXAMPLES", "Breaks", "Keeps"]

EXAMPLES: Examples = {
    **storage.EXAMPLES,
    **queues.EXAMPLES,
    **network.EXAMPLES,
    **identity.EXAMPLES,
    **machines.EXAMPLES,
    **protection.EXAMPLES,
}
