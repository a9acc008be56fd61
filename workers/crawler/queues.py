"""Batched SQS calls. A batch's entries fail one by one, and are told one by one."""

import math
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from crawler.settings import Stage

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

BATCH = 10
BATCH_BYTES = 1_000_000
"""Below SQS' 1 MiB for the bodies and attributes of one batch."""
_TRIES = 4


@dataclass(frozen=True, slots=True)
class Received:
    """One message as the queue gave it."""

    id: str
    receipt: str
    body: str
    group: str
    """Message group of a FIFO queue, else empty."""
    at: float
    """Monotonic time of the receive: its visibility counts from about then."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One message to send."""

    body: str
    delay_s: float = 0.0
    group: str | None = None
    deduplication: str | None = None
    attributes: Mapping[str, str] | None = None


class SendFailedError(Exception):
    """SQS refused entries of a batch for good."""


class Queues:
    """The queues one worker knows."""

    def __init__(self, client: "SQSClient", urls: Mapping[Stage, str], dead_letters: str) -> None:
        self._client = client
        self._urls = urls
        self._dead_letters = dead_letters

    def receive(self, stage: Stage, wait_s: int, visibility_s: int) -> list[Received]:
        """Up to ten messages, after at most `wait_s` seconds."""
        answer = self._client.receive_message(
            QueueUrl=self._urls[stage],
            MaxNumberOfMessages=BATCH,
            WaitTimeSeconds=wait_s,
            VisibilityTimeout=visibility_s,
            MessageSystemAttributeNames=["MessageGroupId"],
        )
        now = time.monotonic()
        return [
            Received(
                id=message.get("MessageId", ""),
                receipt=message.get("ReceiptHandle", ""),
                body=message.get("Body", ""),
                group=message.get("Attributes", {}).get("MessageGroupId", ""),
                at=now,
            )
            for message in answer.get("Messages", [])
        ]

    def send(self, stage: Stage, letters: Sequence[Letter]) -> None:
        """All messages are in the stage's queue.

        Raises:
            SendFailedError: SQS refused some; the text names the first reason.
        """
        self._send_to(self._urls[stage], letters)

    def bury(self, letters: Sequence[Letter]) -> None:
        """All messages are in the stage's dead letter queue."""
        self._send_to(self._dead_letters, letters)

    def _send_to(self, url: str, letters: Sequence[Letter]) -> None:
        for batch in _batches(letters):
            left = {str(number): _entry(number, letter) for number, letter in enumerate(batch)}
            for attempt in range(_TRIES):
                answer = self._client.send_message_batch(
                    QueueUrl=url, Entries=cast("Any", list(left.values()))
                )
                failed = answer.get("Failed", [])
                left = {entry["Id"]: left[entry["Id"]] for entry in failed}
                if not left:
                    break
                if attempt == _TRIES - 1 or any(entry["SenderFault"] for entry in failed):
                    first = failed[0]
                    raise SendFailedError(f"{url}: {first['Code']}: {first.get('Message', '')}")
                _rest(attempt)

    def delete(self, stage: Stage, receipts: Sequence[str]) -> list[str]:
        """The messages are gone.

        Returns:
            A reason for each that could not be deleted; it will be delivered again.
        """
        failures: list[str] = []
        for start in range(0, len(receipts), BATCH):
            batch = receipts[start : start + BATCH]
            left = {str(number): receipt for number, receipt in enumerate(batch)}
            for attempt in range(_TRIES):
                answer = self._client.delete_message_batch(
                    QueueUrl=self._urls[stage],
                    Entries=[{"Id": number, "ReceiptHandle": receipt} for number, receipt in left.items()],
                )
                failed = answer.get("Failed", [])
                hopeless = [entry for entry in failed if entry["SenderFault"] or attempt == _TRIES - 1]
                failures += [f"{entry['Code']}: {entry.get('Message', '')}" for entry in hopeless]
                left = {entry["Id"]: left[entry["Id"]] for entry in failed if entry not in hopeless}
                if not left:
                    break
                _rest(attempt)
        return failures

    def hide(self, stage: Stage, receipts: Sequence[str], seconds: float) -> dict[str, str]:
        """The messages stay (or become) invisible for so long from now on; 0 hands them back.

        Returns:
            A reason for each receipt whose visibility could not be changed.
        """
        failures: dict[str, str] = {}
        timeout = min(43_200, max(0, math.ceil(seconds)))
        for start in range(0, len(receipts), BATCH):
            batch = receipts[start : start + BATCH]
            answer = self._client.change_message_visibility_batch(
                QueueUrl=self._urls[stage],
                Entries=[
                    {"Id": str(number), "ReceiptHandle": receipt, "VisibilityTimeout": timeout}
                    for number, receipt in enumerate(batch)
                ],
            )
            for entry in answer.get("Failed", []):
                failures[batch[int(entry["Id"])]] = f"{entry['Code']}: {entry.get('Message', '')}"
        return failures


def _entry(number: int, letter: Letter) -> dict[str, Any]:
    entry: dict[str, Any] = {"Id": str(number), "MessageBody": letter.body}
    if letter.group is not None:
        entry["MessageGroupId"] = letter.group
    if letter.deduplication is not None:
        entry["MessageDeduplicationId"] = letter.deduplication
    if letter.delay_s > 0:
        entry["DelaySeconds"] = min(900, math.ceil(letter.delay_s))
    if letter.attributes:
        entry["MessageAttributes"] = {
            name: {"DataType": "String", "StringValue": value} for name, value in letter.attributes.items()
        }
    return entry


def _batches(letters: Sequence[Letter]) -> list[list[Letter]]:
    batches: list[list[Letter]] = [[]]
    size = 0
    for letter in letters:
        attributes = letter.attributes or {}
        own = len(letter.body.encode()) + sum(len(k) + len(v.encode()) + 10 for k, v in attributes.items())
        if batches[-1] and (len(batches[-1]) == BATCH or size + own > BATCH_BYTES):
            batches.append([])
            size = 0
        batches[-1].append(letter)
        size += own
    return [batch for batch in batches if batch]


def _rest(attempt: int) -> None:
    time.sleep(0.1 * 2**attempt * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, no secret
