"""`python -m local.stack`: the local stack from the command line. `make shell`, `make env` and `make down` call it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from local.stack import daemon, pulumi
from local.stack.layout import ROOT, Layout, Ports
from local.stack.processes import StackError
from local.stack.supervisor import Options

DEFAULT_PAGES = ROOT.parent / "shared" / "data" / "pages" / "books.toscrape.com"
"""Saved real pages; the shop is left out where the folder is missing."""

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

RunDir = Annotated[Path, typer.Option(help="Folder of state, logs and sandboxes.")]
PortBase = Annotated[int | None, typer.Option(help="First of eight ports in a row.")]
Seed = Annotated[int, typer.Option(help="Another seed is other shops.")]
Products = Annotated[int, typer.Option(min=30, help="Products of the generated shops together.")]
QueueServer = Annotated[str, typer.Option("--queues", help="moto or elasticmq.")]
Pages = Annotated[Path | None, typer.Option(help="Folder of saved real pages.")]

Containers = Annotated[
    Literal["auto", "yes", "no"],
    typer.Option(
        help="Run tasks in real containers; auto where a daemon answers and little is left to prepare."
    ),
]

RUN = ROOT / "build" / "local"


def pages_or_none(pages: Path | None) -> Path | None:
    """The folder of real pages, or None with a word about it where there is none."""
    folder = pages or DEFAULT_PAGES
    if folder.is_dir():
        return folder
    print("no folder of saved real pages: the shop `books` is left out", file=sys.stderr)
    return None


@app.command()
def serve(
    run_dir: RunDir = RUN,
    port_base: PortBase = None,
    seed: Seed = 1,
    products: Products = 300,
    queues: QueueServer = "moto",
    containers: Containers = "auto",
    pages: Pages = None,
) -> None:
    """Run the stack in the foreground until Ctrl-C."""
    options = Options(seed, products, queues, pages_or_none(pages), containers=containers)
    daemon.serve(Layout(run_dir.resolve(), Ports.from_base(port_base)), options)


@app.command()
def up(
    run_dir: RunDir = RUN,
    port_base: PortBase = None,
    seed: Seed = 1,
    products: Products = 300,
    queues: QueueServer = "moto",
    containers: Containers = "auto",
    pages: Pages = None,
) -> None:
    """Run the stack in the background and select its Pulumi stack."""
    layout = Layout(run_dir.resolve(), Ports.from_base(port_base))
    if not daemon.running(layout):
        print("starting the local stack …", file=sys.stderr)
    daemon.up(layout, Options(seed, products, queues, pages_or_none(pages), containers=containers))
    pulumi.select(layout)


@app.command()
def env(run_dir: RunDir = RUN, port_base: PortBase = None) -> None:
    """Write a file to source, and say how."""
    path = daemon.write_exports(Layout(run_dir.resolve(), Ports.from_base(port_base)))
    print(f"source {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def run(context: typer.Context, run_dir: RunDir = RUN) -> None:
    """Run a command in that environment, against the stack that runs in the background."""
    daemon.run(run_dir.resolve(), context.args)


@app.command()
def shell(run_dir: RunDir = RUN, port_base: PortBase = None) -> None:
    """Open a shell in which `pulumi up -s local` works."""
    daemon.shell(Layout(run_dir.resolve(), Ports.from_base(port_base)))


@app.command()
def down(run_dir: RunDir = RUN) -> None:
    """End the stack that runs in the background."""
    ended = daemon.down(Layout(run_dir.resolve(), Ports()))
    print("the local stack has ended" if ended else "no local stack runs", file=sys.stderr)


def main() -> int:
    """Run a command; mistakes are one text and status 1."""
    try:
        app()
    except StackError as e:
        print(f"error: {e}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
