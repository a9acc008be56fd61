"""`python -m review`: previews for people. `make preview` and `make preview-diff` call it."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console

from review import gate, report, runs, terminal
from review.assembly import review_of
from review.dangers import Kind
from review.errors import MisuseError, ReviewError
from review.gate import Status
from review.machine import cleaned, machine_roots, without_codes

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "preview"
INTERRUPTED = 130

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

Stack = Annotated[str, typer.Option(help="Name of the stack: Pulumi.NAME.yaml.")]
Acknowledge = Annotated[
    list[str] | None, typer.Option(help="A kind of danger somebody said yes to; repeat it.")
]
Label = Annotated[
    list[str] | None, typer.Option(help="A label of the pull request; `acknowledged: KIND` counts.")
]
LabelsFile = Annotated[
    Path | None, typer.Option("--labels-file", help="Labels of the pull request, one a line.")
]


@app.command("preview")
def preview_command(
    stack: Stack,
    acknowledge: Acknowledge = None,
    prior: Annotated[
        str | None, typer.Option(help="Git ref of a revision that is up already; nothing otherwise.")
    ] = None,
) -> None:
    """What `up` of the working tree would make of nothing, or of a prior: build/preview/STACK.json and STACK.md."""
    yes = gate.acknowledged(acknowledge or [])
    made = runs.on_base(ROOT, stack, prior, BUILD) if prior else runs.on_nothing(ROOT, stack, BUILD)
    _finish(stack, made, yes, BUILD / f"{stack}.json", BUILD / f"{stack}.md")


@app.command("diff")
def diff_command(
    base: Annotated[str, typer.Option(help="Git ref of the base revision.")],
    stack: Stack,
    acknowledge: Acknowledge = None,
    label: Label = None,
    labels_file: LabelsFile = None,
    out: Annotated[Path | None, typer.Option(help="Report; build/preview/STACK-diff.md otherwise.")] = None,
) -> None:
    """What the working tree would change of a base revision; status 3 where a danger is not acknowledged."""
    labels = [*(label or []), *(_read(labels_file).splitlines() if labels_file else [])]
    yes = gate.acknowledged(acknowledge or [], labels)
    made = runs.on_base(ROOT, stack, base, BUILD)
    _finish(stack, made, yes, BUILD / f"{stack}-diff.json", out or BUILD / f"{stack}-diff.md")


@app.command("report")
def report_command(
    preview_file: Annotated[Path, typer.Option("--preview", help="What `pulumi preview --json` printed.")],
    stack: Stack,
    out: Annotated[Path, typer.Option(help="The report.")],
    events: Annotated[Path | None, typer.Option(help="The engine's event log of the same preview.")] = None,
    acknowledge: Acknowledge = None,
    label: Label = None,
) -> None:
    """The report of a preview made elsewhere, also of one that failed."""
    yes = gate.acknowledged(acknowledge or [], label or [])
    runs.require_name(stack)
    text = _read(preview_file)
    roots = machine_roots(Path.cwd())
    try:
        made = runs.Made(cleaned(text, roots), _read(events) if events else None, "", failed=False, notes=())
    except ValueError:
        # A panic of the engine leaves no JSON; the comment must still be written.
        said = without_codes(text).strip()[-2000:] or "nothing at all"
        made = runs.Made(None, None, f"the engine gave no preview but: {said}", failed=True, notes=())
    _finish(stack, made, yes, None, out)


def _finish(stack: str, made: runs.Made, yes: frozenset[Kind], document: Path | None, out: Path) -> None:
    """Write what was found, say it, and end with its status."""
    review = review_of(stack, made, yes, _relative(document) if document and made.json else "")
    out.parent.mkdir(parents=True, exist_ok=True)
    if document and made.json:
        document.write_text(made.json, "utf-8")
    out.write_text(report.render(review), "utf-8")
    terminal.summarise(review, _relative(out), Console(stderr=True))
    raise typer.Exit(review.verdict.status)


def _relative(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", errors="replace")
    except OSError as e:
        raise MisuseError(f"{path}: {e.strerror}") from None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; a mistake is one text, status 1 or 2.

    Args:
        arguments: of the command line; this process's own otherwise.
    """
    try:
        app(arguments)
    except SystemExit as e:
        return e.code if isinstance(e.code, int) else Status.DONE
    except ReviewError as e:
        print(f"error: {e}", file=sys.stderr)
        return Status.MISUSED if isinstance(e, MisuseError) else Status.FAILED
    except KeyboardInterrupt:
        print("interrupted: everything that was started has been ended", file=sys.stderr)
        return INTERRUPTED
    return Status.DONE


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    # Once is enough: a second signal must not cut short the ending of what was started.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _interrupt)
    raise SystemExit(main())
