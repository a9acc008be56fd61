"""Workers killed with SIGKILL, anywhere: nothing is lost, nothing is there twice, and the counters stay exact."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from local.shops import access_log
from tests.faults.conftest import SHOP, STAGES, Crawl

pytestmark = pytest.mark.timeout(150)


def assert_whole(crawl: Crawl) -> None:
    """Every item once and right, no rule broken, every URL at its end, counters equal to the rows."""
    verdict = crawl.verdict()
    assert verdict.expected_items > 0
    assert verdict.missing == ()
    assert verdict.duplicated == ()
    assert verdict.wrong_fields == ()
    assert verdict.unexpected == ()
    assert verdict.robots_violations == ()
    assert verdict.rate_violations == ()
    row, states = crawl.row(), Counter(url["state"] for url in crawl.url_rows())
    assert {state: row.get(state, 0) for state in ("discovered", "queued", "fetched")} == {
        "discovered": 0,
        "queued": 0,
        "fetched": 0,
    }
    assert (row["done"], row["dead"]) == (states["done"], states["dead"])
    assert row["items"] == verdict.expected_items
    assert [stage for stage in STAGES if crawl.depth(crawl.environment[f"DEAD_{stage}"])] == []


def test_workers_of_every_stage_killed_in_the_middle_of_a_crawl_lose_and_double_nothing(crawl: Crawl) -> None:
    left = list(STAGES)

    def kill_the_next(row: Mapping[str, Any]) -> None:
        if left and row.get("done", 0) >= 3 * (len(STAGES) - len(left) + 1):
            crawl.kill(left.pop(0))

    crawl.run(kill_the_next)
    assert crawl.deaths == dict.fromkeys(STAGES, 1)
    assert_whole(crawl)


def test_a_planner_killed_between_the_frontier_write_and_the_send_loses_and_doubles_nothing(
    crawl: Crawl,
) -> None:
    crawl.die_before("plan", "send", nth=4)
    crawl.run()
    assert crawl.deaths == {"plan": 1}
    assert_whole(crawl)


def test_a_fetcher_killed_between_its_send_and_its_delete_loses_and_doubles_nothing(crawl: Crawl) -> None:
    crawl.die_before("fetch", "delete")
    crawl.run()
    assert crawl.deaths == {"fetch": 1}
    assert_whole(crawl)
    # The row said that the page was on its way: it is not asked for again.
    log = access_log.read(crawl.folder / "shops" / "access" / f"{SHOP}.jsonl")
    asked = Counter(access.path for access in log if access.status == 200 and access.path != "/robots.txt")
    assert [path for path, times in asked.items() if times > 1] == []


@pytest.mark.parametrize(
    "deaths",
    [
        pytest.param(
            {"plan": "delete", "fetch": "mark", "parse": "send", "store": "mark"}, id="before the marks"
        ),
        pytest.param({"fetch": "send", "parse": "mark", "store": "delete"}, id="around them"),
    ],
)
def test_workers_killed_between_any_two_effects_lose_and_double_nothing(
    crawl: Crawl, deaths: dict[str, str]
) -> None:
    for stage, phase in deaths.items():
        crawl.die_before(stage, phase)
    crawl.run()
    assert crawl.deaths == dict.fromkeys(deaths, 1)
    assert_whole(crawl)


def test_an_invalid_message_ends_in_the_dead_letter_queue_with_its_reason_and_harms_nothing(
    crawl: Crawl,
) -> None:
    sqs = crawl.services.client("sqs")
    sqs.send_message(QueueUrl=crawl.environment["TRAWLER_PARSE_QUEUE_URL"], MessageBody="{not json")
    crawl.run()
    dead = crawl.environment["DEAD_parse"]
    (message,) = sqs.receive_message(
        QueueUrl=dead, MessageAttributeNames=["All"], MaxNumberOfMessages=10, WaitTimeSeconds=5
    )["Messages"]
    assert message["Body"] == "{not json"
    assert message["MessageAttributes"]["stage"]["StringValue"] == "parse"
    assert message["MessageAttributes"]["reason"]["StringValue"]
    sqs.delete_message(QueueUrl=dead, ReceiptHandle=message["ReceiptHandle"])
    assert_whole(crawl)
