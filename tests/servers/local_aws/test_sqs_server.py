"""The emulated SQS over HTTP, with several receivers at once."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import botocore.exceptions
import psutil
import pytest


@pytest.fixture(scope="session")
def sqs(client: Callable[[str], Any]) -> Any:
    return client("sqs")


@pytest.fixture
def make_queue(sqs: Any) -> Callable[..., str]:
    def make(**attributes: str) -> str:
        fifo = attributes.get("FifoQueue") == "true"
        name = f"q-{uuid.uuid4().hex[:12]}{'.fifo' if fifo else ''}"
        return sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]

    return make


def a_fifo(make_queue: Callable[..., str], **more: str) -> str:
    return make_queue(FifoQueue="true", **more)


def drain(sqs: Any, url: str, receivers: int) -> list[dict[str, Any]]:
    """Everything in the queue, by receivers in parallel that never delete, in the order each got it."""

    def receive(_: int) -> list[dict[str, Any]]:
        got: list[dict[str, Any]] = []
        while batch := sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=7, MessageSystemAttributeNames=["All"]
        ).get("Messages"):
            got += batch
        return got

    with ThreadPoolExecutor(receivers) as pool:
        return [message for got in pool.map(receive, range(receivers)) for message in got]


def test_receivers_at_once_never_get_the_same_message(sqs: Any, make_queue: Callable[..., str]) -> None:
    url = make_queue(VisibilityTimeout="300")
    for batch in range(20):
        entries = [{"Id": str(n), "MessageBody": f"{batch}-{n}"} for n in range(10)]
        sqs.send_message_batch(QueueUrl=url, Entries=entries)
    bodies = Counter(message["Body"] for message in drain(sqs, url, 6))
    assert len(bodies) == 200
    assert set(bodies.values()) == {1}


def test_a_group_has_one_holder_at_a_time_and_keeps_its_order(
    sqs: Any, make_queue: Callable[..., str]
) -> None:
    url = a_fifo(make_queue, VisibilityTimeout="300")
    for n in range(12):
        entries = [
            {
                "Id": f"{group}",
                "MessageBody": f"{group}{n:02d}",
                "MessageGroupId": group,
                "MessageDeduplicationId": f"{group}{n}",
            }
            for group in "abc"
        ]
        sqs.send_message_batch(QueueUrl=url, Entries=entries)
    seen: list[str] = []

    def work(_: int) -> None:
        while batch := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=5).get("Messages"):
            seen.extend(message["Body"] for message in batch)
            receipts = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(batch)]
            answer = sqs.delete_message_batch(QueueUrl=url, Entries=receipts)
            assert not answer.get("Failed")

    for _ in range(4):  # a receiver stops when every group is held: the next round takes what is left
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))
    for group in "abc":
        assert [body for body in seen if body[0] == group] == [f"{group}{n:02d}" for n in range(12)]


def test_a_deduplication_id_is_swallowed_after_the_delete_too(
    sqs: Any, make_queue: Callable[..., str]
) -> None:
    url = a_fifo(make_queue)
    message = {"QueueUrl": url, "MessageBody": "x", "MessageGroupId": "g", "MessageDeduplicationId": "same"}
    first = sqs.send_message(**message)
    [got] = sqs.receive_message(QueueUrl=url)["Messages"]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=got["ReceiptHandle"])
    again = sqs.send_message(**message)
    assert again["MessageId"] == first["MessageId"]
    assert "Messages" not in sqs.receive_message(QueueUrl=url)


def test_the_same_id_in_two_groups_is_two_messages_where_the_scope_is_the_group(
    sqs: Any, make_queue: Callable[..., str]
) -> None:
    scope = {"DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"}
    for attributes, expected in ((scope, 2), ({}, 1)):
        url = a_fifo(make_queue, **attributes)
        for group in ("a", "b"):
            sqs.send_message(
                QueueUrl=url, MessageBody=group, MessageGroupId=group, MessageDeduplicationId="same"
            )
        assert len(drain(sqs, url, 1)) == expected


def test_a_message_received_too_often_moves_to_the_dead_letter_queue(
    sqs: Any, make_queue: Callable[..., str]
) -> None:
    dead = make_queue()
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    url = make_queue(RedrivePolicy=f'{{"deadLetterTargetArn": "{arn}", "maxReceiveCount": 2}}')
    sqs.send_message(QueueUrl=url, MessageBody="poison")
    for _ in range(2):
        assert sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)["Messages"]
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    assert sqs.receive_message(QueueUrl=dead)["Messages"][0]["Body"] == "poison"


def test_a_long_poll_ends_with_the_message_and_keeps_nobody_waiting(
    sqs: Any, make_queue: Callable[..., str]
) -> None:
    url, other = make_queue(), make_queue()
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(sqs.receive_message, QueueUrl=url, WaitTimeSeconds=20) for _ in range(6)]
        began = time.monotonic()
        for _ in range(10):
            sqs.send_message(QueueUrl=other, MessageBody="x")
        assert time.monotonic() - began < 5
        entries = [{"Id": str(n), "MessageBody": str(n)} for n in range(6)]
        sqs.send_message_batch(QueueUrl=url, Entries=entries)
        bodies = {future.result(timeout=15)["Messages"][0]["Body"] for future in waiting}
        assert bodies == {"0", "1", "2", "3", "4", "5"}
        assert time.monotonic() - began < 15


def test_long_polls_use_next_to_no_processor_time(
    sqs: Any, make_queue: Callable[..., str], endpoints: dict[str, str]
) -> None:
    port = int(endpoints["sqs"].rsplit(":", 1)[-1])
    children = psutil.Process().children(recursive=True)
    server = next(child for child in children if f"{port}" in str([c.laddr for c in child.net_connections()]))
    url = make_queue()
    with ThreadPoolExecutor(6) as pool:
        before = server.cpu_times().user
        waiting = [pool.submit(sqs.receive_message, QueueUrl=url, WaitTimeSeconds=2) for _ in range(6)]
        for future in waiting:
            future.result(timeout=20)
        assert server.cpu_times().user - before < 0.5


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"MessageBody": ""}, "MissingParameter"),
        ({"MessageBody": "a\x00b"}, "InvalidMessageContents"),
        ({"MessageBody": "é" * 600_000}, "InvalidParameterValue"),
        ({"MessageBody": "x", "DelaySeconds": 901}, "InvalidParameterValue"),
        ({"MessageBody": "x", "MessageDeduplicationId": "d"}, "InvalidParameterValue"),
    ],
)
def test_a_message_that_aws_would_not_take_is_refused(
    sqs: Any, make_queue: Callable[..., str], message: dict[str, Any], code: str
) -> None:
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        sqs.send_message(QueueUrl=make_queue(), **message)
    assert refused.value.response.get("Error", {}).get("Code") == code


def test_one_bad_entry_does_not_fail_its_batch(sqs: Any, make_queue: Callable[..., str]) -> None:
    url = make_queue()
    entries = [{"Id": "good", "MessageBody": "x"}, {"Id": "bad", "MessageBody": "a\x00b"}]
    answer = sqs.send_message_batch(QueueUrl=url, Entries=entries)
    assert [entry["Id"] for entry in answer["Successful"]] == ["good"]
    assert [entry["Id"] for entry in answer["Failed"]] == ["bad"]
    [got] = sqs.receive_message(QueueUrl=url)["Messages"]
    handles = [{"Id": "a", "ReceiptHandle": got["ReceiptHandle"]}, {"Id": "b", "ReceiptHandle": "nonsense"}]
    answer = sqs.delete_message_batch(QueueUrl=url, Entries=handles)
    assert [entry["Id"] for entry in answer["Successful"]] == ["a"]
    assert answer["Failed"][0]["Code"] == "ReceiptHandleIsInvalid"


def test_counts_tell_visible_delayed_and_in_flight(sqs: Any, make_queue: Callable[..., str]) -> None:
    url = make_queue()
    for delay in (0, 0, 0, 60):
        sqs.send_message(QueueUrl=url, MessageBody="x", DelaySeconds=delay)
    sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=1)
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert found["ApproximateNumberOfMessages"] == "2"
    assert found["ApproximateNumberOfMessagesNotVisible"] == "1"
    assert found["ApproximateNumberOfMessagesDelayed"] == "1"


def test_message_attributes_are_given_to_who_asks(sqs: Any, make_queue: Callable[..., str]) -> None:
    url = make_queue()
    attribute = {"DataType": "String", "StringValue": "1"}
    sqs.send_message(QueueUrl=url, MessageBody="x", MessageAttributes={"a.b": attribute, "c": attribute})
    [got] = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["a.*"], VisibilityTimeout=0)["Messages"]
    assert list(got["MessageAttributes"]) == ["a.b"]
    [got] = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"])["Messages"]
    assert set(got["MessageAttributes"]) == {"a.b", "c"}
