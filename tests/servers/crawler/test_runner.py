"""The runner: nothing lost and nothing twice, wherever a worker dies; poison ends where a person finds it."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import pytest
from aiohttp import web

from crawler.frontier.crawls import Crawls
from crawler.frontier.rows import Row
from crawler.frontier.table import Frontier
from crawler.messages import Fetch, Parse, encode
from crawler.outcome import Discover, Move
from crawler.runner import Runner
from crawler.settings import Stage
from crawler.settling import Settled
from crawler.worker import run_worker
from tests.servers.crawler.support import Cloud, TinyShop, crawl, define, links, product, until, workers

STAGES: tuple[Stage, ...] = ("plan", "fetch", "parse", "store")
CRAWL = "tiny-20250101T000000"


class Killed(BaseException):
    """A kill -9: nothing catches it, nothing is handed back."""


def dying(stage: Stage, phase: str, after: int) -> type[Runner]:
    """A runner of the stage that dies right after the given phase of its n-th batch; others live."""

    class Dying(Runner):
        left = after

        def _die(self, name: str) -> None:
            if self.stage == stage and name == phase:
                Dying.left -= 1
                if Dying.left == 0:
                    raise Killed

        async def _write(self, batch: Sequence[Settled]) -> dict[tuple[str, str], int]:
            counts = await super()._write(batch)
            self._die("write")
            return counts

        async def _send(self, batch: Sequence[Settled]) -> None:
            await super()._send(batch)
            self._die("send")

        async def _mark(self, batch: Sequence[Settled], counts: dict[tuple[str, str], int]) -> None:
            await super()._mark(batch, counts)
            self._die("mark")

        async def hand_back(self, receipts: Sequence[str], seconds: float) -> None:
            if Dying.left > 0 or self.stage != stage:
                await super().hand_back(receipts, seconds)

    return Dying


async def run_to_death(cloud: Cloud, runner: type[Runner], **changes: Any) -> None:
    """All four workers, until one is killed; the others are stopped then."""
    stop = asyncio.Event()
    tasks = [
        asyncio.create_task(run_worker(cloud.settings(stage, **changes), stop, runner)) for stage in STAGES
    ]
    done, _ = await asyncio.wait(tasks, timeout=20, return_when=asyncio.FIRST_COMPLETED)
    assert done, "no worker died"
    stop.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result).__name__ for result in results].count("Killed") == 1


@pytest.mark.parametrize(
    ("stage", "phase", "after"),
    [
        ("plan", "write", 3),
        ("store", "write", 1),
    ],
)
async def test_a_worker_killed_between_two_phases_loses_nothing_and_doubles_nothing(
    cloud: Cloud, stage: Stage, phase: str, after: int
) -> None:
    paths = [f"/{n}" for n in range(6)]
    shop = TinyShop({"/": links(*paths), **{path: product(path) for path in paths}})
    async with shop.serve():
        define(cloud, "tiny", shop.base + "/")
        changes: dict[str, Any] = {
            "private_hosts": frozenset({shop.host}),
            "visibility_s": 2,
            "resend_after_s": 1,
            "wait_s": 0 if stage == "plan" else 1,
        }
        await run_to_death(cloud, dying(stage, phase, after), **changes)
        await crawl(cloud, **changes)
    assert set(cloud.stored()) == {f"sku#{path}" for path in paths}
    assert {row["revision"] for row in cloud.stored().values()} == {1}
    [row] = cloud.crawls()
    assert (int(row["done"]), int(row["dead"]), int(row["items"])) == (8, 0, 6)
    assert {one["state"] for one in cloud.rows().values()} == {"done"}
    assert [cloud.depth(url) for url in cloud.dead.values()] == [0, 0, 0, 0]


async def test_what_cannot_be_read_goes_to_the_dead_letters_with_its_reason(cloud: Cloud) -> None:
    define(cloud, "other", "http://192.0.2.1/", every_hours=1)
    for stage in ("parse", "store"):
        cloud.sqs.send_message(QueueUrl=cloud.queues[stage], MessageBody="{not json")
    cloud.sqs.send_message(
        QueueUrl=cloud.queues["fetch"], MessageBody='{"v": 9}', MessageGroupId="h", MessageDeduplicationId="1"
    )
    async with workers(*(cloud.settings(stage) for stage in ("fetch", "parse", "store"))):
        await until(
            lambda: all(cloud.depth(cloud.dead[stage]) for stage in ("fetch", "parse", "store")),
            "dead letters",
        )
        await until(
            lambda: not any(cloud.depth(cloud.queues[stage]) for stage in ("fetch", "parse", "store")),
            "deletes",
        )
    [letter] = cloud.letters("parse")
    assert letter["body"] == "{not json"
    assert letter["reason"].startswith("not a message")
    assert letter["stage"] == "parse"


def a_row(cloud: Cloud, url: str = "http://192.0.2.1/x") -> Row:
    """A queued row of a crawl that nobody runs."""
    frontier = Frontier(cloud.dynamodb, cloud.frontier)
    Crawls(cloud.dynamodb, cloud.frontier, frontier).start(CRAWL, "tiny", time.time(), None)
    row = Row(CRAWL, url, "192.0.2.1")
    frontier.discover([Discover(CRAWL, (row,), 10, 10)], time.time())
    frontier.move([Move(row, "queued", due_at=time.time() + 60)])
    return row


async def test_a_message_that_fails_every_time_is_retried_then_buried_and_its_row_dead(cloud: Cloud) -> None:
    define(cloud, "tiny", "http://192.0.2.1/")
    row = a_row(cloud)
    poison = Parse(crawl=CRAWL, shop="tiny", url=row.url, host=row.host, body=b"not zlib", fetched_at=1)
    cloud.sqs.send_message(QueueUrl=cloud.queues["parse"], MessageBody=encode(poison))
    async with workers(cloud.settings("parse", max_attempts=3, retry_base_s=0)):
        await until(lambda: cloud.depth(cloud.dead["parse"]) == 1, "the dead letter")
        await until(lambda: cloud.depth(cloud.queues["parse"]) == 0, "the delete")
    [letter] = cloud.letters("parse")
    assert "cannot be unpacked" in letter["reason"]
    assert letter["history"].count("cannot be unpacked") == 2
    dead = cloud.rows()[row.url]
    assert (dead["state"], "cannot be unpacked" in dead["reason"]) == ("dead", True)


async def test_a_redelivered_message_of_a_settled_row_is_dropped_without_a_request(cloud: Cloud) -> None:
    shop = TinyShop({"/": product("A")})
    async with shop.serve():
        define(cloud, "tiny", shop.base + "/")
        changes: dict[str, Any] = {"private_hosts": frozenset({shop.host})}
        await crawl(cloud, **changes)
        before = shop.paths()
        [row] = cloud.crawls()
        again = Fetch(crawl=row["crawl"], shop="tiny", url=shop.base + "/", host=shop.host)
        cloud.sqs.send_message(
            QueueUrl=cloud.queues["fetch"],
            MessageBody=encode(again),
            MessageGroupId=shop.host,
            MessageDeduplicationId="again",
        )
        async with workers(cloud.settings("fetch", **changes)):
            await until(lambda: cloud.depth(cloud.queues["fetch"]) == 0, "the message is gone")
    assert shop.paths() == before


async def test_a_stopped_worker_hands_back_with_what_remains_of_the_hosts_rest(cloud: Cloud) -> None:
    paths = [f"/{n}" for n in range(4)]
    shop = TinyShop({"/": links(*paths), **{path: product(path) for path in paths}})
    async with shop.serve():
        define(cloud, "tiny", shop.base + "/", delay_s=1.5)
        local: dict[str, Any] = {"private_hosts": frozenset({shop.host})}
        async with workers(cloud.settings("plan"), cloud.settings("parse")):
            async with workers(cloud.settings("fetch", **local)):
                await until(lambda: len(shop.visits) >= 3, "the second page")
                stopped_at = time.monotonic()
            assert time.monotonic() - stopped_at < 8
            seen = len(shop.visits)
            async with workers(cloud.settings("fetch", **local)):
                await until(lambda: len(shop.visits) > seen, "the next worker goes on")
    assert shop.visits[seen].began - shop.visits[seen - 1].ended >= 1.5


async def test_the_heartbeat_keeps_what_is_held_from_other_workers(cloud: Cloud) -> None:
    async def slow(_request: Any, _before: int) -> Any:
        await asyncio.sleep(2.7)
        return web.Response(text=product("S"), content_type="text/html")

    shop = TinyShop({"/": slow})
    async with shop.serve():
        define(cloud, "tiny", shop.base + "/")
        changes: dict[str, Any] = {"private_hosts": frozenset({shop.host}), "visibility_s": 2}
        async with workers(cloud.settings("fetch", **changes)):
            await crawl(cloud, **changes)
    assert shop.paths() == ["/robots.txt", "/"]
    assert set(cloud.stored()) == {"sku#S"}
