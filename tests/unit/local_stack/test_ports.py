"""Free ports for a stack that nobody gave any."""

from __future__ import annotations

import socket

import pytest

from local.stack.ports import IN_A_ROW, free_base
from local.stack.processes import StackError

RANGE = range(31200, 31248)


def test_a_row_with_a_taken_port_is_passed_over_and_without_a_free_row_there_is_a_clear_text() -> None:
    base = free_base(RANGE)
    assert base in RANGE
    with socket.create_server(("127.0.0.1", base + IN_A_ROW - 1)):
        other = free_base(RANGE)
        assert other != base
        with socket.create_server(("127.0.0.1", other)):
            third = free_base(RANGE)
            with (
                socket.create_server(("127.0.0.1", third)),
                pytest.raises(StackError, match="no eight free ports"),
            ):
                free_base(RANGE)
