"""`python -m local.aws`: the emulated services, each a process in the foreground."""

from __future__ import annotations

from typing import Annotated

import typer

from local.aws import moto_server

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def commands() -> None:
    """The emulated part of AWS."""


@app.command()
def serve(
    service: Annotated[
        moto_server.Service, typer.Option(help="which part of AWS: sqs, dynamodb, or aws for everything else")
    ],
    port: Annotated[int, typer.Option(min=0, max=65535, help="TCP port on 127.0.0.1; 0 picks a free one")],
    exit_with_parent: Annotated[
        bool, typer.Option(help="stop when the process that started this one is gone")
    ] = False,
) -> None:
    """Run moto for a part of AWS in the foreground until interrupted."""
    raise typer.Exit(moto_server.serve(service, port, exit_with_parent=exit_with_parent))


if __name__ == "__main__":
    app()
