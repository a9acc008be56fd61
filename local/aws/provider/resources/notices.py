"""SNS topics, and who is told what is published to them.

Source: the Amazon SNS API reference.
"""

from __future__ import annotations

from typing import Final

from local.aws.provider.declaration import Resource, inputs, tag_list, tag_map
from local.aws.provider.session import Operation
from local.aws.provider.wire import Props

# Topic

_TOPIC_ATTRIBUTES: Final = {
    "deliveryPolicy": "DeliveryPolicy",
    "displayName": "DisplayName",
    "kmsMasterKeyId": "KmsMasterKeyId",
    "policy": "Policy",
    "signatureVersion": "SignatureVersion",
    "tracingConfig": "TracingConfig",
}


def _create_topic(op: Operation, props: Props) -> str:
    attributes = {api: str(props[key]) for key, api in _TOPIC_ATTRIBUTES.items() if props.get(key)}
    answer = op.client().create_topic(
        Name=props["name"], Attributes=attributes, Tags=tag_list(props["tagsAll"])
    )
    return str(answer["TopicArn"])


def _read_topic(op: Operation, arn: str, _state: Props) -> Props | None:
    attributes = op.client().get_topic_attributes(TopicArn=arn)["Attributes"]
    return {
        "arn": arn,
        "name": arn.rsplit(":", 1)[-1],
        "owner": attributes.get("Owner"),
        **{key: attributes.get(api) or None for key, api in _TOPIC_ATTRIBUTES.items()},
        "tagsAll": tag_map(op.client().list_tags_for_resource(ResourceArn=arn)["Tags"]),
    }


def _update_topic(op: Operation, arn: str, old: Props, new: Props) -> None:
    for key, api in _TOPIC_ATTRIBUTES.items():
        if old.get(key) != new.get(key):
            op.client().set_topic_attributes(
                TopicArn=arn, AttributeName=api, AttributeValue=str(new.get(key) or "")
            )


def _tag_topic(op: Operation, arn: str, tags: dict[str, str], removed: list[str]) -> None:
    if removed:
        op.client().untag_resource(ResourceArn=arn, TagKeys=removed)
    if tags:
        op.client().tag_resource(ResourceArn=arn, Tags=tag_list(tags))


TOPIC = Resource(
    kind="aws:sns/topic:Topic",
    service="sns",
    create=_create_topic,
    read=_read_topic,
    update=_update_topic,
    delete=lambda op, arn, _: op.client().delete_topic(TopicArn=arn),
    tag=_tag_topic,
    implements=inputs("name") | frozenset(_TOPIC_ATTRIBUTES),
)

# Subscription


def _subscribe(op: Operation, props: Props) -> str:
    answer = op.client().subscribe(
        TopicArn=props["topic"],
        Protocol=props["protocol"],
        Endpoint=props["endpoint"],
        ReturnSubscriptionArn=True,
    )
    identity = op.made = str(answer["SubscriptionArn"])
    _set_subscription(op, identity, {}, props)
    return identity


_SUBSCRIPTION_ATTRIBUTES: Final = {
    "filterPolicy": "FilterPolicy",
    "filterPolicyScope": "FilterPolicyScope",
    "rawMessageDelivery": "RawMessageDelivery",
    "redrivePolicy": "RedrivePolicy",
}


def _text(value: str | bool | None) -> str:
    return str(value).lower() if isinstance(value, bool) else value or ""


def _set_subscription(op: Operation, arn: str, old: Props, new: Props) -> None:
    for key, api in _SUBSCRIPTION_ATTRIBUTES.items():
        if _text(old.get(key) or None) != _text(new.get(key) or None):
            op.client().set_subscription_attributes(
                SubscriptionArn=arn, AttributeName=api, AttributeValue=_text(new.get(key))
            )


def _read_subscription(op: Operation, arn: str, _state: Props) -> Props | None:
    found = op.client().get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    return {
        "arn": arn,
        "topic": found["TopicArn"],
        "protocol": found.get("Protocol"),
        "endpoint": found.get("Endpoint"),
        "ownerId": found.get("Owner"),
        "filterPolicy": found.get("FilterPolicy"),
        "rawMessageDelivery": found.get("RawMessageDelivery") == "true",
        "redrivePolicy": found.get("RedrivePolicy"),
        "confirmationWasAuthenticated": found.get("ConfirmationWasAuthenticated") == "true",
        "pendingConfirmation": found.get("PendingConfirmation") == "true",
    }


TOPIC_SUBSCRIPTION = Resource(
    kind="aws:sns/topicSubscription:TopicSubscription",
    service="sns",
    create=_subscribe,
    read=_read_subscription,
    update=_set_subscription,
    delete=lambda op, arn, _: op.client().unsubscribe(SubscriptionArn=arn),
    implements=inputs("confirmationTimeoutInMinutes endpoint endpointAutoConfirms protocol topic")
    | frozenset(_SUBSCRIPTION_ATTRIBUTES),
)

RESOURCES = (TOPIC, TOPIC_SUBSCRIPTION)
