"""The report that programs read, and the table and sentences that people read."""

from pathlib import Path

import msgspec
from rich.console import Console

from local.demo import report
from local.demo.report import Report
from local.demo.verdict import ShopVerdict, Violation, WrongField

GOOD = ShopVerdict(
    name="good",
    pages=12,
    expected_items=10,
    stored_items=10,
    missing=(),
    duplicated=(),
    unexpected=(),
    wrong_fields=(),
    robots_violations=(),
    rate_violations=(),
    requests=15,
    requests_per_s=7.25,
    limit_per_s=10.0,
    refused_by_robots=3,
)
BAD = msgspec.structs.replace(
    GOOD,
    name="bad",
    stored_items=9,
    missing=("S-1", "S-2"),
    duplicated=("S-3",),
    unexpected=("sku#S-9",),
    wrong_fields=(WrongField("S-4", "price", "1.00", "100"),),
    robots_violations=(Violation(0.5, "/private/x", "robots.txt disallows /private/"),),
    rate_violations=(Violation(0.6, "/y", "0.010 s after the request before, 0.1 s is the least"),),
)


def made(*verdicts: ShopVerdict) -> Report:
    return Report(
        ok=report.passed(verdicts),
        resources=40,
        apps=4,
        shops=tuple(map(report.shop_report, verdicts)),
        wall_s=90.0,
        setup_s=10.0,
        up_s=20.0,
        crawl_s=60.0,
        pulumi_version="3.272.0",
        queue_server="moto",
    )


def text_of(renderable: object, *, colour: bool = False) -> str:
    console = Console(width=200, force_terminal=colour, color_system="standard" if colour else None)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


def test_the_report_has_the_promised_keys_and_counts(tmp_path: Path) -> None:
    path = tmp_path / "demo" / "report.json"
    report.write(made(GOOD, BAD), path)
    read = msgspec.json.decode(path.read_bytes())
    assert set(read) == {
        *("ok", "resources", "apps", "shops", "wall_s", "setup_s", "up_s", "crawl_s"),
        *("pulumi_version", "queue_server"),
    }
    counts = {name: value for name, value in read["shops"][1].items() if name != "details"}
    assert counts == {
        "name": "bad",
        "expected_items": 10,
        "stored_items": 9,
        "missing": 2,
        "duplicated": 1,
        "wrong_fields": 1,
        "robots_violations": 1,
        "rate_violations": 1,
    }
    assert read["shops"][1]["details"]["missing"] == ["S-1", "S-2"]
    assert read["shops"][1]["details"]["wrong_fields"][0]["found"] == "100"
    assert [file.name for file in path.parent.iterdir()] == ["report.json"]


def test_a_run_passes_only_with_shops_and_without_faults() -> None:
    assert report.passed([GOOD])
    assert not report.passed([GOOD, BAD])
    assert not report.passed([])


def test_the_table_has_a_row_a_shop_with_its_rate_against_the_limit() -> None:
    shown = text_of(report.table([GOOD, BAD]))
    good, bad = (next(line for line in shown.splitlines() if name in line) for name in ("good", "bad"))
    assert "10/10" in good
    assert "7.2/10.0" in good
    assert "9/10" in bad


def test_only_what_fails_is_red() -> None:
    red = "31m"
    assert red not in text_of(report.table([GOOD]), colour=True)
    assert text_of(report.table([BAD]), colour=True).count(red) >= 7


def test_the_complaints_name_what_is_wrong() -> None:
    assert report.complaints([GOOD]) == []
    lines = report.complaints([BAD])
    assert len(lines) == 7
    assert "bad: S-4: price is '100', the page says '1.00'" in lines
    assert any("/private/x" in line for line in lines)


def test_names_with_brackets_are_shown_as_they_are() -> None:
    wrong = WrongField("S-4", "name", "Mug [/red]", "Mug")
    console = Console(width=200)
    with console.capture() as capture:
        report.show([msgspec.structs.replace(GOOD, wrong_fields=(wrong,))], console)
    assert "the page says 'Mug [/red]'" in capture.get()


def test_an_empty_log_is_complained_of() -> None:
    assert "log" in report.complaints([msgspec.structs.replace(GOOD, requests=0)])[0]


def test_many_complaints_are_cut_short_and_every_shop_is_heard() -> None:
    worse = msgspec.structs.replace(GOOD, name="worse", missing=tuple(f"S-{n}" for n in range(30)))
    lines = report.complaints([worse, BAD])
    assert len(lines) == 11
    assert "27 more" in lines[-1]
    assert {line.partition(":")[0] for line in lines[:10]} == {"worse", "bad"}
