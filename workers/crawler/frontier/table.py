"""Rows of URLs: look up, discover, change state. Every change moves the crawl's counters in the same transaction."""

import re
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar, cast

import stamina

from crawler.frontier.rows import (
    CRAWL_ROW,
    Attributes,
    Row,
    State,
    from_attributes,
    pending_key,
    row_key,
    to_attributes,
)
from crawler.frontier.transactions import Action, is_busy, transact
from crawler.outcome import Discover, Move

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KEEP_S = 14 * 86_400
"""How long rows outlive the moment they were written (DynamoDB's time to live)."""
_ROWS_AT_ONCE = 50
_SEEN = 50_000
_T = TypeVar("_T")


def pattern_of(url: str) -> str:
    """The URL with every run of digits as `N`: what calendars, pages and facets have in common."""
    return re.sub(r"\d+", "N", url)


def chunks(values: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    """The values in order, at most `size` at a time."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


class Frontier:
    """URL rows of the frontier table.

    Not for several threads at once: the runner calls it from one at a time.
    """

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table
        # Links seen a moment ago never leave the process; a forgotten one costs a read, never a wrong row.
        self._seen: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._patterns: OrderedDict[tuple[str, str], int] = OrderedDict()

    def get(self, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Attributes]:
        """The items of (crawl, row) keys, by strongly consistent reads; absent ones are absent."""
        found: dict[tuple[str, str], Attributes] = {}
        for part in chunks(list(dict.fromkeys(keys)), 100):
            wanted: list[Attributes] = [to_attributes({"crawl": crawl, "row": row}) for crawl, row in part]
            for attempt in stamina.retry_context(on=is_busy, attempts=10, wait_initial=0.05, wait_max=2):
                with attempt:
                    wanted = self._get_some(wanted, found)
        return found

    def _get_some(
        self, wanted: list[Attributes], found: dict[tuple[str, str], Attributes]
    ) -> list[Attributes]:
        for _ in range(20):
            answer = self._client.batch_get_item(
                RequestItems={self._table: {"Keys": wanted, "ConsistentRead": True}}
            )
            for item in answer["Responses"].get(self._table, []):
                found[item["crawl"]["S"], item["row"]["S"]] = cast("Attributes", item)  # pyright: ignore[reportTypedDictNotRequiredAccess]
            wanted = cast("list[Attributes]", answer["UnprocessedKeys"].get(self._table, {}).get("Keys", []))
            if not wanted:
                return []
        raise RuntimeError(f"{self._table}: BatchGetItem left {len(wanted)} keys unread twenty times")

    def rows(self, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Row]:
        """The rows of (crawl, row key) pairs."""
        return {key: Row.read(attributes) for key, attributes in self.get(keys).items()}

    def pending(self, crawl: str, host: str, state: State, until: float, limit: int) -> list[Row]:
        """A host's rows in a pending state with due_at ≤ `until`, earliest first.

        The index lags the table by a moment: what is done with the rows must be conditional.
        """
        answer = self._client.query(
            TableName=self._table,
            IndexName="pending",
            KeyConditionExpression="#pending = :key AND due_at <= :until",
            ExpressionAttributeNames={"#pending": "pending"},
            ExpressionAttributeValues=to_attributes(
                {":key": pending_key(crawl, host, state), ":until": until}
            ),
            Limit=limit,
        )
        return [Row.read(cast("Attributes", item)) for item in answer["Items"]]

    def count(self, crawl: str, host: str, state: State) -> int:
        """How many rows a host has in a pending state, as the index knows it."""
        answer = self._client.query(
            TableName=self._table,
            IndexName="pending",
            Select="COUNT",
            KeyConditionExpression="#pending = :key",
            ExpressionAttributeNames={"#pending": "pending"},
            ExpressionAttributeValues=to_attributes({":key": pending_key(crawl, host, state)}),
        )
        return answer["Count"]

    # ---- new rows

    def discover(self, finds: Sequence[Discover], now: float) -> int:
        """Every URL found has a row; those that had none are `discovered`, within the crawl's bounds.

        Bounds are checked against counts read just before: several workers may pass them by what they add at once.

        Returns:
            How many rows are new.
        """
        new = 0
        by_crawl: dict[str, list[Discover]] = {}
        for find in finds:
            by_crawl.setdefault(find.crawl, []).append(find)
        for crawl, found in by_crawl.items():
            rows = {row.row: row for find in found for row in find.rows if (crawl, row.row) not in self._seen}
            for part in chunks(list(rows.values()), 90):
                new += self._discover_some(crawl, part, found[0], now)
        return new

    def _discover_some(self, crawl: str, rows: Sequence[Row], bounds: Discover, now: float) -> int:
        counted = self._countable(crawl, rows)
        pattern_keys = list(dict.fromkeys(counted.values()))
        known = self.get(
            [
                (crawl, CRAWL_ROW),
                *((crawl, row.row) for row in rows),
                *((crawl, key) for key in pattern_keys[:9]),
            ]
        )
        if len(pattern_keys) > 9:
            known |= self.get([(crawl, key) for key in pattern_keys[9:]])
        head = known.get((crawl, CRAWL_ROW))
        if head is None:
            return 0
        values = from_attributes(head)
        room = bounds.max_urls - sum(
            int(values.get(state, 0)) for state in ("discovered", "queued", "fetched", "done", "dead")
        )
        of_pattern = {
            key: int(from_attributes(known[crawl, key])["urls"]) if (crawl, key) in known else 0
            for key in pattern_keys
        }
        taken: list[Row] = []
        capped = 0
        for row in rows:
            if (crawl, row.row) in known:
                continue
            key = counted.get(row.row)
            full = key is not None and of_pattern[key] >= bounds.max_urls_per_pattern
            if row.kind != "robots" and (room <= 0 or full):
                capped += 1
                continue
            room -= 1
            if key is not None:
                of_pattern[key] += 1
            taken.append(row)
        for part in chunks(taken, 45):
            self._put(crawl, part, counted, now)
        if capped:
            self._count(crawl, {"capped": capped})
        for row in rows:
            self._remember(crawl, row.row)
        return len(taken)

    def _countable(self, crawl: str, rows: Sequence[Row]) -> dict[str, str]:
        """Keys of the pattern rows that count these URLs.

        A pattern's first URL in this process is not counted: most patterns never see a second one, and a row each
        would double the writes. So a bound may be passed by one URL a worker.
        """
        keys: dict[str, str] = {}
        for row in rows:
            pattern = pattern_of(row.url)
            if row.kind != "page" or (pattern == row.url and "?" not in row.url):
                continue
            key = "pattern#" + row_key(pattern)[4:]
            seen = self._patterns.pop((crawl, key), 0)
            self._patterns[crawl, key] = seen + 1
            if len(self._patterns) > _SEEN:
                self._patterns.popitem(last=False)
            if seen:
                keys[row.row] = key
        return keys

    def _put(self, crawl: str, rows: Sequence[Row], counted: Mapping[str, str], now: float) -> None:
        expires_at = int(now + KEEP_S)
        left = list(rows)
        while left:
            patterns = Counter(counted[row.row] for row in left if row.row in counted)
            actions: list[Action] = [
                {
                    "Put": {
                        "TableName": self._table,
                        "Item": row.write(expires_at),
                        "ConditionExpression": "attribute_not_exists(crawl)",
                    }
                }
                for row in left
            ]
            actions += [
                {
                    "Update": {
                        "TableName": self._table,
                        "Key": to_attributes({"crawl": crawl, "row": key}),
                        "UpdateExpression": "ADD urls :n SET expires_at = :expires",
                        "ExpressionAttributeValues": to_attributes({":n": n, ":expires": expires_at}),
                    }
                }
                for key, n in patterns.items()
            ]
            actions.append(self._counting(crawl, {"discovered": len(left)}))
            refused = transact(self._client, actions)
            if not any(refused):
                return
            if refused[-1]:
                return  # the crawl's row is gone, and with it the reason to crawl
            left = [row for row, no in zip(left, refused, strict=False) if not no]

    def _remember(self, crawl: str, row: str) -> None:
        self._seen[crawl, row] = None
        self._seen.move_to_end((crawl, row))
        if len(self._seen) > _SEEN:
            self._seen.popitem(last=False)

    # ---- changes of state

    def move(self, moves: Sequence[Move]) -> int:
        """Every row still in the state it was read in (or one of `also`) is in its new one; counters moved with it.

        Rows that are past it are left alone: that is what makes redelivery harmless.

        Returns:
            How many rows changed.
        """
        by_row: dict[tuple[str, str], Move] = {}
        later: list[Move] = []
        for move in moves:
            key = (move.row.crawl, move.row.row)
            if key in by_row:
                later.append(move)  # a transaction may name an item once
            else:
                by_row[key] = move
        moved = sum(self._move_some(list(part)) for part in chunks(list(by_row.values()), _ROWS_AT_ONCE))
        return moved + (self.move(later) if later else 0)

    def _move_some(self, moves: list[Move]) -> int:
        moved = 0
        for _ in range(6):
            if not moves:
                break
            crawls = list(dict.fromkeys(move.row.crawl for move in moves))
            actions = [self._moving(move) for move in moves]
            actions += [self._counting(crawl, _deltas(crawl, moves)) for crawl in crawls]
            refused = transact(self._client, actions)
            if not any(refused):
                return moved + len(moves)
            gone = {crawl for crawl, no in zip(crawls, refused[len(moves) :], strict=True) if no}
            late = [move for move, no in zip(moves, refused, strict=False) if no]
            fine = [move for move, no in zip(moves, refused, strict=False) if not no]
            moves = [move for move in [*fine, *self._reread(late)] if move.row.crawl not in gone]
        return moved

    def _reread(self, moves: list[Move]) -> list[Move]:
        """The moves whose row stands in another state that they accept, based on that one."""
        if not moves:
            return []
        rows = self.rows((move.row.crawl, move.row.row) for move in moves)
        based: list[Move] = []
        for move in moves:
            row = rows.get((move.row.crawl, move.row.row))
            if row is not None and row.state != move.to and row.state in move.also:
                based.append(replace(move, row=row))
        return based

    def _moving(self, move: Move) -> Action:
        row = move.row
        pending = move.to in {"discovered", "queued"}
        values: dict[str, object] = {":from": row.state, ":to": move.to, ":attempts": row.attempts}
        sets = ["#state = :to"]
        removes: list[str] = []
        if pending:
            sets += ["pending = :pending", "due_at = :due_at"]
            values |= {":pending": pending_key(row.crawl, row.host, move.to), ":due_at": move.due_at}
        else:
            removes += ["pending", "due_at"]
        for name, value in (("attempts", move.attempts), ("pauses", move.pauses), ("reason", move.reason)):
            if value is not None:
                sets.append(f"{name} = :new_{name}")
                values[f":new_{name}"] = value
        remove = f" REMOVE {', '.join(removes)}" if removes else ""
        return {
            "Update": {
                "TableName": self._table,
                "Key": to_attributes({"crawl": row.crawl, "row": row.row}),
                # Attempts too: a message of an earlier attempt must not settle a later one.
                "ConditionExpression": "#state = :from AND attempts = :attempts",
                "UpdateExpression": f"SET {', '.join(sets)}{remove}",
                "ExpressionAttributeNames": {"#state": "state"},
                "ExpressionAttributeValues": to_attributes(values),
            }
        }

    def _counting(self, crawl: str, deltas: Mapping[str, int]) -> Action:
        names = {f"#{name}": name for name in deltas}
        adds = ", ".join(f"#{name} :{name}" for name in deltas)
        return {
            "Update": {
                "TableName": self._table,
                "Key": to_attributes({"crawl": crawl, "row": CRAWL_ROW}),
                "ConditionExpression": "attribute_exists(crawl)",
                **(
                    {
                        "UpdateExpression": f"ADD {adds}",
                        "ExpressionAttributeNames": names,
                        "ExpressionAttributeValues": to_attributes({f":{k}": v for k, v in deltas.items()}),
                    }
                    if deltas
                    else {"UpdateExpression": "SET shop = shop"}
                ),
            }
        }

    def _count(self, crawl: str, deltas: Mapping[str, int]) -> None:
        transact(self._client, [self._counting(crawl, deltas)])


def _deltas(crawl: str, moves: Sequence[Move]) -> dict[str, int]:
    deltas: Counter[str] = Counter()
    for move in moves:
        if move.row.crawl != crawl:
            continue
        deltas[move.row.state] -= 1
        deltas[move.to] += 1
        deltas.update(move.counters)
    return {name: n for name, n in deltas.items() if n}
