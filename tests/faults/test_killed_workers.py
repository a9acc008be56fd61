"""Workers killed with SIGKILL, anywhere: nothing is lost, nothing is there twice, and the counters stay exact."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
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


def once(
    kill: Callable[[], None], due: Callable[[Mapping[str, Any]], bool]
) -> Callable[[Mapping[str, Any]], None]:
    """Kill at the first turn at which it is due."""
    killed: list[bool] = []

    def turn(row: Mapping[str, Any]) -> None:
        if not killed and due(row):
            killed.append(True)
            kill()

    return turn


@pytest.mark.parametrize("stage", STAGES)
def test_a_worker_killed_in_the_middle_of_a_crawl_loses_and_doubles_nothing(crawl: Crawl, stage: str) -> None:
    crawl.run(once(lambda: crawl.kill(stage), lambda row: row.get("done", 0) >= 4))
    assert crawl.deaths[stage] == 1
    assert_whole(crawl)


@pytest.mark.parametrize(
    ("stage", "phase"),
    [
        pytest.param("plan", "send", id="plan: between the frontier write and the send"),
        pytest.param("plan", "delete", id="plan: between the send and its delete"),
        pytest.param("fetch", "mark", id="fetch: between the send and the mark"),
        pytest.param("fetch", "delete", id="fetch: between the send and its delete"),
        pytest.param("parse", "send", id="parse: between the discoveries and the send"),
        pytest.param("parse", "mark", id="parse: between the send and the mark"),
        pytest.param("store", "mark", id="store: between the items and the mark"),
        pytest.param("store", "delete", id="store: between the mark and the delete"),
    ],
)
def test_a_worker_killed_between_two_effects_loses_and_doubles_nothing(
    crawl: Crawl, stage: str, phase: str
) -> None:
    crawl.die_before(stage, phase)
    crawl.run()
    assert crawl.deaths[stage] == 1
    assert_whole(crawl)


def test_a_page_whose_send_was_done_is_not_asked_for_again(crawl: Crawl) -> None:
    crawl.die_before("fetch", "delete")
    crawl.run()
    log = access_log.read(crawl.folder / "shops" / "access" / f"{SHOP}.jsonl")
    asked = Counter(access.path for access in log if access.status == 200 and access.path != "/robots.txt")
    assert [path for path, times in asked.items() if times > 1] == []


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
