"""What the engine says of a stack that another update holds."""

from __future__ import annotations

import re

_DIY = re.compile(r"the stack is currently locked by \d+ lock")
_HOLDER = re.compile(r"created by (\S+) \(pid (\d+)\) at (\S+)")
_SERVICE = re.compile(r"\[409\] Conflict: .*update", re.IGNORECASE)


def told(stack: str, said: str) -> str | None:
    """What a person should know of the lock that stopped an update; None where none did.

    Args:
        stack: the stack.
        said: all that the engine said.
    """
    if not (_DIY.search(said) or _SERVICE.search(said)):
        return None
    holders = [f"{who} (process {pid}) since {since}" for who, pid, since in _HOLDER.findall(said)]
    return (
        f"{stack} is locked by another update{': ' if holders else ''}{', '.join(holders)}; nothing was changed. "
        "Wait for its end. If what it deploys must go: `trawler rollback --now` does not wait for the lock. If "
        f"its process is dead: `pulumi cancel --stack {stack}`"
    )
