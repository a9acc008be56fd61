"""Watching the crawl to its end, and judging what it left."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import boto3
import requests
from boto3.dynamodb.conditions import Key
from botocore.config import Config
from rich.console import Console

from local.demo import snapshot
from local.demo.progress import ProgressDisplay
from local.demo.snapshot import Snapshot, Sources
from local.demo.stack_state import StackState
from local.demo.verdict import Item, ShopVerdict, judge
from local.shops import access_log, truth
from local.stack.layout import Layout
from local.stack.processes import StackError
from local.stack.supervisor import shop_urls

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBServiceResource

POLL_S = 1.0
CRAWL_TIMEOUT_S = 900.0
STALL_TIMEOUT_S = 150.0
"""No counter moved for this long: nothing will come any more. Longer than any back-off of a shop."""

_CONFIG = Config(connect_timeout=3, read_timeout=20, retries={"total_max_attempts": 4}, proxies={})
_LOCAL: dict[str, Any] = {
    "region_name": "us-east-1",
    "aws_access_key_id": "local",
    "aws_secret_access_key": "local",
    "config": _CONFIG,
}


def watch(layout: Layout, state: StackState, console: Console, check: Callable[[], None]) -> Snapshot:
    """Show progress until every shop's crawl has finished; the last snapshot.

    Args:
        layout: where the stack listens.
        state: the deployed stack.
        console: where progress goes.
        check: raises when a process of the stack has ended.

    Raises:
        StackError: a process ended, the crawl stands still, or it takes longer than fifteen minutes.
    """
    sources = Sources(
        sqs=boto3.client("sqs", endpoint_url=layout.url["sqs"], **_LOCAL),
        dynamodb=boto3.client("dynamodb", endpoint_url=layout.url["dynamodb"], **_LOCAL),
        queues=state.outputs["queueUrls"],
        dead_letter_queues=state.outputs["deadLetterQueueUrls"],
        frontier_table=state.outputs["frontierTable"],
        marathon_url=layout.url["marathon"],
        shops=sorted(shop_urls(layout)),
    )
    session = requests.Session()
    session.trust_env = False
    started = moved = time.monotonic()
    before: object = None
    with ProgressDisplay(console) as display:
        while True:
            now = snapshot.gather(sources, session)
            display.update(now)
            if now.finished:
                return now
            check()
            if now.crawls != before:
                before, moved = now.crawls, time.monotonic()
            if time.monotonic() - moved > STALL_TIMEOUT_S:
                raise StackError(
                    f"the crawl has stood still for {STALL_TIMEOUT_S:.0f} s; the workers' own words are in "
                    f"the sandboxes under {layout.mesos}"
                )
            if time.monotonic() - started > CRAWL_TIMEOUT_S:
                raise StackError(f"the crawl did not finish within {CRAWL_TIMEOUT_S:.0f} s")
            time.sleep(POLL_S)


def verdicts(layout: Layout, state: StackState, last: Snapshot) -> list[ShopVerdict]:
    """Each shop's items held against its truth, and its access log against its rules."""
    dynamodb = boto3.resource("dynamodb", endpoint_url=layout.url["dynamodb"], **_LOCAL)
    return [
        judge(
            truth.read(layout.shops / "truth" / f"{crawl.shop}.json"),
            stored_items(dynamodb, state.outputs["itemsTable"], crawl.shop),
            access_log.read(layout.shops / "access" / f"{crawl.shop}.jsonl"),
            refused_by_robots=crawl.refused,
        )
        for crawl in last.crawls
    ]


def stored_items(dynamodb: DynamoDBServiceResource, table: str, shop: str) -> Sequence[Item]:
    """Every item of a shop, in the order of its range key."""
    items: list[Item] = []
    start: dict[str, Any] = {}
    while True:
        page = dynamodb.Table(table).query(KeyConditionExpression=Key("shop").eq(shop), **start)
        items += page["Items"]
        if "LastEvaluatedKey" not in page:
            return items
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
