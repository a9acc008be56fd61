"""`python -m review.comment`: one sticky comment a stack on a pull request."""

from __future__ import annotations

import os
import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import stamina
import typer

from review.comment_text import LIMIT, comment, marker, stack_of
from review.errors import MisuseError, ReviewError
from review.github import API, ARCHIVE_BYTES, GitHub, GitHubError, Unavailable

AUTHOR = "github-actions[bot]"
"""Who comments with a workflow's own token."""

REPORTS = 20
"""Most reports of one run."""

FAILED, MISUSED = 1, 2

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def post(
    repository: Annotated[str, typer.Option(help="OWNER/REPOSITORY.")],
    number: Annotated[int | None, typer.Option(min=1, help="The pull request.")] = None,
    file: Annotated[Path | None, typer.Option(help="The report.")] = None,
    run: Annotated[
        int | None, typer.Option(min=1, help="A finished run whose artifacts hold reports.")
    ] = None,
    head_sha: Annotated[str | None, typer.Option(help="The commit of that run.")] = None,
    untrusted: Annotated[bool, typer.Option("--untrusted", help="Strangers may have written it.")] = False,
    author: Annotated[str, typer.Option(help="Who comments with GITHUB_TOKEN.")] = AUTHOR,
) -> None:
    """Write a stack's report to its comment on a pull request, a new one if there is none yet.

    Either --number and --file, or --run and --head-sha: then the reports are those of the run's artifacts
    `report-<stack>` (files `number` and `report.md`) and `real-report-<stack>`, which goes before.
    """
    try:
        github = _github(repository)
        if number and file and not run:
            reports = [(number, _text(file))]
        elif run and head_sha and not file:
            reports = list(reports_of(github, run))
            _refuse_strange_numbers(github, {n for n, _ in reports}, head_sha)
        else:
            raise MisuseError("give either --number and --file, or --run and --head-sha")
        for to, text in reports:
            url = write(github, to, comment(text, untrusted=untrusted), author)
            print(f"{stack_of(text)}: {url}")
    except ReviewError as e:
        print(f"error: {e}", file=sys.stderr)
        raise typer.Exit(MISUSED if isinstance(e, MisuseError) else FAILED) from None


def write(github: GitHub, number: int, body: str, author: str = AUTHOR) -> str:
    """The stack's comment on the pull request holds `body`; the result is its address.

    Each try looks for the comment first, so a comment that was made although the answer got lost is not made twice.

    Args:
        github: the repository.
        number: of the pull request.
        body: see `comment_text.comment`.
        author: whose comments are looked at: anybody can write a marker.

    Raises:
        GitHubError: GitHub refuses, or is not available for a minute.
    """
    first = marker(stack_of(body))
    answer: dict[str, str] = {}
    for attempt in stamina.retry_context(on=Unavailable, attempts=5, timeout=60, wait_initial=1, wait_max=15):
        with attempt:
            there = _comment(github, number, first, author)
            if there is None:
                answer = github.post(f"issues/{number}/comments", {"body": body})
            else:
                answer = github.patch(f"issues/comments/{there}", {"body": body})
    return answer["html_url"]


def reports_of(github: GitHub, run: int) -> Iterator[tuple[int, str]]:
    """Pull request and report of every stack that a run left as artifacts: the real preview's where there is one.

    Raises:
        GitHubError: an artifact is too large, not of the expected form, or names no pull request.
    """
    chosen: dict[str, int] = {}
    for artifact in github.pages(f"actions/runs/{run}/artifacts", "artifacts"):
        match = re.fullmatch(r"(real-)?report-([a-z][a-z0-9-]{0,39})", str(artifact["name"]))
        if match and not artifact["expired"] and (match[1] or match[2] not in chosen):
            chosen[match[2]] = int(artifact["id"])
    if len(chosen) > REPORTS:
        raise GitHubError(f"run {run} left {len(chosen)} reports: refused, {REPORTS} is the limit")
    for stack, artifact in sorted(chosen.items()):
        with github.archive(artifact) as archive:
            number, text = (
                _member(archive, "number", 12).strip(),
                _member(archive, "report.md", ARCHIVE_BYTES),
            )
        if not re.fullmatch(r"[1-9]\d{0,9}", number):
            raise GitHubError(f"artifact {artifact} names no pull request")
        if stack_of(text) != stack:
            raise GitHubError(f"artifact report-{stack} holds the report of another stack: {stack_of(text)}")
        yield int(number), text


def _member(archive: zipfile.ZipFile, name: str, limit: int) -> str:
    """A file of an archive, whatever the archive says of its size."""
    try:
        with archive.open(name) as file:
            content = file.read(limit + 1)
    except (KeyError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as e:
        raise GitHubError(f"the artifact's file '{name}' cannot be read: {e}") from None
    if len(content) > limit:
        raise GitHubError(f"the artifact's file '{name}' has more than {limit} bytes: refused")
    return content.decode("utf-8", "replace")


def _refuse_strange_numbers(github: GitHub, numbers: set[int], head_sha: str) -> None:
    """Whoever wrote an artifact could name any pull request: it must be the one whose commit was run."""
    for number in numbers:
        pull = github.get(f"pulls/{number}")
        if pull["head"]["sha"] != head_sha:
            raise GitHubError(
                f"pull request {number} is at {pull['head']['sha'][:12]}, not at {head_sha[:12]} which this run "
                "was of: nothing is written (a newer commit has a run of its own)"
            )


def _comment(github: GitHub, number: int, first_line: str, author: str) -> int | None:
    for there in github.pages(f"issues/{number}/comments"):
        user = there.get("user") or {}
        if (
            user.get("login") == author
            and str(there.get("body") or "").partition("\n")[0].strip() == first_line
        ):
            return int(there["id"])
    return None


def _github(repository: str) -> GitHub:
    if not re.fullmatch(r"[A-Za-z0-9-]+/[A-Za-z0-9._-]+", repository):
        raise MisuseError(f"--repository {repository}: not OWNER/REPOSITORY")
    token = os.environ.get("GITHUB_TOKEN")
    if not token:
        raise MisuseError("GITHUB_TOKEN is not set: it is the workflow's own token, ${{ github.token }}")
    return GitHub(repository, token, os.environ.get("GITHUB_API_URL") or API)


def _text(file: Path) -> str:
    try:
        # Beyond what is shown there is nothing to read.
        with file.open(encoding="utf-8", errors="replace") as lines:
            return lines.read(LIMIT * 2)
    except OSError as e:
        raise MisuseError(f"--file {file}: {e.strerror}") from None


if __name__ == "__main__":
    app()
