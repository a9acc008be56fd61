"""A cloud and a shop in this process: moto on a free port with the crawler's queues and tables, and tiny shops."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import boto3
from aiohttp import web
from boto3.dynamodb.types import TypeDeserializer
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.sqs.models import SQSBackend
from werkzeug.serving import make_server

from crawler.runner import Runner
from crawler.settings import Settings, Stage
from crawler.worker import run_worker

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

REGION = "eu-west-1"


def _fair_receives(lock: threading.RLock) -> None:
    """moto's long poll spins on a FIFO queue whose groups are held, and does not see them freed: here it polls."""
    original: Any = SQSBackend.receive_message

    def receive(self: Any, queue: str, count: int, wait_s: int, *args: Any, **kwargs: Any) -> Any:
        end = time.monotonic() + wait_s
        while True:
            with lock:
                messages = original(self, queue, count, 0, *args, **kwargs)
            if messages or time.monotonic() >= end:
                return messages
            time.sleep(0.02)

    setattr(SQSBackend, "receive_message", receive)  # noqa: B010


class _Handler(MotoRequestHandler):
    """Keeps connections open, and keeps quiet."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_request(self, *_: Any, **__: Any) -> None: ...


class MotoServer:
    """moto on 127.0.0.1 and a free port. DynamoDB requests run one at a time: its transactions are not thread-safe."""

    def __init__(self) -> None:
        self._original: Any = SQSBackend.receive_message
        lock = threading.RLock()
        _fair_receives(lock)
        inner = DomainDispatcherApplication(create_backend_app)

        def app(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
            if not str(environ.get("HTTP_X_AMZ_TARGET", "")).endswith("ReceiveMessage"):
                with lock:
                    return inner(environ, start)
            return inner(environ, start)

        self._server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()
        setattr(SQSBackend, "receive_message", self._original)  # noqa: B010


@dataclass
class Cloud:
    """The crawler's queues and tables under names of their own."""

    sqs: "SQSClient"
    dynamodb: "DynamoDBClient"
    s3: "S3Client"
    queues: Mapping[Stage, str]
    dead: Mapping[Stage, str]
    frontier: str
    items: str
    bucket: str
    shops_dir: Path
    environment: Mapping[str, str] = field(default_factory=dict[str, str])

    def settings(self, stage: Stage, **changes: Any) -> Settings:
        base = Settings(
            stage=stage,
            queue_urls=self.queues,
            dead_letter_queue_url=self.dead[stage],
            frontier_table=self.frontier,
            items_table=self.items,
            pages_bucket=self.bucket,
            user_agent="TrawlerTest/1.0",
            region=REGION,
            shops_dir=self.shops_dir,
            visibility_s=20,
            pump_interval_s=0,
            retry_base_s=0.05,
            wait_s=1,
        )
        return replace(base, **changes)

    def rows(self) -> dict[str, dict[str, Any]]:
        """Every URL row of the frontier, by URL."""
        return {row["url"]: row for row in self._scan(self.frontier) if "url" in row}

    def crawls(self) -> list[dict[str, Any]]:
        return [row for row in self._scan(self.frontier) if row["row"] == "#crawl"]

    def stored(self) -> dict[str, dict[str, Any]]:
        """Every item, by its key."""
        return {row["item"]: row for row in self._scan(self.items)}

    def _scan(self, table: str) -> list[dict[str, Any]]:
        read = TypeDeserializer()
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=table)
        return [
            {name: read.deserialize(cast("Any", value)) for name, value in item.items()}
            for page in pages
            for item in page["Items"]
        ]

    def depth(self, url: str) -> int:
        """Messages of a queue, whether visible, in flight or delayed."""
        names = ["", "NotVisible", "Delayed"]
        given = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        answer = cast("dict[str, str]", given)
        return sum(int(answer[f"ApproximateNumberOfMessages{name}"]) for name in names)

    def letters(self, stage: Stage) -> list[dict[str, Any]]:
        """What lies in a dead letter queue."""
        answer = self.sqs.receive_message(
            QueueUrl=self.dead[stage], MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        )
        return [
            {
                "body": message.get("Body", ""),
                **{k: v.get("StringValue", "") for k, v in message.get("MessageAttributes", {}).items()},
            }
            for message in answer.get("Messages", [])
        ]


def make_cloud(session: boto3.session.Session, url: str, name: str, folder: Path) -> Cloud:
    sqs = session.client("sqs", endpoint_url=url)
    dynamodb = session.client("dynamodb", endpoint_url=url)
    s3 = session.client("s3", endpoint_url=url)
    queues: dict[Stage, str] = {}
    dead: dict[Stage, str] = {}
    stages: tuple[Stage, ...] = ("plan", "fetch", "parse", "store")
    for stage in stages:
        suffix, attributes = (".fifo", {"FifoQueue": "true"}) if stage == "fetch" else ("", {})
        urls = [
            sqs.create_queue(QueueName=f"{name}-{stage}{kind}{suffix}", Attributes=cast("Any", attributes))[
                "QueueUrl"
            ]
            for kind in ("", "-dead")
        ]
        queues[stage], dead[stage] = urls
    dynamodb.create_table(
        TableName=f"{name}-frontier",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[
            {"AttributeName": "crawl", "KeyType": "HASH"},
            {"AttributeName": "row", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": "crawl", "AttributeType": "S"},
            {"AttributeName": "row", "AttributeType": "S"},
            {"AttributeName": "pending", "AttributeType": "S"},
            {"AttributeName": "due_at", "AttributeType": "N"},
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "pending",
                "KeySchema": [
                    {"AttributeName": "pending", "KeyType": "HASH"},
                    {"AttributeName": "due_at", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )
    dynamodb.create_table(
        TableName=f"{name}-items",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[
            {"AttributeName": "shop", "KeyType": "HASH"},
            {"AttributeName": "item", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": "shop", "AttributeType": "S"},
            {"AttributeName": "item", "AttributeType": "S"},
        ],
    )
    s3.create_bucket(
        Bucket=f"{name}-pages", CreateBucketConfiguration={"LocationConstraint": cast("Any", REGION)}
    )
    environment = {
        **{f"TRAWLER_{stage.upper()}_QUEUE_URL": queue for stage, queue in queues.items()},
        "TRAWLER_FRONTIER_TABLE": f"{name}-frontier",
        "TRAWLER_ITEMS_TABLE": f"{name}-items",
        "TRAWLER_PAGES_BUCKET": f"{name}-pages",
        "TRAWLER_USER_AGENT": "TrawlerTest/1.0",
        "TRAWLER_SHOPS_DIR": str(folder),
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_ENDPOINT_URL": url,
    }
    return Cloud(
        sqs,
        dynamodb,
        s3,
        queues,
        dead,
        f"{name}-frontier",
        f"{name}-items",
        f"{name}-pages",
        folder,
        environment,
    )


# ---- shops


@dataclass
class Visit:
    """One request a shop saw, and the span of time in which it was served (monotonic seconds)."""

    path: str
    began: float
    ended: float
    status: int


Answer = Callable[[web.Request, int], Awaitable[web.StreamResponse] | web.StreamResponse]


@dataclass
class TinyShop:
    """Pages by path: HTML, or a function of the request and of how often it came before."""

    pages: dict[str, "str | bytes | Answer"]
    robots: "str | Answer | None" = None
    visits: list[Visit] = field(default_factory=list["Visit"])
    base: str = ""
    host: str = ""

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        began = time.monotonic()
        path = request.path_qs
        before = sum(1 for visit in self.visits if visit.path == path)
        visit = Visit(path, began, began, 0)
        self.visits.append(visit)
        page = self.robots if path == "/robots.txt" else self.pages.get(path)
        if page is None:
            answer: web.StreamResponse = web.Response(status=404, text="no such page")
        elif isinstance(page, str):
            answer = web.Response(text=page, content_type="text/html")
        elif isinstance(page, bytes):
            answer = web.Response(body=page, content_type="text/html", charset="utf-8")
        else:
            given = page(request, before)
            answer = given if isinstance(given, web.StreamResponse) else await given
        visit.ended, visit.status = time.monotonic(), answer.status
        return answer

    def paths(self) -> list[str]:
        return [visit.path for visit in self.visits]

    @asynccontextmanager
    async def serve(self) -> AsyncGenerator["TinyShop"]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._serve)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = cast("tuple[str, int]", runner.addresses[0])[1]
        self.host = f"127.0.0.1:{port}"
        self.base = f"http://{self.host}"
        try:
            yield self
        finally:
            await runner.cleanup()


def links(*hrefs: str) -> str:
    anchors = "".join(f'<a href="{href}">x</a>' for href in hrefs)
    return f"<!doctype html><html><body>{anchors}</body></html>"


def product(sku: str, price: str = "9.99", name: str = "", more: str = "") -> str:
    data = {
        "@context": "https://schema.org",
        "@type": "Product",
        "name": name or f"Product {sku}",
        "sku": sku,
        "offers": {
            "@type": "Offer",
            "price": price,
            "priceCurrency": "EUR",
            "availability": "https://schema.org/InStock",
        },
    }
    return (
        "<!doctype html><html><head>"
        f'<script type="application/ld+json">{json.dumps(data)}</script></head><body>{more}</body></html>'
    )


def define(cloud: Cloud, name: str, seed: str, **keys: Any) -> None:
    """A shop definition in the cloud's folder."""
    values = {"name": name, "seeds": [seed], "delay_s": 0.0, **keys}
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    (cloud.shops_dir / f"{name}.toml").write_text("\n".join(lines), encoding="utf-8")


# ---- workers


async def until(condition: Callable[[], bool], what: str, deadline_s: float = 20) -> None:
    """Returns once the condition holds; fails at the deadline, saying what was waited for."""
    end = time.monotonic() + deadline_s
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < end, f"not within {deadline_s} s: {what}"
        await asyncio.sleep(0.1)


@asynccontextmanager
async def workers(
    *settings: Settings, make_runner: Callable[..., Runner] = Runner
) -> AsyncGenerator[asyncio.Event]:
    """Workers in this process, told to stop and waited for at the end."""
    stop = asyncio.Event()
    tasks = [asyncio.create_task(run_worker(one, stop, make_runner)) for one in settings]
    try:
        yield stop
        for task in tasks:
            if task.done():
                task.result()
    finally:
        stop.set()
        await asyncio.gather(*tasks, return_exceptions=True)


async def crawl(cloud: Cloud, deadline_s: float = 30, crawls: int = 1, **changes: Any) -> None:
    """The four workers run until every crawl is finished."""
    stages: tuple[Stage, ...] = ("plan", "fetch", "parse", "store")
    async with workers(*(cloud.settings(stage, **changes) for stage in stages)):
        await until(
            lambda: sum("finished_at" in row for row in cloud.crawls()) >= crawls,
            "every crawl finished",
            deadline_s,
        )
