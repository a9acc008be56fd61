"""`trawler image`: the command line of it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from ops.options import INTERRUPTED, AsJson, ConfigFile, Stack
from ops.stack_file import StackFile
from ops.talk import Talk


def image(
    stack: Stack,
    base_image: Annotated[
        str | None, typer.Option(help="Build upon this one instead, for this machine alone.")
    ] = None,
    no_push: Annotated[bool, typer.Option("--no-push", help="For this machine alone.")] = False,
    as_json: AsJson = False,
    config_file: ConfigFile = None,
) -> None:
    """Build and push the workers' image, unless its registry has it."""
    # Here, since what it needs takes a while to load that no other verb should wait for.
    from ops import image as imaging  # noqa: PLC0415

    talk = Talk(as_json=as_json)
    try:
        done = imaging.ImageWork(StackFile.read(stack, config_file), talk).run(base_image, push=not no_push)
    except KeyboardInterrupt:
        talk.say("interrupted; nothing was pushed that is not whole, and the same command starts again")
        raise typer.Exit(INTERRUPTED) from None
    talk.result(asdict(done), imaging.summary(done))


def add(app: typer.Typer) -> None:
    """Give a command line this verb."""
    app.command()(image)
