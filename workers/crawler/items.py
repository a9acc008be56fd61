"""The items table: the newest state of each item of a shop. Nothing else touches it."""

import hashlib
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import msgspec
import stamina

from crawler.frontier.rows import Attributes, from_attributes, row_key, to_attributes
from crawler.frontier.transactions import Action, is_busy, transact
from crawler.messages import Item
from crawler.outcome import KeepItems

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_AT_ONCE = 50
_ROUNDS = 8


def item_key(item: Item) -> str:
    """An item's identity within its shop: its SKU, else its page's canonical URL."""
    return f"sku#{item.sku}" if item.sku else row_key(item.url)


def content_hash(item: Item) -> str:
    """A digest of what the item says. Its URL does not count: a product may be linked under several."""
    content = msgspec.json.encode({**msgspec.structs.asdict(item), "url": None}, order="sorted")
    return hashlib.sha256(content).hexdigest()


def stamp(at: float) -> str:
    """ISO 8601 in UTC with milliseconds, so that text order is time order."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


@dataclass(frozen=True, slots=True)
class _Wanted:
    page: tuple[str, str]
    """Crawl and row key of the page that states the item."""
    shop: str
    item: Item
    seen_at: float

    @property
    def key(self) -> tuple[str, str]:
        return self.shop, item_key(self.item)


class Items:
    """Upserts. Safe under redelivery and with several workers."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def keep(self, pages: Sequence[KeepItems]) -> dict[tuple[str, str], int]:
        """Each item is as its newest page states it.

        The same content only moves `last_seen` and `crawl`; other content is a new revision; `first_seen` stays. What
        is older than what the table holds changes nothing.

        Returns:
            For each page, as (crawl, row key): how many of its items its crawl had not counted yet. An item
            remembers the page that counted it, so a page that is stored again counts the same items again, and none
            is lost when a worker dies between this and the page's mark.
        """
        left = [
            _Wanted((page.crawl, page.row), page.shop, item, page.seen_at)
            for page in sorted(pages, key=lambda page: page.seen_at)
            for item in page.items
        ]
        counts = dict.fromkeys(((page.crawl, page.row) for page in pages), 0)
        conflicts = 0
        while left:
            # A key once a transaction; the same item of two pages goes in two rounds, in order.
            now_: dict[tuple[str, str], _Wanted] = {}
            later: list[_Wanted] = []
            for wanted in left:
                if wanted.key in now_ or len(now_) == _AT_ONCE:
                    later.append(wanted)
                else:
                    now_[wanted.key] = wanted
            lost = self._keep_some(list(now_.values()), counts)
            if lost:
                conflicts += 1
                if conflicts > _ROUNDS:
                    raise RuntimeError(
                        f"{self._table}: {lost[0].key} changed under every one of {_ROUNDS} writes"
                    )
                time.sleep(0.05 * conflicts * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, no secret
            left = [*lost, *later]
        return counts

    def _keep_some(self, wanted: list[_Wanted], counts: dict[tuple[str, str], int]) -> list[_Wanted]:
        held = self._read([one.key for one in wanted])
        writes: list[tuple[_Wanted, Action, int]] = []
        for one in wanted:
            action, counted = self._upsert(one, held.get(one.key))
            if action is None:
                counts[one.page] += counted
            else:
                writes.append((one, action, counted))
        if not writes:
            return []
        refused = transact(self._client, [action for _, action, _ in writes])
        if any(refused):  # nothing was written: all of them again, on fresh reads
            return [one for one, _, _ in writes]
        for one, _, counted in writes:
            counts[one.page] += counted
        return []

    def _read(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], dict[str, Any]]:
        found: dict[tuple[str, str], dict[str, Any]] = {}
        left: list[Attributes] = [to_attributes({"shop": shop, "item": item}) for shop, item in keys]
        for _ in range(20):
            for attempt in stamina.retry_context(on=is_busy, attempts=10, wait_initial=0.05, wait_max=2):
                with attempt:
                    answer = self._client.batch_get_item(
                        RequestItems={self._table: {"Keys": left, "ConsistentRead": True}}
                    )
                    for attributes in answer["Responses"].get(self._table, []):
                        values = from_attributes(cast("Attributes", attributes))
                        found[str(values["shop"]), str(values["item"])] = values
                    left = cast(
                        "list[Attributes]", answer["UnprocessedKeys"].get(self._table, {}).get("Keys", [])
                    )
            if not left:
                return found
        raise RuntimeError(f"{self._table}: BatchGetItem left {len(left)} keys unread twenty times")

    def _upsert(self, wanted: _Wanted, old: dict[str, Any] | None) -> tuple[Action | None, int]:
        crawl, row = wanted.page
        at = stamp(wanted.seen_at)
        counted = int(old is None or old.get("crawl") != crawl or old.get("counted_by") == row)
        if old is not None and str(old["last_seen"]) > at:
            return None, int(old.get("crawl") == crawl and old.get("counted_by") == row)
        digest = content_hash(wanted.item)
        values: dict[str, object] = {
            "shop": wanted.shop,
            "item": wanted.key[1],
            **{k: v for k, v in msgspec.structs.asdict(wanted.item).items() if v not in (None, [])},
            "crawl": crawl,
            "counted_by": row if counted or old is None else old.get("counted_by"),
            "first_seen": at if old is None else old["first_seen"],
            "last_seen": at,
            "content_hash": digest,
            "revision": 1 if old is None else old["revision"] + int(old["content_hash"] != digest),
        }
        put: dict[str, Any] = {"TableName": self._table, "Item": to_attributes(values)}
        if old is None:
            put["ConditionExpression"] = "attribute_not_exists(shop)"
        else:
            put["ConditionExpression"] = "last_seen = :last_seen AND revision = :revision"
            put["ExpressionAttributeValues"] = to_attributes(
                {":last_seen": old["last_seen"], ":revision": old["revision"]}
            )
        return {"Put": put}, counted
