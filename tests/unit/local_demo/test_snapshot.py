"""A snapshot of real queues and tables, and of a Marathon that answers, or does not."""

import json
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest
import requests
from botocore.config import Config
from moto.server import ThreadedMotoServer

from local.demo.snapshot import AppTasks, CrawlProgress, QueueDepth, Sources, gather

APPS = {
    "apps": [
        {"id": "/crawler/plan", "instances": 1, "tasksRunning": 1, "tasksStaged": 0, "cmd": "ignored"},
        {
            "id": "/crawler/fetch",
            "instances": 2,
            "tasksRunning": 1,
            "tasksStaged": 1,
            "lastTaskFailure": {"message": "Command exited with status 1", "state": "TASK_FAILED"},
        },
    ]
}


@contextmanager
def marathon(body: bytes) -> Generator[tuple[str, list[str]]]:
    """A server that answers `body`; its URL and the paths it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def sources(endpoint: str) -> Sources:
    options: dict[str, Any] = {
        "endpoint_url": endpoint,
        "region_name": "eu-central-1",
        "aws_access_key_id": "local",
        "aws_secret_access_key": "local",
        "config": Config(connect_timeout=2, read_timeout=5, retries={"max_attempts": 0}),
    }
    sqs, dynamodb = boto3.client("sqs", **options), boto3.client("dynamodb", **options)
    names = ("fetch", "fetch-dead", "parse")
    urls = {name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in names}
    dynamodb.create_table(
        TableName="frontier",
        AttributeDefinitions=[
            {"AttributeName": "crawl", "AttributeType": "S"},
            {"AttributeName": "row", "AttributeType": "S"},
        ],
        KeySchema=[
            {"AttributeName": "crawl", "KeyType": "HASH"},
            {"AttributeName": "row", "KeyType": "RANGE"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    for body in ("1", "2", "3"):
        sqs.send_message(QueueUrl=urls["fetch"], MessageBody=body)
    sqs.receive_message(QueueUrl=urls["fetch"], MaxNumberOfMessages=1)
    sqs.send_message(QueueUrl=urls["fetch"], MessageBody="later", DelaySeconds=600)
    sqs.send_message(QueueUrl=urls["fetch-dead"], MessageBody="poison")
    rows: list[dict[str, Any]] = [
        {"crawl": {"S": "shop#books"}, "row": {"S": "#schedule"}, "last_crawl": {"S": "books-2"}},
        {"crawl": {"S": "shop#demo"}, "row": {"S": "#schedule"}, "last_crawl": {"S": "demo-1"}},
        {"crawl": {"S": "books-1"}, "row": {"S": "#crawl"}, "done": {"N": "99"}, "finished_at": {"S": "x"}},
        {
            "crawl": {"S": "books-2"},
            "row": {"S": "#crawl"},
            "shop": {"S": "books"},
            **{name: {"N": str(n)} for n, name in enumerate(("discovered", "queued", "fetched", "done"), 1)},
            "dead": {"N": "5"},
            "items": {"N": "3"},
            "refused": {"N": "2"},
        },
        {
            "crawl": {"S": "demo-1"},
            "row": {"S": "#crawl"},
            "done": {"N": "7"},
            "finished_at": {"S": "2026-01-01T00:00:00Z"},
        },
    ]
    for row in rows:
        dynamodb.put_item(TableName="frontier", Item=row)
    return Sources(
        sqs=sqs,
        dynamodb=dynamodb,
        queues={name: urls[name] for name in ("fetch", "parse")},
        dead_letter_queues={"fetch": urls["fetch-dead"]},
        frontier_table="frontier",
        marathon_url="http://127.0.0.1:1",
        shops=("books", "demo", "new"),
    )


def test_a_snapshot_holds_queues_tasks_and_the_latest_crawl_of_each_shop(sources: Sources) -> None:
    with marathon(json.dumps(APPS).encode()) as (url, asked), requests.Session() as session:
        snapshot = gather(replace(sources, marathon_url=url), session)
    assert snapshot.errors == ()
    assert snapshot.queues == (QueueDepth("fetch", 2, 1, 1, dead_letters=1), QueueDepth("parse"))
    assert snapshot.apps == (
        AppTasks("crawler/fetch", 2, 1, 1, "Command exited with status 1"),
        AppTasks("crawler/plan", 1, 1, 0),
    )
    books, demo, new = snapshot.crawls
    assert books == CrawlProgress("books", "books-2", 1, 2, 3, 4, 5, refused=2, items=3)
    assert books.known == 15
    assert (demo.done, demo.finished) == (7, True)
    assert new == CrawlProgress("new")
    assert asked == ["/v2/apps?embed=apps.counts&embed=apps.lastTaskFailure"]


def test_a_crawl_is_finished_when_every_shop_is(sources: Sources) -> None:
    with requests.Session() as session:
        assert not gather(sources, session).finished
        assert not gather(replace(sources, shops=("demo", "new")), session).finished
        assert gather(replace(sources, shops=("demo",)), session).finished
        assert not gather(replace(sources, shops=()), session).finished


@pytest.mark.parametrize("body", [b"<html>starting", b'{"apps": 3}'])
def test_a_marathon_that_talks_nonsense_is_an_error_line(sources: Sources, body: bytes) -> None:
    with marathon(body) as (url, _), requests.Session() as session:
        snapshot = gather(replace(sources, marathon_url=url), session)
    (error,) = snapshot.errors
    assert url in error
    assert snapshot.apps == ()
    assert len(snapshot.queues) == 2


def test_what_does_not_answer_is_told_and_the_rest_is_shown(sources: Sources, endpoint: str) -> None:
    gone = {"fetch": f"{endpoint}/123456789012/nowhere", "parse": sources.queues["parse"]}
    with requests.Session() as session:
        snapshot = gather(replace(sources, queues=gone, frontier_table="nowhere"), session)
    assert [error.split()[0] for error in snapshot.errors] == ["queue", "Marathon", "table"]
    assert [queue.name for queue in snapshot.queues] == ["parse"]
    assert all("\n" not in error for error in snapshot.errors)
