"""How long a preview of production takes, and where: `python -m bench.preview`.

The real engine previews the program with the configuration of production on an empty local stack, with as many apps
as there are, twice and four times as many. Each size is run several times; medians are shown. Written to
`build/bench/preview.json`: resources, seconds of each phase, peak memory, and the slowest imports.

Phases of one preview, by the processes' own start times: `engine` from the command to the start of the program's
Python, `program` from there until it has ended, just after it registered its last resource, `rest` until the command
returns. Ends are seen by looking every 20 ms.
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import psutil
import typer
from rich.console import Console
from rich.table import Table

from bench.checkout import copied
from local.stack.layout import ROOT
from local.stack.rehearsal import Rehearsal

POLL_S = 0.02
PROGRAM = "pulumi-language-python-exec"
"""What the language host starts: its arguments name this script."""

SLOWEST_IMPORTS = 15


@dataclass
class Run:
    """One preview."""

    resources: int
    engine_s: float
    program_s: float
    program_cpu_s: float
    """Processor time of the program itself: the rest of `program_s` it waits for engine and provider."""

    rest_s: float
    total_s: float
    peak_mib: float
    """Largest sum of the resident sets of the engine and everything it started, MiB."""


@dataclass
class Watch:
    """What was seen of the processes below this one while a preview ran."""

    program_started: float | None = None
    program_seen: float = 0
    program_cpu_s: float = 0
    peak_bytes: int = 0
    _program: int | None = None
    _end: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Look until told to end."""
        me = psutil.Process()
        while not self._end.wait(POLL_S):
            self._look(me)

    def end(self) -> None:
        """Stop looking."""
        self._end.set()

    def _look(self, me: psutil.Process) -> None:
        resident = 0
        for engine in (c for c in me.children() if _named(c, "pulumi")):
            for process in (engine, *_children(engine)):
                try:
                    resident += process.memory_info().rss
                    if process.pid == self._program or any(PROGRAM in a for a in process.cmdline()):
                        self._program = process.pid
                        self.program_started = process.create_time()
                        self.program_seen = time.time()
                        spent = process.cpu_times()
                        self.program_cpu_s = spent.user + spent.system
                except psutil.Error:
                    continue  # it has ended since it was listed
        self.peak_bytes = max(self.peak_bytes, resident)


def _named(process: psutil.Process, name: str) -> bool:
    try:
        return process.name() == name
    except psutil.Error:
        return False


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


@contextmanager
def watched() -> Generator[Watch]:
    """Watch this process's engine while the block runs."""
    watch = Watch()
    thread = threading.Thread(target=watch.run, daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        watch.end()
        thread.join()


def measure(rehearsal: Rehearsal, checkout: Path) -> Run:
    """Preview once.

    Raises:
        RuntimeError: the preview failed, or its program was never seen.
    """
    began = time.time()
    with watched() as watch:
        outcome = rehearsal.preview(checkout)
    ended = time.time()
    if outcome.status != 0 or outcome.preview_json is None:
        raise RuntimeError(
            f"the preview ended with status {outcome.status}:\n{outcome.stdout}\n{outcome.stderr}"
        )
    if watch.program_started is None:
        raise RuntimeError("the program's Python was not seen: was it shorter than a look?")
    summary: dict[str, int] = json.loads(outcome.preview_json)["changeSummary"]
    return Run(
        resources=sum(summary.values()),
        engine_s=watch.program_started - began,
        program_s=watch.program_seen - watch.program_started,
        program_cpu_s=watch.program_cpu_s,
        rest_s=ended - watch.program_seen,
        total_s=ended - began,
        peak_mib=watch.peak_bytes / 1024**2,
    )


@contextmanager
def with_apps(times: int) -> Generator[Path]:
    """A copy of the tracked files in which every app stands this many times under ids of its own."""
    with copied() as checkout:
        for path in sorted((checkout / "marathon_apps").glob("*.json")):
            for copy in range(2, times + 1):
                manifest = json.loads(path.read_text())
                manifest["id"] += f"-{copy}"
                manifest["instances"] = (
                    0  # the fleet's lower bound has no room for them, and a preview needs none
                )
                path.with_name(f"{path.stem}-{copy}.json").write_text(json.dumps(manifest))
        yield checkout


def slowest_imports() -> list[dict[str, Any]]:
    """The modules whose import takes the program longest, with everything they import, seconds."""
    answer = subprocess.run(
        [
            sys.executable,
            "-X",
            "importtime",
            "-c",
            "import pulumi; import runpy; runpy.run_path('infra/__main__.py')",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    rows = re.findall(r"import time:\s+\d+ \|\s+(\d+) \|\s*(\S+)", answer.stderr)
    slowest = sorted(((int(us) / 1e6, name) for us, name in rows), reverse=True)[:SLOWEST_IMPORTS]
    return [{"module": name, "seconds": round(seconds, 3)} for seconds, name in slowest]


def median(runs: list[Run]) -> dict[str, float]:
    """Field by field."""
    rows = [asdict(run) for run in runs]
    return {key: round(statistics.median(row[key] for row in rows), 2) for key in rows[0]}


def main(
    stack: Annotated[str, typer.Option(help="Whose configuration.")] = "prod",
    repeat: Annotated[int, typer.Option(min=1, help="Previews of each size.")] = 3,
    out: Annotated[Path, typer.Option(help="Where the figures go.")] = ROOT
    / "build"
    / "bench"
    / "preview.json",
) -> None:
    """Measure previews of a stack at 1, 2 and 4 times the apps."""
    sizes: dict[str, Any] = {}
    console, table = Console(), Table(title=f"pulumi preview, stack {stack}: medians of {repeat}, seconds")
    for heading in ("apps", "resources", "engine", "program", "of it CPU", "rest", "total", "peak MiB"):
        table.add_column(heading, justify="right")
    with Rehearsal(stack, ROOT / "build" / "bench" / "stack") as rehearsal:
        for times in (1, 2, 4):
            with with_apps(times) as checkout:
                rehearsal.preview(checkout)  # compiles modules, warms moto
                runs = [measure(rehearsal, checkout) for _ in range(repeat)]
            middle = median(runs)
            sizes[f"{times}x"] = {"median": middle, "runs": [asdict(run) for run in runs]}
            shown = [
                middle[k]
                for k in (
                    "resources",
                    "engine_s",
                    "program_s",
                    "program_cpu_s",
                    "rest_s",
                    "total_s",
                    "peak_mib",
                )
            ]
            table.add_row(f"{times}×", *(f"{value:g}" for value in shown))
    figures = {"stack": stack, "repeat": repeat, "sizes": sizes, "slowest_imports": slowest_imports()}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(figures, indent=2) + "\n")
    console.print(table)
    console.print(f"written to {out.relative_to(ROOT) if out.is_relative_to(ROOT) else out}")


if __name__ == "__main__":
    typer.run(main)
