"""What every test shares."""

from __future__ import annotations

import sys
from collections.abc import Generator

import pytest


@pytest.fixture(autouse=True)
def _tracebacks() -> Generator[None]:
    """A dynamic provider silences tracebacks in its own process (`infra/plain_errors.py`); tests share one."""
    before = getattr(sys, "tracebacklimit", None)
    yield
    if before is not None:
        sys.tracebacklimit = before
    elif hasattr(sys, "tracebacklimit"):
        del sys.tracebacklimit
