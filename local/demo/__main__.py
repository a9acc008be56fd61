"""`python -m local.demo`: what `make demo` runs."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated, Literal

import typer
from rich.console import Console

from local.demo.run import Demo
from local.shops.truth import TruthError
from local.stack.__main__ import RUN, Containers, pages_or_none
from local.stack.layout import ROOT, Layout, Ports
from local.stack.processes import StackError
from local.stack.supervisor import Options

INTERRUPTED = 130


def demo(
    seed: Annotated[int, typer.Option(help="Another seed is other shops.")] = 1,
    products: Annotated[int, typer.Option(min=30, help="Products of the generated shops together.")] = 300,
    queues: Annotated[Literal["moto", "elasticmq"], typer.Option(help="Who serves SQS.")] = "moto",
    containers: Containers = "auto",
    pages: Annotated[Path | None, typer.Option(help="Folder of saved real pages.")] = None,
    port_base: Annotated[int | None, typer.Option(help="First of eight ports in a row.")] = None,
    keep: Annotated[bool, typer.Option(help="Leave the stack running.")] = False,
    run_dir: Annotated[Path, typer.Option(help="Folder of state, logs and sandboxes.")] = RUN,
    report_dir: Annotated[Path, typer.Option(help="Folder of the report.")] = ROOT / "build" / "demo",
) -> None:
    """Provision the environment, push the apps, crawl every shop, and judge the result."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    layout = Layout(run_dir.resolve(), Ports.from_base(port_base))
    options = Options(seed, products, queues, pages_or_none(pages), containers=containers)
    try:
        status = Demo(layout, options, report_dir, Console()).run(keep=keep)
    except (StackError, TruthError) as e:
        print(f"error: {e}", file=sys.stderr)
        status = 1
    except KeyboardInterrupt:
        print("interrupted: everything that was started has been ended", file=sys.stderr)
        status = INTERRUPTED
    raise typer.Exit(status)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    # Once is enough: a second Ctrl-C must not cut short the ending of what was started.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(demo)
    app()
