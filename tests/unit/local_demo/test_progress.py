"""What a person sees of a running crawl."""

import io

from rich.console import Console

from local.demo.progress import ProgressDisplay, line, picture
from local.demo.snapshot import AppTasks, CrawlProgress, QueueDepth, Snapshot

RUNNING = Snapshot(
    taken_at=0.0,
    queues=(QueueDepth("fetch", visible=20, in_flight=7, delayed=1, dead_letters=3), QueueDepth("parse")),
    apps=(AppTasks("crawler/fetch", wanted=2, running=1, staged=1, failure="exited with 1"),),
    crawls=(
        CrawlProgress("books", "books-1", discovered=100, queued=20, fetched=3, done=40, dead=7, items=31),
        CrawlProgress("demo-jsonld", "demo-jsonld-1", done=12, items=10, finished=True),
    ),
    errors=("Marathon at http://127.0.0.1:1: refused",),
)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def shown(snapshot: Snapshot) -> str:
    console = Console(width=160)
    with console.capture() as capture:
        console.print(picture(snapshot, 12.0))
    return capture.get()


def test_the_picture_holds_queues_tasks_items_and_errors() -> None:
    text = shown(RUNNING)
    rows = {row.split()[0]: row.split() for row in text.splitlines() if row.strip()}
    assert rows["books"][-7:] == ["170", "100", "20", "3", "40", "7", "31"]
    assert rows["fetch"][:5] == ["fetch", "20", "7", "1", "3"]
    assert "crawler/fetch" in text
    assert "refused" in text
    assert "exited with 1" in text


def test_an_empty_snapshot_can_be_shown() -> None:
    assert shown(Snapshot(0.0))
    assert "no crawl yet" in line(Snapshot(0.0), 0.0)


def test_a_line_tells_the_same_in_short() -> None:
    text = line(RUNNING, 12.0)
    assert "\n" not in text
    for part in (
        "12 s",
        "books 47/170 urls, 31 items",
        "demo-jsonld 12/12 urls, 10 items (finished)",
        "fetch 20+7+1 (3 dead)",
        "tasks 1/2",
        "refused",
    ):
        assert part in text


def test_brackets_in_errors_are_no_markup() -> None:
    hostile = Snapshot(0.0, errors=("bad [/red] tag",))
    assert "bad [/red] tag" in shown(hostile)
    output = io.StringIO()
    ProgressDisplay(Console(file=output, width=200)).update(hostile)
    assert "bad [/red] tag" in output.getvalue()


def test_without_a_terminal_a_line_comes_every_five_seconds_and_at_the_end() -> None:
    output, clock = io.StringIO(), Clock()
    ended = Snapshot(0.0, crawls=(CrawlProgress("books", "books-1", done=1, finished=True),))
    with ProgressDisplay(Console(file=output, width=80), clock) as display:
        for now in (100.0, 102.0, 104.9, 105.1, 107.0):
            clock.now = now
            display.update(RUNNING)
        display.update(ended)
    lines = output.getvalue().splitlines()
    assert [one.split()[0] for one in lines] == ["0", "5", "7"]
    assert "finished" in lines[-1]


def test_a_terminal_gets_a_live_picture_and_is_left_tidy() -> None:
    output = io.StringIO()
    console = Console(file=output, force_terminal=True, width=160, height=50)
    with ProgressDisplay(console) as display:
        display.update(RUNNING)
    text = output.getvalue()
    assert "books" in text
    assert text.rstrip("\n").endswith("\x1b[?25h")  # the cursor is back
