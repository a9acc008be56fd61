"""One worker put together and run to its end. The only place that makes AWS clients."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import boto3
import structlog
from botocore.config import Config

from crawler.context import Context
from crawler.frontier.crawls import Crawls
from crawler.frontier.table import Frontier
from crawler.items import Items
from crawler.lanes import Lanes
from crawler.pages import Pages
from crawler.queues import Queues
from crawler.runner import Handler, IdleHandler, Runner, Tables
from crawler.settings import Settings
from crawler.shops import read_shops

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

_log = structlog.get_logger()
_LEAVE_S = 7.0
"""After SIGTERM nothing takes longer: Marathon's kill grace period ends at 10 s."""


class Clients:
    """AWS clients of one session; each is made when it is first asked for, since each costs memory."""

    def __init__(self, region: str) -> None:
        self._session = boto3.session.Session(region_name=region)
        self._config = Config(
            connect_timeout=5,
            read_timeout=30,
            retries={"mode": "standard", "total_max_attempts": 5},
            max_pool_connections=10,
        )

    def sqs(self) -> "SQSClient":
        """For queues."""
        return self._session.client("sqs", config=self._config)

    def dynamodb(self) -> "DynamoDBClient":
        """For tables."""
        return self._session.client("dynamodb", config=self._config)

    def s3(self) -> "S3Client":
        """For the pages bucket."""
        return self._session.client("s3", config=self._config)


def crawls_of(clients: Clients, table: str) -> Crawls:
    """Crawls, for commands that need no worker."""
    client = clients.dynamodb()
    return Crawls(client, table, Frontier(client, table))


async def run_worker(
    settings: Settings, stop: asyncio.Event, make_runner: Callable[..., Runner] = Runner
) -> None:
    """Runs one worker until `stop` is set and what it held is finished or handed back.

    Args:
        settings: of its stage.
        stop: set by whoever wants it to end.
        make_runner: the runner's class; a test's own may come between its phases.

    Raises:
        ConfigError: a shop's definition is wrong.
    """
    shops = read_shops(settings.shops_dir, selectors=settings.stage == "parse")
    clients = Clients(settings.region)
    dynamodb = clients.dynamodb()
    frontier = Frontier(dynamodb, settings.frontier_table)
    async with AsyncExitStack() as stack:
        context = Context(settings, shops, Crawls(dynamodb, settings.frontier_table, frontier))
        if settings.pages_bucket:
            context.pages = Pages(clients.s3, settings.pages_bucket)
        items = Items(dynamodb, settings.items_table) if settings.stage == "store" else None
        handler, idle = await _handler(settings, frontier, stack)
        queues = Queues(clients.sqs(), settings.queue_urls, settings.dead_letter_queue_url)
        runner = make_runner(handler, context, queues, Tables(frontier, items), idle)
        work = Lanes(runner).run if settings.stage == "fetch" else runner.run
        _log.info("started", shops=len(shops))
        await _run_until(work, stop)
        await runner.hand_back(runner.held.receipts, 1)
        _log.info("stopped")


async def _handler(
    settings: Settings, frontier: Frontier, stack: AsyncExitStack
) -> tuple[Handler, IdleHandler | None]:
    """The stage's handler; what only one stage needs is imported by that one alone."""
    match settings.stage:
        case "plan":
            from crawler.stages.plan import Plan  # noqa: PLC0415

            plan = Plan(frontier)
            return plan, plan
        case "fetch":
            from crawler.guard import Guard  # noqa: PLC0415
            from crawler.http import Client  # noqa: PLC0415
            from crawler.stages.fetch import FetchStage  # noqa: PLC0415

            client = await stack.enter_async_context(
                Client(settings.user_agent, Guard(settings.private_hosts))
            )
            return FetchStage(client), None
        case "parse":
            from crawler.stages.parse import ParseStage  # noqa: PLC0415

            return ParseStage(), None
        case "store":
            from crawler.stages.store import StoreStage  # noqa: PLC0415

            return StoreStage(), None


async def _run_until(work: "Callable[[asyncio.Event], object]", stop: asyncio.Event) -> None:
    task = asyncio.ensure_future(work(stop))  # type: ignore[arg-type]
    stopped = asyncio.ensure_future(stop.wait())
    await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not task.done():
        await asyncio.wait({task}, timeout=_LEAVE_S)
    if not task.done():
        _log.warning("not finished in time; what is held goes back")
        task.cancel()
        await asyncio.wait({task}, timeout=0.5)
    if task.done() and not task.cancelled():
        task.result()


def main(settings: Settings, make_runner: Callable[..., Runner] = Runner) -> None:
    """Runs one worker until SIGTERM or SIGINT."""

    async def run() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await run_worker(settings, stop, make_runner)

    asyncio.run(run())
