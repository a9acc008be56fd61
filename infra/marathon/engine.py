"""What the SDK keeps from a dynamic provider: lines beside its resource, and the engine's word to stop.

The provider of dynamic resources is a process of the SDK's (`pulumi.dynamic`), started by the engine with the
engine's own address as its argument. The SDK logs nothing for a provider, answers the engine's Cancel without telling
it, and serves four calls at a time, so that four waiting apps would keep that Cancel from being served at all. Where
the process is not what it is expected to be, nothing of this is done: lines are not shown and waits end by their
deadline.

Source: pulumi 3.272, `pulumi/dynamic/__main__.py`; `pulumirpc.Engine.Log`, `pulumirpc.ResourceProvider.Cancel`.
"""

from __future__ import annotations

import gc
import os
import re
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

CALLS_AT_ONCE = 64
CALL_TIMEOUT_S = 5.0

_NO_PROXY = [("grpc.enable_http_proxy", 0)]
_ADDRESS = re.compile(r"(127\.0\.0\.1|localhost|\[::1\]):\d+")


class Engine:
    """The engine that started this process, if one did."""

    def __init__(self) -> None:
        servicer: Any = getattr(sys.modules.get("__main__"), "DynamicResourceProviderServicer", None)
        self._stop = _cancellation(servicer) if servicer else threading.Event()
        self._engine: Any = None
        address = sys.argv[1] if servicer and len(sys.argv) > 1 else ""
        if _ADDRESS.fullmatch(address):
            channel = grpc.insecure_channel(address, options=_NO_PROXY)
            self._engine = engine_pb2_grpc.EngineStub(channel)
            _serve_more_calls()

    @property
    def is_stopping(self) -> bool:
        """Whether the engine was told to cancel, or is gone."""
        return self._stop.is_set()

    def wait(self, seconds: float) -> None:
        """Return after this time, or at once when the engine stops."""
        self._stop.wait(seconds)
        self._ask(
            lambda engine: engine.GetRootResource(engine_pb2.GetRootResourceRequest(), timeout=CALL_TIMEOUT_S)
        )

    def say(self, urn: str, text: str, *, warning: bool = False, passing: bool = False) -> None:
        """Show a line beside a resource.

        Args:
            urn: the resource; empty for the stack.
            text: what to show.
            warning: it needs attention.
            passing: progress that the next line replaces; not kept for the end.
        """
        severity = engine_pb2.WARNING if warning else engine_pb2.INFO
        request = engine_pb2.LogRequest(severity=severity, message=text, urn=urn, ephemeral=passing)
        self._ask(lambda engine: engine.Log(request, timeout=CALL_TIMEOUT_S))

    def _ask(self, call: Callable[[Any], object]) -> None:
        """Call the engine. Where it is gone, killed perhaps, nobody waits for an answer: stop, and end this process."""
        if self._engine is None:
            return
        try:
            call(self._engine)
        except grpc.RpcError as e:
            # Any other refusal costs a line, and what the line tells of goes on.
            if (
                isinstance(e, grpc.Call)
                and e.code() is grpc.StatusCode.UNAVAILABLE
                and not self._stop.is_set()
            ):
                self._stop.set()
                # As the engine itself would: the process ends with the last call that it serves.
                os.kill(os.getpid(), signal.SIGINT)


def _cancellation(servicer: Any) -> threading.Event:
    """An event that the SDK's Cancel sets. Its code is exchanged, since the running server holds the method itself."""
    event: threading.Event | None = getattr(servicer, "cancelled", None)
    cancel: Any = getattr(servicer, "Cancel", None)
    if event is None:
        event = threading.Event()
        if hasattr(cancel, "__code__") and not cancel.__code__.co_freevars:
            servicer.cancelled = event
            cancel.__code__ = _cancel.__code__
    return event


def _cancel(self: Any, request: Any, context: Any) -> Any:  # noqa: ARG001  the SDK's signature; runs in its module
    self.cancelled.set()
    return empty_pb2.Empty()  # noqa: F821  # pyright: ignore[reportUndefinedVariable]  a name of the SDK's module


def _serve_more_calls() -> None:
    for found in gc.get_objects():
        if type(found) is ThreadPoolExecutor:
            setattr(found, "_max_workers", CALLS_AT_ONCE)  # noqa: B010  no public way
