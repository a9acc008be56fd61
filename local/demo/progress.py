"""Shows a running crawl: a live picture on a terminal, a line now and then elsewhere."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from local.demo.snapshot import Snapshot

#: Seconds between two lines where no terminal shows a live picture.
LINE_INTERVAL_S: Final = 5.0
_SHOWN_ERRORS: Final = 5


class ProgressDisplay:
    """Shows snapshots on `console` while the context lasts.

    Args:
        console: a terminal gets a live picture, anything else a line every `LINE_INTERVAL_S` seconds.
        clock: seconds that only ever rise.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._started = clock()
        self._last_line: float | None = None
        self._live = (
            Live(console=console, auto_refresh=False, transient=False) if console.is_terminal else None
        )

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def update(self, snapshot: Snapshot) -> None:
        """Show `snapshot`; without a terminal only if the last line is old enough, or the crawl has ended."""
        now = self._clock()
        if self._live:
            self._live.update(picture(snapshot, now - self._started), refresh=True)
        elif self._last_line is None or now - self._last_line >= LINE_INTERVAL_S or snapshot.finished:
            self._last_line = now
            # As text: an error may hold what would be markup.
            self._console.print(Text(line(snapshot, now - self._started)), soft_wrap=True)


def picture(snapshot: Snapshot, elapsed_s: float) -> RenderableType:
    """The snapshot as tables: shops, queues, tasks, and what went wrong."""
    parts: list[RenderableType] = [Text(f"crawling, {elapsed_s:.0f} s", style="bold"), _shops(snapshot)]
    side_by_side = Table.grid(padding=(0, 3))
    side_by_side.add_row(_queues(snapshot), _apps(snapshot))
    parts.append(side_by_side)
    parts += [Text(error, style="red") for error in _errors(snapshot)]
    return Group(*parts)


def line(snapshot: Snapshot, elapsed_s: float) -> str:
    """The snapshot as one line of text."""
    shops = " · ".join(
        f"{crawl.shop} {crawl.done + crawl.dead}/{crawl.known} urls, {crawl.items} items"
        + (" (finished)" if crawl.finished else "")
        for crawl in snapshot.crawls
    )
    queues = " ".join(
        f"{queue.name} {queue.visible}+{queue.in_flight}+{queue.delayed}"
        + (f" ({queue.dead_letters} dead)" if queue.dead_letters else "")
        for queue in snapshot.queues
    )
    running, wanted = sum(app.running for app in snapshot.apps), sum(app.wanted for app in snapshot.apps)
    text = f"{elapsed_s:4.0f} s  {shops or 'no crawl yet'} | queues {queues} | tasks {running}/{wanted}"
    errors = _errors(snapshot)
    return f"{text} | {'; '.join(errors)}" if errors else text


def _errors(snapshot: Snapshot) -> list[str]:
    failures = [f"{app.name}: {app.failure}" for app in snapshot.apps if app.failure]
    return [*snapshot.errors, *failures][:_SHOWN_ERRORS]


def _shops(snapshot: Snapshot) -> Table:
    table = _table("shop", "", "urls", "discovered", "queued", "fetched", "done", "dead", "items")
    for crawl in snapshot.crawls:
        bar = ProgressBar(total=max(crawl.known, 1), completed=crawl.done + crawl.dead, width=20)
        counts = (crawl.known, crawl.discovered, crawl.queued, crawl.fetched, crawl.done, crawl.dead)
        style = "green" if crawl.finished else ""
        table.add_row(Text(crawl.shop, style=style), bar, *map(str, counts), str(crawl.items))
    return table


def _queues(snapshot: Snapshot) -> Table:
    table = _table("queue", "visible", "in flight", "delayed", "dead letters")
    for queue in snapshot.queues:
        dead = Text(str(queue.dead_letters), style="red" if queue.dead_letters else "")
        table.add_row(queue.name, str(queue.visible), str(queue.in_flight), str(queue.delayed), dead)
    return table


def _apps(snapshot: Snapshot) -> Table:
    table = _table("app", "running", "staged", "wanted")
    for app in snapshot.apps:
        running = Text(str(app.running), style="" if app.running >= app.wanted else "yellow")
        table.add_row(app.name, running, str(app.staged), str(app.wanted))
    return table


def _table(first: str, *rest: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column(first)
    for heading in rest:
        table.add_column(heading, justify="right")
    return table
