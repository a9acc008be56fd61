"""Who gets which message, and when: the store under the emulated SQS, with a clock of its own."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import pytest

from local.aws.moto_sqs.messages import Counts, ExpiredReceipt, MessageStore, NotInFlight, UnknownReceipt


@dataclass(eq=False)
class Message:
    text: str
    group_id: str | None = None
    approximate_receive_count: int = 0


class Queue:
    """A store and a clock that moves when told to."""

    def __init__(self, *, fifo: bool) -> None:
        self.now = 1000.0
        lock = threading.RLock()
        lock.acquire()
        self.store: MessageStore[Message] = MessageStore(lock, fifo=fifo, clock=lambda: self.now)
        self._receipts = 0

    def send(self, *texts: str, group: str | None = None, delay_s: float = 0) -> None:
        for text in texts:
            self.store.add(Message(text, group), delay_s=delay_s)

    def receive(self, count: int = 10, visibility_s: float = 30) -> dict[str, str]:
        """{text: receipt}, in order."""
        got: dict[str, str] = {}
        for entry in self.store.receivable():
            self._receipts += 1
            got[entry.message.text] = f"r{self._receipts}"
            self.store.take(entry, f"r{self._receipts}", visibility_s)
            if len(got) == count:
                break
        return got


def test_a_received_message_comes_back_when_its_visibility_timeout_is_over() -> None:
    queue = Queue(fifo=False)
    queue.send("a")
    assert list(queue.receive(visibility_s=30)) == ["a"]
    queue.now += 29
    assert queue.receive() == {}
    queue.now += 1
    assert list(queue.receive()) == ["a"]


def test_a_delayed_message_is_not_seen_before_its_time() -> None:
    queue = Queue(fifo=False)
    queue.send("later", delay_s=5)
    queue.send("now")
    assert list(queue.receive()) == ["now"]
    assert queue.store.counts() == Counts(visible=0, in_flight=1, delayed=1)
    queue.now += 5
    assert list(queue.receive()) == ["later"]


def test_a_deleted_message_never_comes_back_and_deleting_it_again_is_fine() -> None:
    queue = Queue(fifo=False)
    queue.send("a")
    receipt = queue.receive()["a"]
    queue.store.delete(receipt)
    queue.store.delete(receipt)
    queue.now += 100
    assert queue.receive() == {}
    assert queue.store.counts() == Counts()


def test_a_receipt_that_was_never_given_out_is_refused() -> None:
    with pytest.raises(UnknownReceipt):
        Queue(fifo=False).store.delete("nonsense")


def test_visibility_can_be_ended_at_once_and_prolonged() -> None:
    queue = Queue(fifo=False)
    queue.send("a")
    queue.store.change_visibility(queue.receive()["a"], 0)
    receipt = queue.receive(visibility_s=10)["a"]
    queue.store.change_visibility(receipt, 60)
    queue.now += 59
    assert queue.receive() == {}
    queue.now += 1
    assert list(queue.receive()) == ["a"]


def test_visibility_of_a_message_that_is_visible_cannot_be_changed() -> None:
    queue = Queue(fifo=False)
    queue.send("a")
    receipt = queue.receive(visibility_s=1)["a"]
    queue.now += 1
    with pytest.raises(NotInFlight):
        queue.store.change_visibility(receipt, 30)


def test_a_group_keeps_its_order_over_batches() -> None:
    queue = Queue(fifo=True)
    queue.send("a1", "a2", "a3", group="a")
    queue.send("b1", group="b")
    assert list(queue.receive(2)) == ["a1", "a2"]
    assert list(queue.receive()) == ["b1"]


def test_while_any_message_of_a_group_is_in_flight_nobody_gets_that_group() -> None:
    queue = Queue(fifo=True)
    queue.send("a1", "a2", "a3", group="a")
    batch = queue.receive(2)
    queue.store.delete(batch["a1"])
    assert queue.receive() == {}
    queue.store.delete(batch["a2"])
    assert list(queue.receive()) == ["a3"]


def test_a_message_handed_back_waits_for_the_rest_of_its_batch_and_comes_first() -> None:
    queue = Queue(fifo=True)
    queue.send("a1", "a2", "a3", group="a")
    batch = queue.receive(2)
    queue.store.change_visibility(batch["a1"], 0)
    assert queue.receive() == {}
    queue.store.change_visibility(batch["a2"], 0)
    assert list(queue.receive()) == ["a1", "a2", "a3"]


def test_holding_a_message_longer_pauses_its_group_alone() -> None:
    queue = Queue(fifo=True)
    queue.send("a1", "a2", group="a")
    queue.send("b1", group="b")
    batch = queue.receive(1)
    queue.store.change_visibility(batch["a1"], 300)
    queue.now += 299
    assert list(queue.receive()) == ["b1"]
    queue.now += 1
    assert list(queue.receive()) == ["a1", "a2"]


def test_a_receipt_of_a_fifo_queue_expires_with_its_visibility_timeout() -> None:
    queue = Queue(fifo=True)
    queue.send("a1", group="a")
    old = queue.receive(visibility_s=10)["a1"]
    queue.now += 10
    with pytest.raises(ExpiredReceipt):
        queue.store.delete(old)
    new = queue.receive()["a1"]
    with pytest.raises(ExpiredReceipt):
        queue.store.delete(old)
    queue.store.delete(new)


def test_a_deduplication_id_is_remembered_for_five_minutes_even_after_the_delete() -> None:
    queue = Queue(fifo=True)
    sent = Message("a1", "a")
    queue.store.remember("", "id", sent)
    queue.now += 299
    assert queue.store.duplicate_of("", "id") is sent
    assert queue.store.duplicate_of("other group", "id") is None
    queue.now += 1
    assert queue.store.duplicate_of("", "id") is None


def test_a_waiting_receiver_is_woken_by_a_message() -> None:
    lock = threading.RLock()
    store: MessageStore[Message] = MessageStore(lock, fifo=False)
    woken: list[bool] = []

    def wait() -> None:
        with lock:
            deadline = time.time() + 20
            while not any(store.receivable()):
                assert store.wait(deadline)
            woken.append(True)

    waiter = threading.Thread(target=wait)
    waiter.start()
    with lock:
        store.add(Message("a"))
    waiter.join(10)
    assert woken == [True]
