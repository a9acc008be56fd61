"""The frontier: exact under duplicates, redelivery and several workers."""

import threading
from collections import Counter
from typing import cast

import pytest

from crawler.frontier.crawls import Crawls, crawl_id
from crawler.frontier.rows import Host, Row, State
from crawler.frontier.table import Frontier
from crawler.outcome import Discover, Move
from tests.servers.crawler.support import Cloud

NOW = 1_700_000_000.0
CRAWL = "tiny-20250101T000000"


@pytest.fixture
def frontier(cloud: Cloud) -> Frontier:
    return Frontier(cloud.dynamodb, cloud.frontier)


@pytest.fixture
def crawls(cloud: Cloud, frontier: Frontier) -> Crawls:
    crawls = Crawls(cloud.dynamodb, cloud.frontier, frontier)
    assert crawls.start(CRAWL, "tiny", NOW, None)
    return crawls


def row(path: str, due_at: float = NOW) -> Row:
    return Row(CRAWL, f"https://tiny.example{path}", "tiny.example", due_at=due_at)


def find(*paths: str, max_urls: int = 1_000, per_pattern: int = 1_000) -> Discover:
    return Discover(CRAWL, tuple(row(path) for path in paths), max_urls, per_pattern)


def counters(crawls: Crawls) -> dict[str, int]:
    crawl = crawls.view(CRAWL, [], []).crawl
    assert crawl is not None
    return {name: n for name, n in crawl.counters.items() if n}


def assert_exact(cloud: Cloud, crawls: Crawls) -> None:
    """The counters are what the rows are."""
    states = Counter(cast("str", one["state"]) for one in cloud.rows().values())
    kept = {
        name: n
        for name, n in counters(crawls).items()
        if name in {"discovered", "queued", "fetched", "done", "dead"}
    }
    assert kept == dict(states)


def test_a_url_found_twice_has_one_row_and_counts_once(
    cloud: Cloud, frontier: Frontier, crawls: Crawls
) -> None:
    paths = [f"/{n}" for n in range(130)]
    assert frontier.discover([find(*paths, "/1"), find("/2")], NOW) == 130
    assert frontier.discover([find(*paths)], NOW) == 0
    assert Frontier(cloud.dynamodb, cloud.frontier).discover([find(*paths, "/new")], NOW) == 1
    assert counters(crawls) == {"discovered": 131}
    assert_exact(cloud, crawls)


def test_workers_that_find_the_same_urls_at_once_count_them_once(cloud: Cloud, crawls: Crawls) -> None:
    paths = [f"/a{n}" for n in range(60)]
    workers = [Frontier(cloud.dynamodb, cloud.frontier) for _ in range(4)]
    threads = [
        threading.Thread(target=worker.discover, args=([find(*paths[n * 5 :], *paths[: n * 5])], NOW))
        for n, worker in enumerate(workers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert counters(crawls) == {"discovered": 60}
    assert_exact(cloud, crawls)


def test_a_move_made_twice_counts_once_and_a_late_one_is_dropped(
    cloud: Cloud, frontier: Frontier, crawls: Crawls
) -> None:
    frontier.discover([find("/a", "/b")], NOW)
    a, b = row("/a"), row("/b")
    queue = [Move(a, "queued", due_at=NOW), Move(b, "queued", due_at=NOW)]
    assert [frontier.move(queue), frontier.move(queue)] == [2, 0]
    stored = frontier.rows([(CRAWL, a.row), (CRAWL, b.row)])
    a, b = stored[CRAWL, a.row], stored[CRAWL, b.row]
    done: frozenset[State] = frozenset({"queued", "fetched"})
    # Parse may be faster than fetch's own mark: its end is accepted from queued, and the late mark is not.
    assert frontier.move([Move(a, "done", also=done, counters={"items": 2})]) == 1
    assert frontier.move([Move(a, "fetched"), Move(b, "fetched")]) == 1
    assert frontier.move([Move(b, "done", also=done), Move(b, "done", also=done)]) == 1
    assert counters(crawls) == {"done": 2, "items": 2}
    assert_exact(cloud, crawls)


def test_a_message_of_an_earlier_attempt_settles_nothing(frontier: Frontier, crawls: Crawls) -> None:
    frontier.discover([find("/a")], NOW)
    frontier.move([Move(row("/a"), "queued", due_at=NOW)])
    [first] = frontier.rows([(CRAWL, row("/a").row)]).values()
    frontier.move([Move(first, "discovered", attempts=1, due_at=NOW)])
    [second] = frontier.rows([(CRAWL, row("/a").row)]).values()
    frontier.move([Move(second, "queued", due_at=NOW)])
    assert frontier.move([Move(first, "fetched")]) == 0
    assert counters(crawls) == {"queued": 1}


def test_a_crawl_is_bounded_by_urls_and_by_urls_of_a_pattern(frontier: Frontier, crawls: Crawls) -> None:
    months = [f"/calendar/{year}/{month}" for year in range(2000, 2010) for month in range(1, 13)]
    for month in months:
        frontier.discover([find(month, per_pattern=20)], NOW)
    # The first URL of a pattern in a process is not counted.
    assert counters(crawls) == {"discovered": 21, "capped": 99}
    frontier.discover([find(*(f"/p{chr(97 + n)}" for n in range(20)), max_urls=25)], NOW)
    assert counters(crawls) == {"discovered": 25, "capped": 99 + 16}


def test_pending_rows_come_by_due_time_and_not_before_it(frontier: Frontier, crawls: Crawls) -> None:
    rows = (row("/later", NOW + 10.5), row("/second", NOW - 1), row("/first", NOW - 2.25))
    frontier.discover([Discover(CRAWL, rows, 100, 100)], NOW)
    found = frontier.pending(CRAWL, "tiny.example", "discovered", NOW, 10)
    assert [(one.url.rpartition("/")[2], one.due_at) for one in found] == [
        ("first", NOW - 2.25),
        ("second", NOW - 1),
    ]
    assert frontier.pending(CRAWL, "other.example", "discovered", NOW, 10) == []
    assert frontier.count(CRAWL, "tiny.example", "discovered") == 3


def test_exactly_one_planner_starts_a_crawl(crawls: Crawls) -> None:
    later = crawl_id("tiny", NOW + 86_400)
    assert crawls.start(later, "tiny", NOW + 86_400, CRAWL)
    assert not crawls.start(crawl_id("tiny", NOW + 86_401), "tiny", NOW + 86_401, CRAWL)
    assert crawls.schedules(["tiny"])["tiny"].last_crawl == later


def test_a_turn_is_taken_once_and_only_a_settled_crawl_finishes(frontier: Frontier, crawls: Crawls) -> None:
    assert [crawls.advance(CRAWL, 0, NOW), crawls.advance(CRAWL, 0, NOW)] == [True, False]
    frontier.discover([find("/a")], NOW)
    assert not crawls.finish(CRAWL, NOW)
    frontier.move([Move(row("/a"), "dead", reason="http 404")])
    assert [crawls.finish(CRAWL, NOW), crawls.finish(CRAWL, NOW)] == [True, False]
    assert not crawls.advance(CRAWL, 1, NOW)


def test_rows_of_a_crawl_that_is_gone_are_left_alone(frontier: Frontier, crawls: Crawls) -> None:
    gone = Row("gone-20240101T000000", "https://tiny.example/x", "tiny.example", state="queued")
    assert frontier.discover([Discover(gone.crawl, (gone,), 10, 10)], NOW) == 0
    assert frontier.move([Move(gone, "done")]) == 0


def test_what_is_known_of_a_host_is_kept(crawls: Crawls) -> None:
    assert crawls.host("tiny.example") is None
    host = Host("tiny.example", "rules", NOW, 2.5, b"\x1f\x8b")
    crawls.keep_host(host)
    assert crawls.host("tiny.example") == host
