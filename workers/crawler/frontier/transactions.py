"""DynamoDB transactions that give way: conflicts are tried again, refused conditions are told one by one."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import stamina
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

LIMIT = 100
"""Actions in one transaction. Source: DynamoDB API reference, TransactWriteItems."""

Action = Mapping[str, Any]

_BUSY = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}
_BUSY_CALLS = {
    "TransactionConflictException",
    "TransactionInProgressException",
    "ThrottlingException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "InternalServerError",
}


def error_code(error: ClientError) -> str:
    """The service's own name for the error."""
    return str(error.response.get("Error", {}).get("Code", ""))


def reasons(error: ClientError) -> list[str]:
    """A cancelled transaction's reason for each action, `None` where the action was not at fault."""
    listed = cast("list[dict[str, Any]]", error.response.get("CancellationReasons", []))
    return [str(reason.get("Code", "None")) for reason in listed]


def is_busy(error: Exception) -> bool:
    """Whether the same call may succeed a moment later."""
    if not isinstance(error, ClientError):
        return False
    code = error_code(error)
    if code == "TransactionCanceledException":
        given = set(reasons(error))
        return bool(given & _BUSY) and "ConditionalCheckFailed" not in given
    return code in _BUSY_CALLS


def transact(client: "DynamoDBClient", actions: Sequence[Action]) -> list[bool]:
    """All actions are done, or none.

    Args:
        client: a low-level client.
        actions: 1 to 100 actions as TransactWriteItems takes them.

    Returns:
        One flag an action: whether its condition was refused. No flag set = everything was done.

    Raises:
        ClientError: anything but a refused condition, conflicts included once ten attempts are used up.
    """
    for attempt in stamina.retry_context(
        on=is_busy, attempts=10, timeout=30, wait_initial=0.05, wait_max=2, wait_jitter=0.2
    ):
        with attempt:
            try:
                client.transact_write_items(TransactItems=cast("Any", list(actions)))
            except ClientError as error:
                refused = [reason == "ConditionalCheckFailed" for reason in reasons(error)]
                if error_code(error) == "TransactionCanceledException" and any(refused):
                    return refused
                raise
    return [False] * len(actions)
