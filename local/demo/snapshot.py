"""The state of a running stack at one moment: queues, tasks, crawls."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec
import requests
from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

#: DynamoDB takes at most this many keys in a BatchGetItem (API reference, BatchGetItem).
_BATCH: Final = 100
_TIMEOUT_S: Final = 5.0


@dataclass(frozen=True)
class QueueDepth:
    """Messages of one queue, approximately as SQS itself says; `dead_letters` wait in its dead letter queue."""

    name: str
    visible: int = 0
    in_flight: int = 0
    delayed: int = 0
    dead_letters: int = 0


@dataclass(frozen=True)
class AppTasks:
    """A Marathon app: how many tasks are wanted, run and start; `failure` is the last one's message."""

    name: str
    wanted: int
    running: int
    staged: int
    failure: str | None = None


@dataclass(frozen=True)
class CrawlProgress:
    """Rows of a shop's latest crawl by state; `crawl` is None before the first."""

    shop: str
    crawl: str | None = None
    discovered: int = 0
    queued: int = 0
    fetched: int = 0
    done: int = 0
    dead: int = 0
    refused: int = 0
    capped: int = 0
    items: int = 0
    finished: bool = False

    @property
    def known(self) -> int:
        """URLs known so far."""
        return self.discovered + self.queued + self.fetched + self.done + self.dead


@dataclass(frozen=True)
class Snapshot:
    """All of it; what could not be read is told in `errors`, and absent. `taken_at` in epoch seconds."""

    taken_at: float
    queues: tuple[QueueDepth, ...] = ()
    apps: tuple[AppTasks, ...] = ()
    crawls: tuple[CrawlProgress, ...] = ()
    errors: tuple[str, ...] = ()

    @property
    def finished(self) -> bool:
        """True when every shop's crawl has come to its end."""
        return bool(self.crawls) and all(crawl.finished for crawl in self.crawls)


@dataclass(frozen=True)
class Sources:
    """Where a snapshot comes from.

    Args:
        sqs, dynamodb: clients with timeouts of their own.
        queues: name → URL, in the order they are shown.
        dead_letter_queues: name of the queue they belong to → URL.
        frontier_table: name of the table with the crawls' rows.
        marathon_url: base URL, such as `http://127.0.0.1:18080`.
        shops: names of the shops whose crawls are watched.
    """

    sqs: SQSClient
    dynamodb: DynamoDBClient
    queues: Mapping[str, str]
    dead_letter_queues: Mapping[str, str]
    frontier_table: str
    marathon_url: str
    shops: Sequence[str]


def gather(sources: Sources, session: requests.Session) -> Snapshot:
    """The state now. Never raises for a part that does not answer: that part is missing and `errors` says why."""
    errors: list[str] = []
    queues = tuple(_queues(sources, errors))
    apps = tuple(_apps(sources.marathon_url, session, errors))
    crawls = _crawls(sources, errors)
    return Snapshot(time.time(), queues, apps, crawls, tuple(errors))


def _queues(sources: Sources, errors: list[str]) -> Iterator[QueueDepth]:
    for name, url in sources.queues.items():
        try:
            depth = _depth(sources.sqs, url)
            dead = sources.dead_letter_queues.get(name)
            dead_letters = sum(_depth(sources.sqs, dead)) if dead else 0
        except (BotoCoreError, ClientError) as error:
            errors.append(f"queue {name}: {_one_line(error)}")
        else:
            yield QueueDepth(name, *depth, dead_letters=dead_letters)


def _depth(sqs: SQSClient, url: str) -> tuple[int, int, int]:
    attributes = sqs.get_queue_attributes(
        QueueUrl=url,
        AttributeNames=[
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed",
        ],
    ).get("Attributes", {})
    return (
        int(attributes.get("ApproximateNumberOfMessages", 0)),
        int(attributes.get("ApproximateNumberOfMessagesNotVisible", 0)),
        int(attributes.get("ApproximateNumberOfMessagesDelayed", 0)),
    )


class _Failure(msgspec.Struct):
    message: str = ""
    state: str = ""


class _App(msgspec.Struct, rename="camel"):
    """The part of Marathon's app that is shown (Marathon REST API, GET /v2/apps)."""

    id: str
    instances: int = 0
    tasks_running: int = 0
    tasks_staged: int = 0
    last_task_failure: _Failure | None = None


class _Apps(msgspec.Struct):
    apps: list[_App]


def _apps(url: str, session: requests.Session, errors: list[str]) -> Iterator[AppTasks]:
    try:
        answer = session.get(
            f"{url.rstrip('/')}/v2/apps",
            params={"embed": ["apps.counts", "apps.lastTaskFailure"]},
            timeout=_TIMEOUT_S,
        )
        answer.raise_for_status()
        apps = msgspec.json.decode(answer.content, type=_Apps).apps
    except (requests.RequestException, msgspec.MsgspecError) as error:
        errors.append(f"Marathon at {url}: {_one_line(error)}")
        return
    for app in sorted(apps, key=lambda app: app.id):
        failure = app.last_task_failure
        text = (failure.message or failure.state) if failure else None
        yield AppTasks(app.id.strip("/"), app.instances, app.tasks_running, app.tasks_staged, text)


def _crawls(sources: Sources, errors: list[str]) -> tuple[CrawlProgress, ...]:
    """The latest crawl of each shop: two batch reads, however many shops and URLs there are."""
    try:
        schedules = _rows(sources, [(f"shop#{shop}", "#schedule") for shop in sources.shops])
        latest = {
            row["crawl"].removeprefix("shop#"): row["last_crawl"] for row in schedules if "last_crawl" in row
        }
        crawls = {
            row["crawl"]: row for row in _rows(sources, [(crawl, "#crawl") for crawl in latest.values()])
        }
    except (BotoCoreError, ClientError) as error:
        errors.append(f"table {sources.frontier_table}: {_one_line(error)}")
        return ()
    return tuple(_progress(shop, crawls.get(latest.get(shop, ""))) for shop in sources.shops)


def _rows(sources: Sources, keys: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    """The rows under `keys` that exist, each attribute as text."""
    rows: list[dict[str, str]] = []
    for start in range(0, len(keys), _BATCH):
        request: Any = {
            sources.frontier_table: {
                "Keys": [
                    {"crawl": {"S": crawl}, "row": {"S": row}} for crawl, row in keys[start : start + _BATCH]
                ],
                "ConsistentRead": True,
            }
        }
        answer = sources.dynamodb.batch_get_item(RequestItems=request)
        found = answer["Responses"].get(sources.frontier_table, [])
        rows += [{name: str(next(iter(value.values()))) for name, value in row.items()} for row in found]
    return rows


def _progress(shop: str, row: Mapping[str, str] | None) -> CrawlProgress:
    if row is None:
        return CrawlProgress(shop)
    names = ("discovered", "queued", "fetched", "done", "dead", "refused", "capped", "items")
    counters = {name: int(row.get(name, 0)) for name in names}
    return CrawlProgress(shop, row["crawl"], finished="finished_at" in row, **counters)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
