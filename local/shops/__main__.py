"""`python -m local.shops`: opens the shops."""

import asyncio
from pathlib import Path
from typing import Annotated, Never

import typer

from local.shops.street import MisuseError, Opening, Street

_MISUSED = 2

app = typer.Typer(help="Shops to crawl on one machine.", add_completion=False, no_args_is_help=True)


@app.callback()
def main() -> None:
    """Shops to crawl on one machine."""


@app.command()
def serve(
    run_dir: Annotated[Path, typer.Option(help="Gets shops.json, truth/ and access/.")],
    seed: Annotated[int, typer.Option(help="Another seed is another set of shops.")] = 1,
    products: Annotated[int, typer.Option(help="Products of the three generated shops together.")] = 300,
    ports: Annotated[
        str,
        typer.Option(
            help="Three or four ports: JSON-LD, microdata, selectors, saved pages. 0: any free one."
        ),
    ] = "8101,8102,8103,8104",
    pages: Annotated[Path | None, typer.Option(help="Folder of saved pages; left out where missing.")] = None,
    exit_with_parent: Annotated[
        bool, typer.Option(help="End when the process that started this ends.")
    ] = False,
) -> None:
    """Serve the shops on 127.0.0.1 until SIGTERM or Ctrl-C; print one line when all answer."""
    try:
        opening = Opening(run_dir, seed, products, _ports(ports), pages)
        asyncio.run(_serve(opening, exit_with_parent=exit_with_parent))
    except MisuseError as error:
        _fail(str(error))


async def _serve(opening: Opening, *, exit_with_parent: bool) -> None:
    ready: asyncio.Future[Street] = asyncio.get_running_loop().create_future()
    ready.add_done_callback(_announce)
    await opening.run(ready, exit_with_parent=exit_with_parent)


def _announce(ready: asyncio.Future[Street]) -> None:
    if ready.cancelled():
        return
    street = ready.result()
    if street.notice:
        typer.echo(street.notice, err=True)
    # Last of all: whoever waits for this line may start at once.
    typer.echo("shops ready: " + "  ".join(f"{name} {base}" for name, base in street.bases.items()))


def _ports(text: str) -> list[int]:
    try:
        ports = [int(part) for part in text.split(",")]
    except ValueError:
        ports = []
    if len(ports) not in {3, 4} or not all(0 <= port <= 65535 for port in ports):
        raise MisuseError(
            f"--ports {text!r}: three or four port numbers are wanted, such as 8101,8102,8103,8104"
        )
    return ports


def _fail(message: str) -> Never:
    typer.echo(f"shops: {message}", err=True)
    raise typer.Exit(_MISUSED)


if __name__ == "__main__":
    app(prog_name="python -m local.shops")
