"""Free ports for a local stack that nobody gave any."""

from __future__ import annotations

import os
import socket

from local.stack.layout import HOST
from local.stack.processes import StackError

IN_A_ROW = 8
RANGE = range(15000, 31000)
"""Below what kernels hand out as ephemeral ports (Linux from 32768, macOS from 49152) and below the agents' own."""

_STRIDE = 16


def free_base(within: range = RANGE) -> int:
    """First of eight free ports in a row, none of which the kernel would give to an outgoing connection.

    Where the search begins follows from the process id, so that two that look at once seldom find the same.

    Raises:
        StackError: there are none.
    """
    bases = range(within.start, within.stop - IN_A_ROW, _STRIDE)
    first = os.getpid() % len(bases)
    for base in (*bases[first:], *bases[:first]):
        if all(_is_free(port) for port in range(base, base + IN_A_ROW)):
            return base
    raise StackError(f"no eight free ports in a row between {within.start} and {within.stop - 1} on {HOST}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
