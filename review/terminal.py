"""The short of a review, for whoever started it."""

from __future__ import annotations

from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from review.dangers import told_otherwise
from review.gate import Status
from review.markdown import NAME_LIMIT, shortened, visible
from review.report import Review

_COLOUR = {Status.DONE: "green", Status.FAILED: "red", Status.NEEDS_YES: "yellow"}


def summarise(review: Review, where: str, console: Console) -> None:
    """Print the verdict, the dangers by kind, and where the report is. Foreign text is never taken as markup."""
    verdict = review.verdict
    console.print(Text(f"{review.stack}: {verdict.words}", style=_COLOUR.get(verdict.status, "")))
    errors = [error for error in review.preview.errors if not told_otherwise(error.message)]
    for error in errors[:5] if review.failed else ():
        console.print(Text(f"  {visible(error.message[:600], lines=True)}"))
    for finding in review.policy.violations[:10]:
        style = "red" if finding.mandatory else "yellow"
        line = f"  policy {finding.rule} on {finding.resource}: {finding.message}"
        console.print(Text(shortened(line, 300), style=style))
    if review.dangers:
        table = Table(show_header=False, box=None, padding=(0, 2))
        for kind, group in groupby(review.dangers, key=lambda danger: danger.kind):
            names = ", ".join(danger.subject for danger in group)
            said = "acknowledged" if kind in review.yes else "needs a yes"
            table.add_row(Text(kind.value), Text(said), Text(shortened(names, NAME_LIMIT)))
        console.print(table)
    total = review.cost.total
    if review.cost.whole and total.after.ceiling and not review.failed:
        console.print(
            Text(f"  {total.after.floor:,.0f} to {total.after.ceiling:,.0f} USD a month at list prices"),
            soft_wrap=True,
        )
    console.print(Text(f"  report: {where}"), soft_wrap=True)
