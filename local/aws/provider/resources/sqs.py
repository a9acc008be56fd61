"""SQS: queues, and the policies that are resources of their own.

Source: the attribute names of SetQueueAttributes in the SQS API reference.
"""

from __future__ import annotations

import json
import uuid

from botocore.exceptions import ClientError

from local.aws.differences.elasticmq import completed, is_unknown_attribute
from local.aws.provider.declaration import Resource, inputs
from local.aws.provider.session import Operation
from local.aws.provider.wire import Props

_NUMBERS = {
    "delaySeconds": "DelaySeconds",
    "kmsDataKeyReusePeriodSeconds": "KmsDataKeyReusePeriodSeconds",
    "maxMessageSize": "MaximumMessageSize",
    "messageRetentionSeconds": "MessageRetentionPeriod",
    "receiveWaitTimeSeconds": "ReceiveMessageWaitTimeSeconds",
    "visibilityTimeoutSeconds": "VisibilityTimeout",
}
_FLAGS = {
    "contentBasedDeduplication": "ContentBasedDeduplication",
    "fifoQueue": "FifoQueue",
    "sqsManagedSseEnabled": "SqsManagedSseEnabled",
}
_TEXTS = {
    "deduplicationScope": "DeduplicationScope",
    "fifoThroughputLimit": "FifoThroughputLimit",
    "kmsMasterKeyId": "KmsMasterKeyId",
    "policy": "Policy",
    "redriveAllowPolicy": "RedriveAllowPolicy",
    "redrivePolicy": "RedrivePolicy",
}
_FIFO_ONLY = ("ContentBasedDeduplication", "FifoQueue", "DeduplicationScope", "FifoThroughputLimit")


def _attributes(props: Props) -> dict[str, str]:
    values = {api: str(int(props[name])) for name, api in _NUMBERS.items() if props.get(name) is not None}
    values |= {api: str(props[name]).lower() for name, api in _FLAGS.items() if props.get(name) is not None}
    values |= {api: str(props[name]) for name, api in _TEXTS.items() if props.get(name)}
    # AWS refuses FIFO attributes on a standard queue, even false ones.
    return {api: value for api, value in values.items() if props.get("fifoQueue") or api not in _FIFO_ONLY}


def _create_queue(op: Operation, props: Props) -> str:
    name = (
        props.get("name")
        or f"{props['namePrefix']}{uuid.uuid4().hex[:26]}{'.fifo' if props.get('fifoQueue') else ''}"
    )
    answer = op.client().create_queue(QueueName=name, Attributes=_attributes(props), tags=props["tagsAll"])
    return str(answer["QueueUrl"])


def _get_attributes(op: Operation, url: str, remembered: dict[str, str]) -> dict[str, str]:
    return completed(op.client().get_queue_attributes(QueueUrl=url, AttributeNames=["All"]), remembered)


def _read_queue(op: Operation, url: str, state: Props) -> Props:
    found = _get_attributes(op, url, _attributes(state))
    name = found["QueueArn"].rsplit(":", 1)[-1]
    props: Props = {"url": url, "arn": found["QueueArn"], "name": name}
    props |= {key: int(found[api]) for key, api in _NUMBERS.items() if api in found}
    props |= {key: found[api] == "true" for key, api in _FLAGS.items() if api in found}
    props |= {key: found.get(api) for key, api in _TEXTS.items()}
    props["fifoQueue"] = name.endswith(".fifo")
    props["tagsAll"] = op.client().list_queue_tags(QueueUrl=url).get("Tags", {})
    return props


def _update_queue(op: Operation, url: str, old: Props, new: Props) -> None:
    before, after = _attributes(old), _attributes(new)
    changed = {api: value for api, value in after.items() if before.get(api) != value}
    # An attribute that left the program goes back to nothing: SQS takes the empty text for that.
    changed |= dict.fromkeys((api for api in before if api not in after and api in _TEXTS.values()), "")
    changed.pop("FifoQueue", None)
    if changed:
        op.client().set_queue_attributes(QueueUrl=url, Attributes=changed)


def _tag_queue(op: Operation, url: str, tags: dict[str, str], removed: list[str]) -> None:
    if removed:
        op.client().untag_queue(QueueUrl=url, TagKeys=removed)
    if tags:
        op.client().tag_queue(QueueUrl=url, Tags=tags)


QUEUE = Resource(
    kind="aws:sqs/queue:Queue",
    service="sqs",
    create=_create_queue,
    read=_read_queue,
    update=_update_queue,
    delete=lambda op, url, _: op.client().delete_queue(QueueUrl=url),
    tag=_tag_queue,
    implements=inputs("name namePrefix") | frozenset([*_NUMBERS, *_FLAGS, *_TEXTS]),
)


def _queue_attribute(kind: str, name: str, api: str) -> Resource:
    """A resource that is one attribute of a queue; its id is the queue's URL."""

    def write(op: Operation, url: str, value: str) -> None:
        try:
            op.client().set_queue_attributes(QueueUrl=url, Attributes={api: value})
        except ClientError as error:
            if not is_unknown_attribute(error):
                raise

    def create(op: Operation, props: Props) -> str:
        write(op, props["queueUrl"], props[name])
        return str(props["queueUrl"])

    def read(op: Operation, url: str, state: Props) -> Props | None:
        remembered = {api: str(state[name])} if state.get(name) else {}
        text = _get_attributes(op, url, remembered).get(api)
        return {"queueUrl": url, name: text} if text and json.loads(text) else None

    return Resource(
        kind=kind,
        service="sqs",
        create=create,
        read=read,
        update=lambda op, url, _old, new: write(op, url, new[name]),
        delete=lambda op, url, _: write(op, url, ""),
        implements=inputs(f"queueUrl {name}"),
    )


QUEUE_POLICY = _queue_attribute("aws:sqs/queuePolicy:QueuePolicy", "policy", "Policy")
REDRIVE_POLICY = _queue_attribute("aws:sqs/redrivePolicy:RedrivePolicy", "redrivePolicy", "RedrivePolicy")
REDRIVE_ALLOW_POLICY = _queue_attribute(
    "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy", "redriveAllowPolicy", "RedriveAllowPolicy"
)

RESOURCES = (QUEUE, QUEUE_POLICY, REDRIVE_POLICY, REDRIVE_ALLOW_POLICY)
