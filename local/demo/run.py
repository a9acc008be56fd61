"""The demo: the whole chain on this machine, judged at its end."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from local.demo import crawl, deploy, report, stack_state
from local.demo.report import Report
from local.stack import daemon, pulumi
from local.stack.layout import Layout
from local.stack.processes import StackError
from local.stack.supervisor import LocalStack, Options


@dataclass(frozen=True)
class Demo:
    """One run.

    Attributes:
        layout: ports and files of the stack.
        options: what is crawled, and on which queue server.
        folder: where the report goes.
        console: where the run is told.
    """

    layout: Layout
    options: Options
    folder: Path
    console: Console

    def run(self, *, keep: bool) -> int:
        """Start, deploy, crawl, judge; 0 when every item is there and no rule was broken.

        Args:
            keep: leave the stack running in the background, with its addresses in `endpoints.json`.

        Raises:
            StackError: the stack or the crawl did not come to its end.
        """
        if daemon.running(self.layout):
            raise StackError("a local stack runs already: `make down` ends it")
        started = time.monotonic()
        with self._stack(keep=keep) as check:
            ready = time.monotonic()
            self._say("pulumi up")
            deploy.up(self.layout)
            deployed = time.monotonic()
            state = stack_state.read(self.layout)
            last = crawl.watch(self.layout, state, self.console, check)
            crawled = time.monotonic()
            verdicts = crawl.verdicts(self.layout, state, last)
            made = Report(
                ok=report.passed(verdicts),
                resources=state.resources,
                apps=state.apps,
                shops=tuple(report.shop_report(verdict) for verdict in verdicts),
                setup_s=round(ready - started, 1),
                up_s=round(deployed - ready, 1),
                crawl_s=round(crawled - deployed, 1),
                wall_s=round(time.monotonic() - started, 1),
                pulumi_version=pulumi.version(self.layout),
                queue_server=self.options.queue_server,
            )
            if keep:
                self._tell_endpoints()
        path = self.folder / "report.json"
        report.write(made, path)
        report.show(verdicts, self.console)
        self._say(
            f"{made.resources} resources, {made.apps} apps; set-up {made.setup_s} s, up {made.up_s} s, "
            f"crawl {made.crawl_s} s, in all {made.wall_s} s; queues on {made.queue_server}; "
            f"report: {os.path.relpath(path)}"
        )
        return 0 if made.ok else 1

    @contextmanager
    def _stack(self, *, keep: bool) -> Generator[Callable[[], None]]:
        self._say("starting the local stack")
        if keep:
            daemon.up(self.layout, self.options)
            try:
                yield self._check_daemon
            except BaseException:
                daemon.down(self.layout)
                raise
            return
        pulumi.write_config(self.layout)
        stack = LocalStack(self.layout, self.options, self._say)
        try:
            stack.start()
            yield stack.check
        finally:
            stack.close()

    def _check_daemon(self) -> None:
        if daemon.running(self.layout) is None:
            raise StackError(f"the local stack has ended; its log: {self.layout.run / 'supervisor.log'}")

    def _tell_endpoints(self) -> None:
        path = self.folder / "endpoints.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        endpoints = daemon.endpoints(self.layout)
        path.write_text(json.dumps(endpoints, indent=2) + "\n")
        self._say(
            f"left running (`make down` ends it, `make shell` joins it); addresses in {os.path.relpath(path)}:"
        )
        for name, url in {**endpoints, **endpoints["shops"]}.items():
            if isinstance(url, str):
                self.console.print(f"  {name:15} {url}", highlight=False)

    def _say(self, line: str) -> None:
        self.console.print(f"[bold]demo:[/bold] {line}", highlight=False, soft_wrap=True)
