"""Puts `MessageStore` under moto's SQS: moto keeps protocol, attributes and tags, the store keeps the messages.

Each thing made good here is an entry of `local.aws.differences.catalogue`.
"""

from __future__ import annotations

import copy
import hashlib
import re
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from moto.sqs import exceptions, models
from moto.sqs.constants import MAXIMUM_MESSAGE_LENGTH

from local.aws.moto_sqs.messages import ExpiredReceipt, MessageStore, NotInFlight, UnknownReceipt

_MAX_DELAY_S: Final = 900
_BATCH_LIMIT: Final = 10
_MAX_VISIBILITY_S: Final = 43_200
# What XML 1.0 allows, and so SQS: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
_FORBIDDEN: Final = re.compile(r"[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# moto types its models loosely and gives them their attributes at run time.
Message: TypeAlias = Any
Queue: TypeAlias = Any


def install() -> None:
    """From now on moto's SQS in this process keeps its messages in `MessageStore`.

    To be called once, before it serves.
    """
    lock = threading.RLock()
    _install_attributes(lock)
    backend = _Backend(lock)
    for name in (
        "_validate_message",
        "send_message",
        "send_message_batch",
        "receive_message",
        "delete_message",
        "delete_message_batch",
        "change_message_visibility",
        "change_message_visibility_batch",
        "purge_queue",
        "set_queue_attributes",
        "delete_queue",
    ):
        setattr(models.SQSBackend, name, _method(getattr(backend, name.lstrip("_"))))


def _method(function: Any) -> Any:
    """A function of (backend, …) as a method of moto's class."""

    def call(self: models.SQSBackend, *args: Any, **kwargs: Any) -> Any:
        return function(self, *args, **kwargs)

    return call


def _install_attributes(lock: threading.RLock) -> None:
    queue_class: Any = models.Queue
    original = queue_class._set_attributes

    def set_attributes(self: Queue, attributes: dict[str, Any], now: float | None = None) -> None:
        # sqs-policy-erased: moto takes a missing Policy for an empty one.
        kept = attributes if "Policy" in attributes else {**attributes, "Policy": self.policy}
        original(self, kept, now)

    def counted(name: str) -> property:
        def count(self: Queue) -> int:
            with lock:
                return getattr(store_of(self, lock).counts(), name)

        return property(count)

    queue_class._set_attributes = set_attributes
    queue_class.redrive_allow_policy = None
    queue_class.BASE_ATTRIBUTES = [*queue_class.BASE_ATTRIBUTES, "RedriveAllowPolicy"]
    queue_class.approximate_number_of_messages = counted("visible")
    queue_class.approximate_number_of_messages_not_visible = counted("in_flight")
    queue_class.approximate_number_of_messages_delayed = counted("delayed")


def store_of(queue: Queue, lock: threading.RLock) -> MessageStore[Message]:
    """The messages of a moto queue; the caller holds the lock."""
    store: MessageStore[Message] | None = queue.__dict__.get("store")
    if store is None:
        store = queue.__dict__["store"] = MessageStore(lock, fifo=bool(queue.fifo_queue))
    return store


class _Backend:
    """Methods that take the place of those of moto's SQSBackend, which they get as `moto`."""

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock

    def _store(self, queue: Queue) -> MessageStore[Message]:
        return store_of(queue, self._lock)

    def validate_message(
        self,
        _moto: models.SQSBackend,
        queue: Any,
        message_body: str,
        delay_seconds: int,
        deduplication_id: str | None = None,
        group_id: str | None = None,
        validate_group_id: bool = True,  # noqa: ARG002 - moto's own signature
    ) -> None:
        # sqs-message-checks
        if not message_body:
            raise exceptions.MissingParameter("MessageBody")
        if _FORBIDDEN.search(message_body):
            raise exceptions.SQSException(
                "InvalidMessageContents", "The message contains characters outside the allowed set."
            )
        limit = queue.maximum_message_size
        if len(message_body.encode()) > limit:
            raise _invalid("MessageBody", "of this length", f"Message must be shorter than {limit} bytes.")
        if not 0 <= delay_seconds <= _MAX_DELAY_S:
            raise _invalid("DelaySeconds", delay_seconds, "DelaySeconds must be >= 0 and <= 900.")
        wrong_kind = "The request include parameter that is not valid for this queue type."
        if not queue.fifo_queue:
            if deduplication_id:
                raise _invalid("MessageDeduplicationId", deduplication_id, wrong_kind)
            return
        if group_id is None:
            raise exceptions.MissingParameter("MessageGroupId")
        if not deduplication_id and not queue.content_based_deduplication:
            raise exceptions.InvalidParameterValue(
                "The queue should either have ContentBasedDeduplication enabled or "
                "MessageDeduplicationId provided explicitly"
            )
        if delay_seconds > 0:
            raise _invalid("DelaySeconds", delay_seconds, wrong_kind)

    def send_message(
        self,
        moto: models.SQSBackend,
        queue_name: str,
        message_body: str,
        message_attributes: dict[str, Any] | None = None,
        delay_seconds: int | None = None,
        deduplication_id: str | None = None,
        group_id: str | None = None,
        system_attributes: dict[str, Any] | None = None,
        validate_group_id: bool = True,  # noqa: ARG002
    ) -> Message:
        queue: Any = moto.get_queue(queue_name)
        self.validate_message(moto, queue, message_body, int(delay_seconds or 0), deduplication_id, group_id)
        message: Any = models.Message(str(uuid.uuid4()), message_body, system_attributes)
        message.message_attributes = message_attributes or {}
        message.group_id = group_id
        message.deduplication_id = deduplication_id
        message.mark_sent()
        if queue.fifo_queue and not deduplication_id:
            message.deduplication_id = hashlib.sha256(message_body.encode()).hexdigest()
        delay = queue.delay_seconds if delay_seconds is None else int(delay_seconds)
        with self._lock:
            store = self._store(queue)
            if queue.fifo_queue:
                scope = str(group_id) if queue.deduplication_scope == "messageGroup" else ""
                earlier = store.duplicate_of(scope, str(message.deduplication_id))
                if earlier is not None:
                    return copy.copy(earlier)
                store.remember(scope, str(message.deduplication_id), message)
            number = store.add(message, delay_s=delay)
            message.sequence_number = f"{number:020d}"  # sqs-sequence-numbers
        return message

    def receive_message(
        self,
        moto: models.SQSBackend,
        queue_name: str,
        count: int,
        wait_seconds_timeout: int,
        visibility_timeout: int,
        message_attribute_names: list[str] | None = None,
    ) -> list[Message]:
        deadline = time.time() + wait_seconds_timeout
        with self._lock:
            while True:
                # Looked up again after each wait: the queue may be deleted meanwhile.
                queue: Any = moto.get_queue(queue_name)
                received = self._receive(queue, count, visibility_timeout)
                if received or not self._store(queue).wait(deadline):
                    return [_as_received(message, message_attribute_names or []) for message in received]

    def _receive(self, queue: Any, count: int, visibility_s: int) -> list[Message]:
        store = self._store(queue)
        oldest = time.time() - queue.message_retention_period
        dead_letters: Any = queue.dead_letter_queue
        limit = (
            queue.redrive_policy["maxReceiveCount"]
            if dead_letters is not None and queue.redrive_policy
            else None
        )
        received: list[Message] = []
        for entry in store.receivable():
            message = entry.message
            if entry.sent_at <= oldest:
                store.remove(entry)
            elif limit is not None and message.approximate_receive_count >= limit:
                store.remove(entry)
                # Retention goes on counting from the first send, in FIFO queues from the move.
                self._store(dead_letters).add(message, sent_at=None if queue.fifo_queue else entry.sent_at)
            else:
                message.mark_received()
                store.take(entry, str(message.receipt_handle), visibility_s)
                received.append(message)
            if len(received) >= count:
                break
        return received

    def delete_message(self, moto: models.SQSBackend, queue_name: str, receipt_handle: str) -> None:
        with self._lock:
            try:
                self._store(moto.get_queue(queue_name)).delete(receipt_handle)
            except UnknownReceipt as error:
                raise exceptions.ReceiptHandleIsInvalid from error
            except ExpiredReceipt as error:
                raise _invalid("ReceiptHandle", receipt_handle, "The receipt handle has expired.") from error

    def change_message_visibility(
        self, moto: models.SQSBackend, queue_name: str, receipt_handle: str, visibility_timeout: int
    ) -> None:
        seconds = int(visibility_timeout)
        with self._lock:
            store = self._store(moto.get_queue(queue_name))
            try:
                first_received = (
                    store.message_of(receipt_handle).approximate_first_receive_timestamp or 0
                ) / 1000
                if time.time() - first_received + seconds > _MAX_VISIBILITY_S:
                    raise _invalid(
                        "VisibilityTimeout",
                        seconds,
                        "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]",
                    )
                store.change_visibility(receipt_handle, seconds)
            except UnknownReceipt as error:
                raise exceptions.ReceiptHandleIsInvalid from error
            except NotInFlight as error:
                raise exceptions.SQSException(
                    "MessageNotInflight",
                    "Message does not exist or is not available for visibility timeout change.",
                ) from error

    def send_message_batch(
        self, moto: models.SQSBackend, queue_name: str, entries: dict[str, dict[str, Any]]
    ) -> tuple[list[Message], list[dict[str, Any]]]:
        given = list(entries.values())
        _validate_batch([entry["Id"] for entry in given])
        size = sum(len(entry["MessageBody"].encode()) for entry in given)
        if size > MAXIMUM_MESSAGE_LENGTH:
            raise exceptions.BatchRequestTooLong(size)
        sent: list[Message] = []

        def send(entry: dict[str, Any]) -> None:
            message = self.send_message(
                moto,
                queue_name,
                entry["MessageBody"],
                entry.get("MessageAttributes"),
                entry.get("DelaySeconds"),
                entry.get("MessageDeduplicationId"),
                entry.get("MessageGroupId"),
            )
            message.user_id = entry["Id"]  # moto's own name for it
            sent.append(message)

        _, failed = _each(given, send)
        return sent, failed

    def delete_message_batch(
        self, moto: models.SQSBackend, queue_name: str, receipts: list[dict[str, Any]]
    ) -> tuple[list[str], list[dict[str, Any]]]:
        _validate_batch([entry["Id"] for entry in receipts])
        return _each(receipts, lambda entry: self.delete_message(moto, queue_name, entry["ReceiptHandle"]))

    def change_message_visibility_batch(
        self, moto: models.SQSBackend, queue_name: str, entries: list[dict[str, Any]]
    ) -> tuple[list[str], list[dict[str, Any]]]:
        _validate_batch([entry["Id"] for entry in entries])

        def change(entry: dict[str, Any]) -> None:
            self.change_message_visibility(
                moto, queue_name, entry["ReceiptHandle"], entry.get("VisibilityTimeout") or 0
            )

        return _each(entries, change)

    def purge_queue(self, moto: models.SQSBackend, queue_name: str) -> None:
        queue: Any = moto.get_queue(queue_name)
        if queue.last_purged_at is not None and time.time() - queue.last_purged_at < 60:
            raise exceptions.PurgeQueueInProgress(queue.name)
        queue.last_purged_at = time.time()
        with self._lock:
            self._store(queue).clear()

    def set_queue_attributes(
        self, moto: models.SQSBackend, queue_name: str, attributes: dict[str, Any]
    ) -> Queue:
        with self._lock:
            queue: Any = moto.get_queue(queue_name)
            queue._set_attributes(attributes)
            return queue

    def delete_queue(self, moto: models.SQSBackend, queue_name: str) -> None:
        with self._lock:
            queue: Any = moto.get_queue(queue_name)
            del moto.queues[queue_name]
            self._store(queue).close()


def _invalid(parameter: str, value: object, reason: str) -> exceptions.InvalidParameterValue:
    return exceptions.InvalidParameterValue(
        f"Value {value} for parameter {parameter} is invalid. Reason: {reason}"
    )


def _validate_batch(ids: list[str]) -> None:
    if len(ids) > _BATCH_LIMIT:
        raise exceptions.TooManyEntriesInBatchRequest(len(ids))
    if any(not re.fullmatch(r"[\w-]{1,80}", identity) for identity in ids):
        raise exceptions.InvalidBatchEntryId
    repeated = next((identity for identity in ids if ids.count(identity) > 1), None)
    if repeated is not None:
        raise exceptions.BatchEntryIdsNotDistinct(repeated)


def _each(
    entries: list[dict[str, Any]], do: Callable[[dict[str, Any]], None]
) -> tuple[list[str], list[dict[str, Any]]]:
    """Does each entry of a batch on its own (sqs-batches): (ids of those that went well, failures)."""
    done: list[str] = []
    failed: list[dict[str, Any]] = []
    for entry in entries:
        try:
            do(entry)
            done.append(entry["Id"])
        except exceptions.QueueDoesNotExist:
            raise
        except exceptions.SQSException as error:
            failed.append(
                {"Id": entry["Id"], "SenderFault": True, "Code": error.code, "Message": error.message}
            )
    return done, failed


def _as_received(message: Message, names: list[str]) -> Message:
    """A copy with the message attributes that were asked for: by name, by `prefix.*`, or all of them."""
    received = copy.copy(message)
    prefixes = tuple(name.removesuffix("*").removesuffix(".") for name in names if name.endswith(".*"))
    everything = "All" in names
    received.message_attributes = {
        key: value
        for key, value in message.message_attributes.items()
        if everything or key in names or (prefixes and key.startswith(prefixes))
    }
    return received
