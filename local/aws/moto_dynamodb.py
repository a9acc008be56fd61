"""Makes moto's DynamoDB fit for concurrent workers: isolated requests, atomic and cheap transactions, cheap queries.

Each thing made good here is an entry of `local.aws.differences.catalogue`.
"""

from __future__ import annotations

import base64
import copy
import inspect
import json
import pickle
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Final, TypeAlias

from moto.core.exceptions import JsonRESTError
from moto.core.responses import ActionResult
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import Table
from moto.dynamodb.parsing.ast_nodes import UpdateExpression
from moto.dynamodb.parsing.expressions import UpdateExpressionParser
from moto.dynamodb.responses import DynamoHandler

_TOKEN_LIFE_S: Final = 600.0
_MISSING: Final = object()


def install(clock: Callable[[], float] = time.monotonic) -> None:
    """From now on moto's DynamoDB in this process behaves as said above. To be called once, before it serves."""
    _isolate_requests()
    _narrow_queries()
    _sort_by_plain_values()
    _answer_without_model()
    _parse_expressions_once()
    _replace_transactions()
    _honour_request_tokens(clock)


def _isolate_requests() -> None:
    """dynamodb-parallel-requests: one request at a time."""
    lock = threading.RLock()
    original: Any = DynamoHandler.call_action

    def call_action(self: DynamoHandler) -> Any:
        with lock:
            return original(self)

    setattr(DynamoHandler, "call_action", call_action)  # noqa: B010


def _narrow_queries() -> None:
    """dynamodb-query-cost: a query looks at the items of its key instead of sorting the whole table."""
    query: Any = Table.query
    signature = inspect.signature(query)

    def narrowed_items(self: Table) -> list[Item]:
        found: list[Item] | None = self.__dict__.get("candidates")
        if found is None:
            found = sorted(_every(self), key=lambda item: (_plain(item.hash_key), _by_range_key(item)))
        return found

    def narrowed_query(self: Any, hash_key: DynamoType | None, *args: Any, **kwargs: Any) -> Any:
        given = signature.bind_partial(self, hash_key, *args, **kwargs).arguments
        self.__dict__["candidates"] = _candidates(self, hash_key, given)
        try:
            return query(self, hash_key, *args, **kwargs)
        finally:
            del self.__dict__["candidates"]

    setattr(Table, "all_items", narrowed_items)  # noqa: B010
    setattr(Table, "query", narrowed_query)  # noqa: B010


def _candidates(table: Table, hash_key: DynamoType | None, query: dict[str, Any]) -> list[Item] | None:
    if query.get("index_name"):
        wanted: list[tuple[str, DynamoType]] = query.get("hash_key_conditions") or []
        found = list(_every(table))
        for name, value in wanted:
            found = [item for item in found if (held := item.attrs.get(name)) and held.value == value.value]
        return found
    if hash_key is None:
        return None
    found: Any = table.items.get(hash_key)
    if found is None:
        return []
    return sorted(found.values(), key=_by_range_key) if table.range_key_attr else [found]


def _every(table: Table) -> Iterator[Item]:
    for entry in table.items.values():
        if table.range_key_attr:
            yield from entry.values()
        else:
            yield entry  # pyright: ignore[reportReturnType] # without a range key the entry is the item


def _sort_by_plain_values() -> None:
    """dynamodb-query-cost: sorts by plain values; moto casts both sides in each comparison."""
    by_index: Any = Table._generate_attr_to_sort_by  # pyright: ignore[reportPrivateUsage]

    def sorted_items(
        self: Table, hash_keys: list[str], range_keys: list[str | None], items: list[Item]
    ) -> list[Item]:
        names: list[str] = by_index(self, hash_keys, range_keys)
        items.sort(key=lambda item: tuple(_plain(item.attrs[name]) for name in names))
        return items

    setattr(Table, "sorted_items", sorted_items)  # noqa: B010


def _plain(value: DynamoType) -> Any:
    return value.value if value.type == "S" else value.cast_value


def _by_range_key(item: Item) -> Any:
    return _plain(item.range_key) if item.range_key else ""


_ITEM_ACTIONS: Final = frozenset(
    ("GetItem", "BatchGetItem", "Query", "Scan", "TransactGetItems", "PutItem", "UpdateItem", "DeleteItem")
)


def _answer_without_model() -> None:
    """dynamodb-query-cost: items are JSON as they are; moto walks each through the service model, 1 ms an item."""
    original: Any = DynamoHandler.serialized

    def serialized(self: Any, action_result: ActionResult) -> Any:
        result: Any = action_result.result
        if not isinstance(result, dict) or self._get_action() not in _ITEM_ACTIONS:
            return original(self, action_result)
        body = json.dumps(
            {key: value for key, value in result.items() if value is not None}, default=_json_value
        )
        return 200, {"Content-Type": "application/x-amz-json-1.0", **self.response_headers}, body

    setattr(DynamoHandler, "serialized", serialized)  # noqa: B010


def _json_value(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.to_json()


def _parse_expressions_once() -> None:
    """dynamodb-query-cost: an update expression is parsed once; moto copies the tree before it changes it."""
    setattr(UpdateExpressionParser, "make", staticmethod(lru_cache(512)(UpdateExpressionParser.make)))  # noqa: B010

    def copied(self: Any, _memo: Any) -> UpdateExpression:
        packed: bytes | None = self.__dict__.get("packed")
        if packed is None:
            packed = pickle.dumps(self)
            self.__dict__["packed"] = packed
        return pickle.loads(packed)  # noqa: S301 - packed three lines above

    setattr(UpdateExpression, "__deepcopy__", copied)  # noqa: B010


def _replace_transactions() -> None:
    """dynamodb-transactions: what is kept for a roll-back is the items that the transaction names."""
    original: Any = DynamoDBBackend.transact_write_items

    def transact(self: DynamoDBBackend, transact_items: list[dict[str, Any]]) -> None:
        kept = [saved for operation in transact_items if (saved := _saved(self, operation)) is not None]
        tables = {id(table): table for table, _, _ in kept}
        streams = {key: len(table.stream_shard.items) for key, table in tables.items() if table.stream_shard}
        try:
            with _uncopied(list(tables.values())):
                original(self, transact_items)
        except BaseException:
            for table, key, item in kept:
                _restore(table, key, item)
            for key, length in streams.items():
                shard = tables[key].stream_shard
                if shard is not None:
                    del shard.items[length:]
            raise

    setattr(DynamoDBBackend, "transact_write_items", transact)  # noqa: B010


@contextmanager
def _uncopied(tables: list[Any]) -> Generator[None]:
    """moto copies the table for its own roll-back: here the copy is the table itself."""

    def itself(table: Table) -> Callable[[Any], Table]:
        return lambda _memo: table

    for table in tables:
        table.__dict__["__deepcopy__"] = itself(table)
    try:
        yield
    finally:
        for table in tables:
            del table.__dict__["__deepcopy__"]


_Key: TypeAlias = tuple[DynamoType, DynamoType | None]


def _saved(backend: DynamoDBBackend, operation: dict[str, Any]) -> tuple[Table, _Key, Any] | None:
    """The item that one operation of a transaction touches, as it is now."""
    [(kind, details), *_] = operation.items()
    table: Table | None = backend.tables.get(details.get("TableName", "").rsplit("/", 1)[-1])
    if table is None or kind == "ConditionCheck":
        return None
    source: dict[str, Any] = details.get("Item" if kind == "Put" else "Key", {})
    names = [name for name in (table.hash_key_attr, table.range_key_attr) if name]
    if any(name not in source for name in names):
        return None
    values = [DynamoType(source[name]) for name in names]
    key = (values[0], values[1] if len(values) > 1 else None)
    return table, key, copy.deepcopy(_look_up(table, key))


def _look_up(table: Table, key: _Key) -> Any:
    entry: Any = table.items.get(key[0], _MISSING)
    if entry is _MISSING or key[1] is None:
        return None if entry is _MISSING else entry
    return entry.get(key[1])


def _restore(table: Table, key: _Key, item: Any) -> None:
    items: Any = table.items
    if key[1] is None:
        if item is None:
            items.pop(key[0], None)
        else:
            items[key[0]] = item
    elif item is None:
        items.get(key[0], {}).pop(key[1], None)
    else:
        items[key[0]][key[1]] = item


def _honour_request_tokens(clock: Callable[[], float]) -> None:
    """dynamodb-request-token: a transaction that was repeated after a lost answer counts once."""
    original: Any = DynamoHandler.transact_write_items
    done: dict[str, tuple[float, str]] = {}

    def transact(self: Any) -> ActionResult:
        token = self.body.get("ClientRequestToken")
        if token is None:
            return original(self)
        now = clock()
        while done and next(iter(done.values()))[0] <= now:
            del done[next(iter(done))]
        content = json.dumps(self.body.get("TransactItems"), sort_keys=True, default=str)
        if token in done:
            if done[token][1] != content:
                raise JsonRESTError(
                    "com.amazonaws.dynamodb.v20120810#IdempotentParameterMismatchException",
                    "The request uses the same client token as a previous, but non-identical request.",
                )
            return ActionResult({"ConsumedCapacity": [], "ItemCollectionMetrics": {}})
        answer = original(self)
        done[token] = (now + _TOKEN_LIFE_S, content)
        return answer

    setattr(DynamoHandler, "transact_write_items", transact)  # noqa: B010
