"""`python -m infra.marathon.lint`: the rules on app manifests, for editors and CI.

Status 0: no error (there may be warnings), 1: some, 2: nothing that could be checked.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from infra.errors import InfraError
from infra.marathon.lint import Facts, Finding, check
from infra.marathon.lint.document import shown_as
from infra.marathon.lint.positions import line_of
from infra.marathon.lint.stack_file import settings_of

ROOT = Path(__file__).resolve().parents[3]
APPS = ROOT / "marathon_apps"
FOUND, MISUSED = 1, 2

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def lint(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Apps' JSON, or folders of it; marathon_apps/ if none is named."),
    ] = None,
    stack: Annotated[
        str | None, typer.Option(help="Judge what depends on a fleet by Pulumi.STACK.yaml, too.")
    ] = None,
) -> None:
    """Check the JSON of Marathon apps as a preview does."""
    out, err = (Console(stderr=stderr, highlight=False, soft_wrap=True) for stderr in (False, True))
    try:
        paths = _paths(files or [APPS])
        facts = Facts.of(settings_of(stack, ROOT), stack) if stack else Facts.without_stack()
    except InfraError as e:
        err.print(str(e), markup=False)
        raise typer.Exit(MISUSED) from None
    errors = warnings = 0
    for folder in dict.fromkeys(path.parent for path in paths):
        # Rules over a folder need all of it; told is what was asked for.
        beside = {
            shown_as(path): path for path in sorted({*folder.glob("*.json"), *paths}) if path.parent == folder
        }
        for finding in check(list(beside.values()), facts).findings:
            file = beside.get(finding.path)
            if file in paths or (file is None and folder.resolve() == APPS):
                out.print(_line(finding, file), markup=False)
                errors += finding.severity == "error"
                warnings += finding.severity == "warning"
    held = (
        f"the fleet of Pulumi.{stack}.yaml included"
        if stack
        else "name a --stack for what depends on its fleet"
    )
    err.print(f"{len(paths)} apps, {errors} errors, {warnings} warnings ({held})", markup=False)
    if errors:
        raise typer.Exit(FOUND)


def _paths(given: list[Path]) -> list[Path]:
    """The files that were asked for.

    Raises:
        InfraError: one is not there, or there is none.
    """
    found: list[Path] = []
    for path in given:
        below = sorted(path.glob("*.json")) if path.is_dir() else [path]
        if not below or not below[0].is_file():
            raise InfraError(f"{path}: " + ("no app's JSON in it" if path.is_dir() else "no such file"))
        found += below
    return list(dict.fromkeys(found))


def _line(finding: Finding, file: Path | None) -> str:
    """`file:line: severity: pointer: rule: what; do`, as compilers write it and editors read it."""
    place = f"{_shortest(file)}:{line_of(file, finding.pointer)}" if file else str(finding.path)
    said = f"{finding.pointer or '/'}: {finding.rule}: {finding.what}; {finding.do}"
    return f"{place}: {finding.severity}: {said}"


def _shortest(path: Path) -> Path:
    here, whole = Path.cwd(), path.resolve()
    return whole.relative_to(here) if whole.is_relative_to(here) else path


if __name__ == "__main__":
    app(prog_name="python -m infra.marathon.lint")
