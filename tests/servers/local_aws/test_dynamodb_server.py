"""The emulated DynamoDB over HTTP: transactions that are all or nothing, and cheap, under requests in parallel."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import botocore.exceptions
import pytest


class Table:
    """A frontier-like table."""

    def __init__(self, dynamodb: Any, name: str) -> None:
        self.dynamodb, self.name = dynamodb, name

    def put(self, row: str, **more: str) -> None:
        numbers = {"due_at"}
        item = {key: {"N" if key in numbers else "S": value} for key, value in more.items()}
        self.dynamodb.put_item(TableName=self.name, Item={"crawl": {"S": "c"}, "row": {"S": row}, **item})

    def get(self, row: str) -> dict[str, Any]:
        key = {"crawl": {"S": "c"}, "row": {"S": row}}
        return self.dynamodb.get_item(TableName=self.name, Key=key, ConsistentRead=True).get("Item", {})

    def number(self, row: str, attribute: str) -> int:
        return int(self.get(row).get(attribute, {"N": "0"})["N"])

    def add(self, row: str, amount: int = 1, condition: str | None = None) -> dict[str, Any]:
        """An operation of a transaction that counts."""
        update: dict[str, Any] = {
            "TableName": self.name,
            "Key": {"crawl": {"S": "c"}, "row": {"S": row}},
            "UpdateExpression": "ADD n :a",
            "ExpressionAttributeValues": {":a": {"N": str(amount)}},
        }
        return {"Update": {**update, "ConditionExpression": condition} if condition else update}

    def transact(self, *operations: dict[str, Any], **more: Any) -> None:
        self.dynamodb.transact_write_items(TransactItems=list(operations), **more)


@pytest.fixture
def table(client: Callable[[str], Any]) -> Table:
    dynamodb = client("dynamodb")
    name = f"t-{uuid.uuid4().hex[:12]}"
    kinds = {"crawl": "S", "row": "S", "pending": "S", "due_at": "N"}
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": kind} for key, kind in kinds.items()],
        KeySchema=[
            {"AttributeName": "crawl", "KeyType": "HASH"},
            {"AttributeName": "row", "KeyType": "RANGE"},
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
    return Table(dynamodb, name)


def test_a_transaction_that_fails_changes_nothing(table: Table) -> None:
    table.put("kept", state="old")
    put = {"Put": {"TableName": table.name, "Item": {"crawl": {"S": "c"}, "row": {"S": "new"}}}}
    delete = {"Delete": {"TableName": table.name, "Key": {"crawl": {"S": "c"}, "row": {"S": "kept"}}}}
    with pytest.raises(botocore.exceptions.ClientError) as failed:
        table.transact(put, table.add("counter"), delete, table.add("other", 1, "attribute_exists(never)"))
    assert failed.value.response.get("Error", {}).get("Code") == "TransactionCanceledException"
    reasons: Any = failed.value.response
    assert [reason["Code"] for reason in reasons["CancellationReasons"]] == [
        "None",
        "None",
        "None",
        "ConditionalCheckFailed",
    ]
    assert table.get("kept")["state"] == {"S": "old"}
    assert table.get("new") == {}
    assert table.get("counter") == {}


def test_a_failed_transaction_takes_nobody_elses_write_with_it(table: Table) -> None:
    def work(worker: int) -> int:
        succeeded = 0
        for n in range(15):
            fails = n % 3 == 0
            condition = "attribute_exists(never)" if fails else None
            try:
                table.transact(table.add("shared"), table.add(f"own-{worker}", 1, condition))
                succeeded += 1
            except botocore.exceptions.ClientError:
                assert fails
            table.put(f"row-{worker}-{n}", state="written")
        return succeeded

    with ThreadPoolExecutor(4) as pool:
        succeeded = sum(pool.map(work, range(4)))
    assert succeeded == 40
    assert table.number("shared", "n") == 40
    assert all(table.get(f"row-{worker}-{n}") for worker in range(4) for n in range(15))


def test_updates_at_once_are_all_counted(table: Table) -> None:
    def work(_: int) -> None:
        for _ in range(20):
            table.dynamodb.update_item(
                TableName=table.name,
                Key={"crawl": {"S": "c"}, "row": {"S": "n"}},
                UpdateExpression="ADD n :a",
                ExpressionAttributeValues={":a": {"N": "1"}},
            )

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert table.number("n", "n") == 80


def test_a_repeated_transaction_counts_once(table: Table) -> None:
    for _ in range(2):
        table.transact(table.add("counter", 5), ClientRequestToken="the-same")
    assert table.number("counter", "n") == 5
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        table.transact(table.add("counter", 6), ClientRequestToken="the-same")
    assert refused.value.response.get("Error", {}).get("Code") == "IdempotentParameterMismatchException"


def test_an_index_holds_only_the_rows_that_have_its_keys_in_order(table: Table) -> None:
    for n, due in enumerate(("30", "4", "200")):
        table.put(f"url#{n}", pending="c#h#discovered", due_at=due)
    table.put("url#other", pending="c#other#discovered", due_at="1")
    table.put("url#done", state="done")
    query: dict[str, Any] = {"TableName": table.name, "IndexName": "pending"}
    query["KeyConditionExpression"] = "pending = :p AND due_at <= :t"
    query["ExpressionAttributeValues"] = {":p": {"S": "c#h#discovered"}, ":t": {"N": "100"}}
    assert [item["due_at"]["N"] for item in table.dynamodb.query(**query)["Items"]] == ["4", "30"]
    first = table.dynamodb.query(**query, Limit=1)
    rest = table.dynamodb.query(**query, ExclusiveStartKey=first["LastEvaluatedKey"])
    assert [item["due_at"]["N"] for item in first["Items"] + rest["Items"]] == ["4", "30"]
    counted = table.dynamodb.query(**query, Select="COUNT")
    assert (counted["Count"], "Items" in counted) == (2, False)


def test_a_query_and_a_scan_page_through_a_table_in_order(table: Table) -> None:
    for n in range(7):
        table.put(f"url#{n}", state="x")
    query: dict[str, Any] = {
        "KeyConditionExpression": "crawl = :c AND begins_with(#r, :u)",
        "ExpressionAttributeNames": {"#r": "row"},
        "ExpressionAttributeValues": {":c": {"S": "c"}, ":u": {"S": "url#"}},
    }
    for page, request in ((table.dynamodb.query, query), (table.dynamodb.scan, {})):
        rows: list[str] = []
        more: dict[str, Any] = {}
        while True:
            answer = page(TableName=table.name, Limit=3, **request, **more)
            rows += [item["row"]["S"] for item in answer["Items"]]
            if "LastEvaluatedKey" not in answer:
                break
            more = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}
        assert rows == [f"url#{n}" for n in range(7)]


def test_every_type_of_value_comes_back_as_it_was_written(table: Table) -> None:
    values: dict[str, Any] = {
        "b": {"B": b"\x00\xff"},
        "bs": {"BS": [b"1"]},
        "bool": {"BOOL": True},
        "l": {"L": [{"S": "a"}, {"N": "1.50"}, {"L": []}]},
        "m": {"M": {"k": {"NULL": True}}},
        "ns": {"NS": ["1"]},
        "ss": {"SS": ["a"]},
    }
    key = {"crawl": {"S": "c"}, "row": {"S": "types"}}
    table.dynamodb.put_item(TableName=table.name, Item={**key, **values})
    assert table.get("types") == {**key, **values}
    keys = {"RequestItems": {table.name: {"Keys": [key]}}}
    assert table.dynamodb.batch_get_item(**keys)["Responses"][table.name] == [{**key, **values}]


def test_a_transaction_costs_the_same_in_a_large_table(table: Table) -> None:
    def seconds() -> float:
        began = time.perf_counter()
        for n in range(5):
            table.transact(*(table.add(f"row-{n}-{i}") for i in range(5)))
        return time.perf_counter() - began

    seconds()
    small = min(seconds() for _ in range(3))
    rows = [{"PutRequest": {"Item": {"crawl": {"S": "c"}, "row": {"S": f"many-{n}"}}}} for n in range(2000)]
    for start in range(0, len(rows), 25):
        table.dynamodb.batch_write_item(RequestItems={table.name: rows[start : start + 25]})
    assert min(seconds() for _ in range(3)) < 4 * small + 0.05
