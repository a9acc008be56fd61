"""The demo's result: `report.json` for programs, a table and a few sentences for people."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from local.demo.verdict import ShopVerdict


class ShopReport(msgspec.Struct, frozen=True, kw_only=True):
    """A shop in the report: counts, with all that is behind them in `details`."""

    name: str
    expected_items: int
    stored_items: int
    missing: int
    duplicated: int
    wrong_fields: int
    robots_violations: int
    rate_violations: int
    details: dict[str, Any]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The whole run; times in seconds, `resources` and `apps` are how many the stack holds."""

    ok: bool
    resources: int
    apps: int
    shops: tuple[ShopReport, ...]
    wall_s: float
    setup_s: float
    up_s: float
    crawl_s: float
    pulumi_version: str
    queue_server: str


def shop_report(verdict: ShopVerdict) -> ShopReport:
    """The verdict as the report states it."""
    return ShopReport(
        name=verdict.name,
        expected_items=verdict.expected_items,
        stored_items=verdict.stored_items,
        missing=len(verdict.missing),
        duplicated=len(verdict.duplicated),
        wrong_fields=len(verdict.wrong_fields),
        robots_violations=len(verdict.robots_violations),
        rate_violations=len(verdict.rate_violations),
        details={
            field: getattr(verdict, field)
            for field in ShopVerdict.__struct_fields__
            if field not in {"name", "expected_items", "stored_items"}
        },
    )


def passed(verdicts: Sequence[ShopVerdict]) -> bool:
    """True when there is something to judge and nothing to complain of."""
    return bool(verdicts) and all(verdict.ok for verdict in verdicts)


def write(report: Report, path: Path) -> None:
    """Write `report` as JSON; a reader never sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    partial.replace(path)


def show(verdicts: Sequence[ShopVerdict], console: Console) -> None:
    """Print the table, and under it what is wrong."""
    console.print(table(verdicts))
    for complaint in complaints(verdicts):
        console.print(
            Text(complaint), soft_wrap=True
        )  # as text: an item's name may hold what would be markup


def table(verdicts: Sequence[ShopVerdict]) -> Table:
    """A row a shop; what should be 0 and is not stands in red."""
    made = Table(
        title="What was crawled", title_justify="left", box=SIMPLE_HEAD, padding=(0, 0, 0, 0), pad_edge=False
    )
    made.add_column("shop", no_wrap=True)
    # Two lines a heading: the table must fit a terminal of 80 columns.
    for heading in (
        "pages",
        "items",
        "miss-\ning",
        "wrong\nfield",
        "dou-\nble",
        "extra",
        "robots\nrefused",
        "rules\nbroken",
        "req/s\n/limit",
    ):
        made.add_column(heading, justify="right", no_wrap=True)
    for verdict in verdicts:
        complete = verdict.stored_items == verdict.expected_items
        rate = f"{verdict.requests_per_s:.1f}/{verdict.limit_per_s:.1f}"
        made.add_row(
            Text(verdict.name, style="" if verdict.ok else "bold red"),
            str(verdict.pages),
            Text(f"{verdict.stored_items}/{verdict.expected_items}", style="" if complete else "red"),
            _fault(verdict.missing),
            _fault(verdict.wrong_fields),
            _fault(verdict.duplicated),
            _fault(verdict.unexpected),
            str(verdict.refused_by_robots),
            _fault([*verdict.robots_violations, *verdict.rate_violations]),
            Text(rate, style="red" if verdict.rate_violations else ""),
        )
    return made


def complaints(verdicts: Sequence[ShopVerdict], limit: int = 10) -> list[str]:
    """Up to `limit` sentences on what is wrong, taken from the shops in turn; one more says how many are left."""
    found = [list(_complaints(verdict)) for verdict in verdicts]
    longest = max(map(len, found), default=0)
    in_turn = [lines[place] for place in range(longest) for lines in found if place < len(lines)]
    shown = list(islice(in_turn, limit))
    left = len(in_turn) - len(shown)
    return [*shown, f"and {left} more: see the details in report.json"] if left else shown


def _complaints(verdict: ShopVerdict) -> Iterator[str]:
    name = verdict.name
    if not verdict.requests:
        yield f"{name}: the access log holds no request"
    yield from (
        f"{name}: robots: {one.path} at {one.at_s} s: {one.rule}" for one in verdict.robots_violations
    )
    yield from (
        f"{name}: too soon: {one.path} at {one.at_s} s: {one.rule}" for one in verdict.rate_violations
    )
    yield from (f"{name}: missing: {sku}" for sku in verdict.missing)
    yield from (f"{name}: stored more than once: {sku}" for sku in verdict.duplicated)
    yield from (f"{name}: stored, but not in the shop's truth: {item}" for item in verdict.unexpected)
    for wrong in verdict.wrong_fields:
        yield f"{name}: {wrong.sku}: {wrong.field} is {wrong.found!r}, the page says {wrong.expected!r}"


def _fault(found: Sequence[object]) -> Text:
    return Text(str(len(found)), style="bold red" if found else "green")
