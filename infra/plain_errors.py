"""Errors of dynamic resources without a traceback, where the mistake is in what the program was given."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from infra.errors import InfraError

P = ParamSpec("P")
R = TypeVar("R")


def told_plainly(method: Callable[P, R]) -> Callable[P, R]:
    """The method, whose `InfraError` reaches the user as its text alone.

    The SDK shows `traceback.format_exc()` of whatever a dynamic provider raises, and offers no other road. In the
    provider's own process the interpreter's limit for tracebacks is the only thing that it respects. Errors that
    are no `InfraError` are bugs and keep theirs.
    """

    @functools.wraps(method)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(*args, **kwargs)
        except InfraError:
            sys.tracebacklimit = 0
            raise

    return wrapper
