"""Where ElasticMQ, in moto's place, is not SQS: attributes that it takes or refuses, and does not keep.

They are stored with the resource in Pulumi's state and have no effect on the queue (elasticmq-attributes).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from botocore.exceptions import ClientError

NOT_KEPT: Final = frozenset(
    {
        "DeduplicationScope",
        "FifoThroughputLimit",
        "KmsDataKeyReusePeriodSeconds",
        "KmsMasterKeyId",
        "MaximumMessageSize",
        "MessageRetentionPeriod",
        "Policy",
        "RedriveAllowPolicy",
        "SqsManagedSseEnabled",
    }
)
"""Attributes that GetQueueAttributes of ElasticMQ 1.6 never answers."""


def completed(answer: Mapping[str, Any], remembered: Mapping[str, str]) -> dict[str, str]:
    """The attributes of a GetQueueAttributes answer, with what ElasticMQ does not keep taken from the state.

    Args:
        answer: of boto3.
        remembered: attribute → value as the state has it.
    """
    attributes: dict[str, str] = dict(answer.get("Attributes", {}))
    if _from_elasticmq(answer):
        attributes = {api: text for api, text in remembered.items() if api in NOT_KEPT} | attributes
    return attributes


def is_unknown_attribute(error: ClientError) -> bool:
    """Whether ElasticMQ refused an attribute that SQS has."""
    return error.response.get("Error", {}).get("Code") == "InvalidAttributeName" and _from_elasticmq(
        error.response
    )


def _from_elasticmq(answer: Mapping[str, Any]) -> bool:
    """ElasticMQ is served by pekko-http; moto says `amazon.com`, as AWS's own services do."""
    headers: Mapping[str, str] = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return headers.get("server", "").startswith("pekko")
