"""Queues."""

from __future__ import annotations

import json

from policies.rules.queues import QUEUE, QUEUE_POLICY, REDRIVE, REDRIVE_ALLOW
from tests.unit.policies.examples.example import Breaks, Examples, Keeps, allow, document, tls_only
from tests.unit.policies.judge import UNKNOWN, Declared

NEW = {
    "url": UNKNOWN,
    "arn": UNKNOWN,
    "redrivePolicy": UNKNOWN,
    "redriveAllowPolicy": UNKNOWN,
    "policy": UNKNOWN,
}
"""As a preview shows a queue that is not there yet: what AWS fills in is unknown too."""

WORK, DEAD = Declared(QUEUE, "work", NEW), Declared(QUEUE, "dead", NEW)
MOVES = Declared(
    REDRIVE,
    "moves",
    {"queueUrl": UNKNOWN, "redrivePolicy": UNKNOWN},
    of={"queueUrl": "work", "redrivePolicy": "dead"},
)
TAKES = Declared(REDRIVE_ALLOW, "takes", {"redriveAllowPolicy": UNKNOWN}, of={"queueUrl": "dead"})
TLS = Declared(QUEUE_POLICY, "tls", {"policy": document(tls_only("sqs"))}, of={"queueUrl": "work"})


def standing(name: str) -> Declared:
    return Declared(QUEUE, name, {"url": f"https://sqs/1/{name}", "arn": f"arn:aws:sqs:us-east-1:1:{name}"})


def target(name: str) -> str:
    return json.dumps({"deadLetterTargetArn": f"arn:aws:sqs:us-east-1:1:{name}", "maxReceiveCount": 3})


EXAMPLES: Examples = {
    "queue-dead-letter": (
        [
            Breaks("none", [WORK], "work: no dead letter queue"),
            Breaks("its dead letter queue is another's", [WORK, DEAD, TAKES], "work: no dead letter queue"),
            Breaks(
                "a queue whose name is the beginning of the target's",
                [
                    standing("a"),
                    standing("a-dead"),
                    standing("b"),
                    Declared(
                        REDRIVE, "r", {"queueUrl": "https://sqs/1/b", "redrivePolicy": target("a-dead")}
                    ),
                ],
                "a: no dead letter queue",
            ),
            Breaks(
                "one that lets nobody move messages to it",
                [Declared(QUEUE, "work", {**NEW, "redriveAllowPolicy": '{"redrivePermission":"denyAll"}'})],
                "no dead letter queue",
            ),
        ],
        [
            Keeps("before the queues are there", [WORK, DEAD, MOVES]),
            Keeps("the dead letter queue by its sources", [WORK, DEAD, MOVES, TAKES]),
            Keeps(
                "by literal URL and ARN",
                [
                    standing("a"),
                    standing("a-dead"),
                    Declared(
                        REDRIVE, "r", {"queueUrl": "https://sqs/1/a", "redrivePolicy": target("a-dead")}
                    ),
                ],
            ),
            Keeps(
                "in the queue itself",
                [Declared(QUEUE, "work", NEW, of={"redrivePolicy": "dead"}), DEAD, TAKES],
            ),
        ],
    ),
    "queue-encrypted": (
        [Breaks("nothing said", [Declared(QUEUE)], "not encrypted")],
        [
            Keeps("SQS's own key", [Declared(QUEUE, props={"sqsManagedSseEnabled": True})]),
            Keeps("a KMS key", [Declared(QUEUE, props={"kmsMasterKeyId": UNKNOWN})]),
        ],
    ),
    "queue-tls-only": (
        [
            Breaks("no policy", [WORK], "work: no policy"),
            Breaks(
                "a policy that says nothing of TLS",
                [
                    WORK,
                    Declared(
                        QUEUE_POLICY,
                        "open",
                        {"policy": document(allow(Action="sqs:SendMessage", Principal={"AWS": "1"}))},
                        of={"queueUrl": "work"},
                    ),
                ],
                "open lets plain HTTP in",
            ),
        ],
        [Keeps("denied", [WORK, TLS])],
    ),
}
