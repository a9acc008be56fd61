"""All shops of a run: sockets bound, truth and addresses written, served until told to stop."""

import asyncio
import os
import signal
import socket
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from local.shops import model, truth
from local.shops.access_log import AccessLog
from local.shops.answer import Site
from local.shops.definitions import DEFAULT_PORTS
from local.shops.generated import GeneratedSite
from local.shops.saved import SavedPagesError, SavedSite
from local.shops.server import serving

_HOST: Final = "127.0.0.1"
_PARENT_POLL_S: Final = 0.5


class MisuseError(Exception):
    """The shops cannot be opened as asked; the message is one line that says what to change."""


@dataclass(frozen=True)
class Street:
    """What is open: name of each shop → its base URL; `notice` says what is not, and why."""

    bases: dict[str, str]
    notice: str | None


class Opening:
    """Opens the shops of a run.

    Args:
        run_dir: gets `shops.json` (name → base URL), `truth/<shop>.json` and `access/<shop>.jsonl`.
        seed: another seed is another set of shops.
        products: of the three generated shops together.
        ports: three or four, in the order of `DEFAULT_PORTS`; 0 lets the system choose.
        pages: folder of the saved pages; the fourth shop is left out where it is missing.
    """

    def __init__(
        self, run_dir: Path, seed: int, products: int, ports: Sequence[int], pages: Path | None
    ) -> None:
        self._run_dir = run_dir
        self._ports = ports
        self._pages = pages
        self._stack = ExitStack()
        try:
            self._shops = model.shops(seed, products)
        except ValueError as error:
            raise MisuseError(f"--products: {error}") from error

    async def run(self, ready: "asyncio.Future[Street]", *, exit_with_parent: bool = False) -> None:
        """Serve until SIGTERM, SIGINT or, if asked for, the parent's end; resolve `ready` once all answer.

        Raises:
            MisuseError: a port is taken, or the run's folder cannot be written.
        """
        stop = _stop_signal()
        with self._stack:
            try:
                stalls, notice = self._open()
            except OSError as error:
                raise MisuseError(
                    f"--run-dir {self._run_dir}: cannot be written: {error.strerror}"
                ) from error
            async with serving(stalls):
                bases = {site.name: _base(bound) for site, _, bound in stalls}
                (self._run_dir / "shops.json").write_bytes(msgspec.json.encode(bases))
                ready.set_result(Street(bases, notice))
                await _until_stopped(stop, exit_with_parent=exit_with_parent)

    def _open(self) -> tuple[list[tuple[Site, AccessLog, socket.socket]], str | None]:
        names = list(DEFAULT_PORTS)
        bound = [self._bind(name, port) for name, port in zip(names, self._ports, strict=False)]
        sites: list[Site] = [
            GeneratedSite(shop, _base(one)) for shop, one in zip(self._shops, bound, strict=False)
        ]
        notice = None
        if len(bound) < len(names):
            notice = f"{names[-1]} is not served: --ports names no fourth port"
        elif self._pages is None:
            notice = f"{names[-1]} is not served: no --pages folder was given"
        else:
            try:
                sites.append(SavedSite(self._pages, _base(bound[-1])))
            except SavedPagesError as error:
                notice = f"{names[-1]} is not served: {error}"
        stalls: list[tuple[Site, AccessLog, socket.socket]] = []
        for site, one in zip(sites, bound, strict=False):
            truth.write(site.truth(), self._run_dir / "truth")
            log = AccessLog(self._run_dir / "access" / f"{site.name}.jsonl")
            self._stack.callback(log.close)
            stalls.append((site, log, one))
        return stalls, notice

    def _bind(self, name: str, port: int) -> socket.socket:
        try:
            bound = socket.create_server((_HOST, port), backlog=128)
        except OSError as error:
            raise MisuseError(
                f"port {port} on {_HOST} cannot be had for the shop {name}: {error.strerror}; "
                "end what holds it, or choose others with --ports"
            ) from error
        self._stack.callback(bound.close)
        return bound


def _base(bound: socket.socket) -> str:
    return f"http://{_HOST}:{bound.getsockname()[1]}/"


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


async def _until_stopped(stop: asyncio.Event, *, exit_with_parent: bool) -> None:
    parent = os.getppid()
    while not stop.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _PARENT_POLL_S if exit_with_parent else None)
        # An orphan is given to another parent.
        if exit_with_parent and os.getppid() != parent:
            return
