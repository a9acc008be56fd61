"""Crawls, their schedule, and what is known of hosts: the frontier's other rows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

from crawler.frontier.rows import (
    COUNTERS,
    CRAWL_ROW,
    ROBOTS_ROW,
    SCHEDULE_ROW,
    Crawl,
    Host,
    Row,
    from_attributes,
    row_key,
    to_attributes,
)
from crawler.frontier.table import KEEP_S, Frontier
from crawler.frontier.transactions import Action, transact

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a shop was last crawled, and that crawl."""

    last_crawl: str | None
    last_started_at: float
    requested_at: float
    """When a person asked for a crawl at once; 0 = never."""
    crawl: Crawl | None
    """The last crawl's row, while it lives."""


@dataclass(frozen=True, slots=True)
class View:
    """What a pump needs to know of a crawl."""

    crawl: Crawl | None
    hosts: Mapping[str, Host]
    robots: Mapping[str, Row]
    """Rows of the hosts' robots.txt, by URL."""


def iso(at: float) -> str:
    """Epoch seconds as ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def crawl_id(shop: str, at: float) -> str:
    """The name of a crawl that starts at `at` (epoch seconds)."""
    return f"{shop}-{datetime.fromtimestamp(at, UTC):%Y%m%dT%H%M%S}"


def _host_key(host: str) -> tuple[str, str]:
    return f"host#{host}", ROBOTS_ROW


def _schedule_key(shop: str) -> tuple[str, str]:
    return f"shop#{shop}", SCHEDULE_ROW


class Crawls:
    """Rows of crawls, schedules and hosts."""

    def __init__(self, client: "DynamoDBClient", table: str, frontier: Frontier) -> None:
        self._client = client
        self._table = table
        self._frontier = frontier

    # ---- reads

    def view(self, crawl: str, hosts: Sequence[str], robots_urls: Sequence[str]) -> View:
        """A crawl with its hosts, in one read."""
        found = self._frontier.get(
            [
                (crawl, CRAWL_ROW),
                *(_host_key(host) for host in hosts),
                *((crawl, row_key(url)) for url in robots_urls),
            ]
        )
        head = found.get((crawl, CRAWL_ROW))
        robots = [found.get((crawl, row_key(url))) for url in robots_urls]
        return View(
            crawl=Crawl.read(head) if head else None,
            hosts={host: _host(found[_host_key(host)]) for host in hosts if _host_key(host) in found},
            robots={row.url: row for row in (Row.read(item) for item in robots if item)},
        )

    def host(self, host: str) -> Host | None:
        """What is known of a host, stale or not."""
        found = self._frontier.get([_host_key(host)])
        return _host(found[_host_key(host)]) if found else None

    def schedules(self, shops: Iterable[str]) -> dict[str, Schedule]:
        """Each shop's schedule; all of them in two reads."""
        names = list(shops)
        rows = self._frontier.get(_schedule_key(name) for name in names)
        values = {name: from_attributes(rows.get(_schedule_key(name), {})) for name in names}
        crawls = self._frontier.get(
            (str(row["last_crawl"]), CRAWL_ROW) for row in values.values() if "last_crawl" in row
        )
        schedules: dict[str, Schedule] = {}
        for name, row in values.items():
            last = row.get("last_crawl")
            head = crawls.get((str(last), CRAWL_ROW)) if last else None
            schedules[name] = Schedule(
                last_crawl=last,
                last_started_at=_epoch(row.get("last_started_at")),
                requested_at=float(row.get("requested_at", 0)),
                crawl=Crawl.read(head) if head else None,
            )
        return schedules

    # ---- writes

    def start(self, crawl: str, shop: str, now: float, previous: str | None) -> bool:
        """The crawl has a row and is its shop's last one, if `previous` was until now."""
        first = "attribute_not_exists(last_crawl)"
        schedule: Action = {
            "Update": {
                "TableName": self._table,
                "Key": _key(_schedule_key(shop)),
                "ConditionExpression": first if previous is None else "last_crawl = :previous",
                "UpdateExpression": "SET last_crawl = :crawl, last_started_at = :at",
                "ExpressionAttributeValues": to_attributes(
                    {":crawl": crawl, ":at": iso(now), ":previous": previous}
                ),
            }
        }
        head: Action = {
            "Put": {
                "TableName": self._table,
                "ConditionExpression": "attribute_not_exists(crawl)",
                "Item": to_attributes(
                    {
                        "crawl": crawl,
                        "row": CRAWL_ROW,
                        "shop": shop,
                        "started_at": iso(now),
                        "pump_turn": 0,
                        "pump_at": now,
                        "expires_at": int(now + KEEP_S),
                        **dict.fromkeys(COUNTERS, 0),
                    }
                ),
            }
        }
        return not any(transact(self._client, [head, schedule]))

    def advance(self, crawl: str, turn: int, now: float) -> bool:
        """The crawl's pump is at the turn after `turn`, if it was at `turn`."""
        return self._update(
            crawl,
            "pump_turn = :turn AND attribute_not_exists(finished_at)",
            "SET pump_turn = :next, pump_at = :now",
            {":turn": turn, ":next": turn + 1, ":now": now},
        )

    def finish(self, crawl: str, now: float) -> bool:
        """The crawl is finished, if nothing in it is open."""
        return self._update(
            crawl,
            "discovered = :none AND queued = :none AND fetched = :none AND attribute_not_exists(finished_at)",
            "SET finished_at = :at",
            {":none": 0, ":at": iso(now)},
        )

    def _update(self, crawl: str, condition: str, update: str, values: Mapping[str, object]) -> bool:
        action: Action = {
            "Update": {
                "TableName": self._table,
                "Key": _key((crawl, CRAWL_ROW)),
                "ConditionExpression": condition,
                "UpdateExpression": update,
                "ExpressionAttributeValues": to_attributes(values),
            }
        }
        return not any(transact(self._client, [action]))

    def request(self, shop: str, now: float) -> None:
        """The shop is due from now on, as soon as no crawl of it is under way."""
        self._client.update_item(
            TableName=self._table,
            Key=_key(_schedule_key(shop)),
            UpdateExpression="SET requested_at = :now",
            ExpressionAttributeValues=to_attributes({":now": now}),
        )

    def keep_host(self, host: Host) -> None:
        """What is known of the host is this."""
        crawl, row = _host_key(host.host)
        self._client.put_item(
            TableName=self._table,
            Item=to_attributes(
                {
                    "crawl": crawl,
                    "row": row,
                    "verdict": host.verdict,
                    "delay_s": host.delay_s,
                    "robots": host.robots,
                    "expires_at": int(host.expires_at),
                }
            ),
        )


def _key(key: tuple[str, str]) -> dict[str, dict[str, str]]:
    return {"crawl": {"S": key[0]}, "row": {"S": key[1]}}


def _host(attributes: Mapping[str, object]) -> Host:
    values = from_attributes(dict(attributes))
    robots = values.get("robots")
    return Host(
        host=str(values["crawl"]).removeprefix("host#"),
        verdict=values["verdict"],
        expires_at=float(values["expires_at"]),
        delay_s=float(values.get("delay_s", 0)),
        robots=bytes(cast("bytes", robots)) if robots is not None else None,
    )


def _epoch(text: object) -> float:
    return datetime.fromisoformat(str(text)).timestamp() if text else 0.0
