"""The options that verbs of the command line share, and the status of one that was interrupted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

INTERRUPTED = 130

Stack = Annotated[str, typer.Option(help="The stack, as Pulumi names it.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
AsJson = Annotated[bool, typer.Option("--json", help="The result as JSON on standard output.")]
ConfigFile = Annotated[
    Path | None, typer.Option(help="Another file than Pulumi.<stack>.yaml.", envvar="TRAWLER_STACK_FILE")
]
