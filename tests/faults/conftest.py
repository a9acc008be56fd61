"""The four workers as processes on local queues and tables, restarted when they die, as Marathon would."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from local.demo.crawl import stored_items
from local.demo.verdict import ShopVerdict, judge
from local.shops import access_log, definitions, truth
from local.stack import processes
from local.stack.layout import ROOT, Layout, Ports
from local.stack.processes import Child
from local.stack.supervisor import answers, moto_command
from tests.stack.conftest import free_ports, local_client

STAGES = ("plan", "fetch", "parse", "store")
SHOP = "demo-jsonld"
VISIBILITY_S = 4
CRAWL_TIMEOUT_S = 90.0
POLL_S = 0.1


@dataclass(frozen=True)
class Services:
    """Queue and table servers, shared by the tests of a process."""

    layout: Layout

    def client(self, service: str) -> Any:
        """A boto3 client."""
        return local_client(self.layout, service)


@dataclass
class Crawl:
    """One crawl of a small shop with hostile corners, by workers that may die.

    Attributes:
        commands: stage → command line of its next start; the plain worker where there is none.
        deaths: how often each stage's worker died.
    """

    services: Services
    folder: Path
    environment: Mapping[str, str]
    tables: Mapping[str, str]
    commands: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    workers: dict[str, Child] = field(default_factory=dict[str, Child])
    deaths: Counter[str] = field(default_factory=Counter[str])

    def die_before(self, stage: str, phase: str, nth: int = 2) -> None:
        """The stage's worker kills itself just before that phase, the nth time."""
        marker = str(self.folder / f"{stage}-{phase}")
        module = [sys.executable, "-m", "tests.faults.dying_worker"]
        self.commands[stage] = [*module, stage, phase, str(nth), marker]

    def kill(self, stage: str) -> None:
        """SIGKILL, now."""
        self.workers[stage].process.send_signal(signal.SIGKILL)

    def run(self, each_turn: Callable[[Mapping[str, Any]], None] = lambda _row: None) -> None:
        """Crawl to the end.

        Args:
            each_turn: called with the crawl's row again and again; may kill.
        """
        deadline = time.monotonic() + CRAWL_TIMEOUT_S
        while True:
            for stage in STAGES:
                self._keep_running(stage)
            row = self.row()
            if "finished_at" in row:
                return
            each_turn(row)
            assert time.monotonic() < deadline, f"not finished: {row}\n{self._words()}"
            time.sleep(POLL_S)

    def row(self) -> dict[str, Any]:
        """The crawl's row with its counters; empty before the crawl has begun."""
        table = self._table("frontier")
        schedule = table.get_item(Key={"crawl": f"shop#{SHOP}", "row": "#schedule"}).get("Item", {})
        if "last_crawl" not in schedule:
            return {}
        return table.get_item(Key={"crawl": schedule["last_crawl"], "row": "#crawl"}).get("Item", {})

    def url_rows(self) -> list[dict[str, Any]]:
        """Every URL's row of the crawl."""
        rows = self._table("frontier").scan()["Items"]
        return [row for row in rows if row["row"].startswith("url#")]

    def verdict(self) -> ShopVerdict:
        """Items against the truth, requests against the rules."""
        return judge(
            truth.read(self.folder / "shops" / "truth" / f"{SHOP}.json"),
            stored_items(self._dynamodb(), self.tables["items"], SHOP),
            access_log.read(self.folder / "shops" / "access" / f"{SHOP}.jsonl"),
        )

    def depth(self, url: str) -> int:
        """Messages of a queue, in flight or not."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.services.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)
        return sum(int(value) for value in found["Attributes"].values())

    def end(self) -> None:
        """No worker is left."""
        processes.end(list(self.workers.values()))

    def _keep_running(self, stage: str) -> None:
        child = self.workers.get(stage)
        if child is not None and child.process.poll() is None:
            return
        if child is not None:
            assert child.process.returncode == -signal.SIGKILL, processes.tail(child.log, 30)
            self.deaths[stage] += 1
        command = self.commands.get(stage, [sys.executable, "-m", "crawler", stage])
        environment = {**self.environment, "TRAWLER_DEAD_LETTER_QUEUE_URL": self.environment[f"DEAD_{stage}"]}
        log = self.folder / "logs" / f"{stage}-{self.deaths[stage]}.log"
        self.workers[stage] = processes.start(stage, command, log, environment)

    def _words(self) -> str:
        return "\n".join(f"{s}:\n{processes.tail(c.log, 5)}" for s, c in self.workers.items())

    def _dynamodb(self) -> Any:
        return boto3.resource(
            "dynamodb",
            endpoint_url=self.services.layout.url["dynamodb"],
            region_name="us-east-1",
            aws_access_key_id="local",
            aws_secret_access_key="local",
            config=Config(proxies={}),
        )

    def _table(self, name: str) -> Any:
        return self._dynamodb().Table(self.tables[name])


@pytest.fixture(scope="session")
def services(tmp_path_factory: pytest.TempPathFactory) -> Generator[Services]:
    """SQS, DynamoDB and S3 on loopback."""
    layout = Layout(tmp_path_factory.mktemp("services"), Ports.from_base(free_ports()))
    ports = {"aws": layout.ports.aws, "sqs": layout.ports.sqs, "dynamodb": layout.ports.dynamodb}
    children = [
        processes.start(name, moto_command(name, port), layout.logs / f"{name}.log")
        for name, port in ports.items()
    ]
    try:
        for child in children:
            url = layout.url[child.name]
            processes.await_ready(child, lambda url=url: answers(url), 60)
        yield Services(layout)
    finally:
        processes.end(children)


@pytest.fixture
def crawl(services: Services, tmp_path: Path) -> Generator[Crawl]:
    """A shop of its own, fresh queues and tables; no worker runs yet."""
    shops = processes.start("shops", _shops_command(tmp_path / "shops"), tmp_path / "logs" / "shops.log")
    crawl: Crawl | None = None
    try:
        listing = tmp_path / "shops" / "shops.json"
        processes.await_ready(shops, listing.exists, 30)
        base: str = json.loads(listing.read_text())[SHOP]
        host = base.removeprefix("http://").rstrip("/")
        (definition,) = definitions.write(tmp_path / "definitions", {SHOP: int(host.rsplit(":", 1)[1])})
        # Deep enough for every product; less of the endless calendar is less to wait for.
        definition.write_text(re.sub(r"max_depth = \d+", "max_depth = 5", definition.read_text()))
        crawl = _made(services, tmp_path, host)
        yield crawl
    finally:
        if crawl:
            crawl.end()
        processes.end([shops])


def _shops_command(run_dir: Path) -> list[str | Path]:
    command: list[str | Path] = [sys.executable, "-m", "local.shops", "serve", "--exit-with-parent"]
    return [*command, "--run-dir", run_dir, "--seed", "3", "--products", "30", "--ports", "0,0,0"]


def _made(services: Services, folder: Path, host: str) -> Crawl:
    prefix = f"t{uuid.uuid4().hex[:8]}"
    sqs, dynamodb = services.client("sqs"), services.client("dynamodb")
    environment = {
        **services.layout.aws_environment(),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "workers")]),
        "TRAWLER_FRONTIER_TABLE": f"{prefix}-frontier",
        "TRAWLER_ITEMS_TABLE": f"{prefix}-items",
        "TRAWLER_PAGES_BUCKET": f"{prefix}-pages",
        "TRAWLER_SHOPS_DIR": str(folder / "definitions"),
        "TRAWLER_PRIVATE_HOSTS": host,
        "TRAWLER_USER_AGENT": "trawler-tests",
        "TRAWLER_VISIBILITY_S": str(VISIBILITY_S),
        "TRAWLER_PUMP_INTERVAL_S": "0.5",
        "TRAWLER_RESEND_AFTER_S": "6",
        "TRAWLER_RETRY_BASE_S": "0.2",
        "TRAWLER_WAIT_S": "1",
        "TRAWLER_WINDOW": "10",
    }
    for stage in STAGES:
        fifo = stage == "fetch"
        for variable, name in (
            (f"TRAWLER_{stage.upper()}_QUEUE_URL", stage),
            (f"DEAD_{stage}", f"{stage}-dead"),
        ):
            attributes = {"VisibilityTimeout": str(VISIBILITY_S), **({"FifoQueue": "true"} if fifo else {})}
            made = sqs.create_queue(
                QueueName=f"{prefix}-{name}{'.fifo' if fifo else ''}", Attributes=attributes
            )
            environment[variable] = made["QueueUrl"]
    _table(dynamodb, f"{prefix}-frontier", "crawl", "row", index=True)
    _table(dynamodb, f"{prefix}-items", "shop", "item", index=False)
    services.client("s3").create_bucket(Bucket=f"{prefix}-pages")
    tables = {"frontier": f"{prefix}-frontier", "items": f"{prefix}-items"}
    return Crawl(services, folder, environment, tables)


def _table(dynamodb: Any, name: str, hash_key: str, range_key: str, *, index: bool) -> None:
    """The tables as `infra/tables.py` makes them."""

    def keys(first: str, second: str) -> list[dict[str, str]]:
        return [
            {"AttributeName": first, "KeyType": "HASH"},
            {"AttributeName": second, "KeyType": "RANGE"},
        ]

    texts = [hash_key, range_key, *(["pending"] if index else [])]
    attributes = [{"AttributeName": name, "AttributeType": "S"} for name in texts]
    more: dict[str, Any] = {}
    if index:
        attributes.append({"AttributeName": "due_at", "AttributeType": "N"})
        projection = {"ProjectionType": "ALL"}
        more["GlobalSecondaryIndexes"] = [
            {"IndexName": "pending", "KeySchema": keys("pending", "due_at"), "Projection": projection}
        ]
    dynamodb.create_table(
        TableName=name,
        KeySchema=keys(hash_key, range_key),
        AttributeDefinitions=attributes,
        BillingMode="PAY_PER_REQUEST",
        **more,
    )
