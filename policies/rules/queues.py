"""Queues: a dead letter queue behind each, encrypted, over TLS only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .documents import NotADocumentError, denies_plain_http, statements
from .rule import ResourceRule, Rule, StackRule, Subject, companions, points_at

QUEUE = "aws:sqs/queue:Queue"
QUEUE_POLICY = "aws:sqs/queuePolicy:QueuePolicy"
REDRIVE = "aws:sqs/redrivePolicy:RedrivePolicy"
REDRIVE_ALLOW = "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy"

_GUIDE = "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide"
_OWN = ("url", "arn", "id")


def _dead_letters(queue: Subject, stack: Sequence[Subject]) -> Iterator[str]:
    if (
        queue.sets("redrivePolicy")
        or companions(queue, stack, REDRIVE, "queueUrl", _OWN)
        or _is_dead_letter_queue(queue, stack)
    ):
        return
    yield (
        "no dead letter queue: add an aws.sqs.RedrivePolicy for it with deadLetterTargetArn and maxReceiveCount;"
        " if it is a dead letter queue itself, add an aws.sqs.RedriveAllowPolicy that names its sources"
    )


def _is_dead_letter_queue(queue: Subject, stack: Sequence[Subject]) -> bool:
    holders = [queue] if queue.sets("redriveAllowPolicy") else []
    holders += companions(queue, stack, REDRIVE_ALLOW, "queueUrl", _OWN)
    if holders:
        # What is not known yet names sources: denyAll, which makes it nobody's, needs none.
        return any(
            h.props.is_unknown("redriveAllowPolicy") or "denyAll" not in h.props.text("redriveAllowPolicy")
            for h in holders
        )
    types = (REDRIVE, QUEUE)
    return any(
        points_at(s, "redrivePolicy", queue, ("arn",))
        for s in stack
        if s.type in types and s.urn != queue.urn
    )


def _encrypted(queue: Subject) -> Iterator[str]:
    has_key = queue.props.is_unknown("kmsMasterKeyId") or queue.props.text("kmsMasterKeyId")
    if not has_key and not queue.props.flag("sqsManagedSseEnabled"):
        yield "not encrypted: set sqs_managed_sse_enabled=True or kms_master_key_id"


def _tls_only(queue: Subject, stack: Sequence[Subject]) -> Iterator[str]:
    holders = [queue] if queue.sets("policy") else []
    holders += companions(queue, stack, QUEUE_POLICY, "queueUrl", _OWN)
    if not holders:
        yield (
            "no policy: add an aws.sqs.QueuePolicy that denies sqs:* to everyone where aws:SecureTransport is false"
        )
        return
    try:
        if any(denies_plain_http(statements(h.props.text("policy"))) for h in holders):
            return
    except NotADocumentError as e:
        yield f"{e}"
        return
    yield (
        f"the policy {holders[-1].name} lets plain HTTP in: add a Deny of sqs:* for Principal * with"
        ' Condition {"Bool": {"aws:SecureTransport": "false"}}'
    )


RULES: tuple[Rule, ...] = (
    StackRule(
        name="queue-dead-letter",
        what="Each queue has a dead letter queue.",
        why="A message that no worker can handle is otherwise received until it expires, and then is lost unseen.",
        reference=f"{_GUIDE}/sqs-dead-letter-queues.html",
        types=(QUEUE,),
        check=_dead_letters,
    ),
    ResourceRule(
        name="queue-encrypted",
        what="Queues are encrypted at rest.",
        why="Messages hold URLs and page bodies.",
        reference=f"{_GUIDE}/sqs-server-side-encryption.html",
        types=(QUEUE,),
        check=_encrypted,
    ),
    StackRule(
        name="queue-tls-only",
        what="Queues refuse plain HTTP.",
        why="SQS answers on HTTP too: a mistaken endpoint would send messages and signatures in clear.",
        reference=f"{_GUIDE}/sqs-security-best-practices.html",
        types=(QUEUE,),
        check=_tls_only,
    ),
)
