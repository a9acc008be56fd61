"""What the provider says when it cannot do what was asked.

ProviderError
├── EndpointError      the configured endpoints do not allow the call
└── RefusedError       AWS would refuse this, and moto would not
"""

from __future__ import annotations

import re

import botocore.exceptions
import botocore.parsers


class ProviderError(Exception):
    """A failure whose text is all that the person needs."""


class EndpointError(ProviderError):
    """A service has no endpoint, or one that is not on this machine."""


class RefusedError(ProviderError):
    """A call that AWS would refuse although the emulator accepts it."""


_GONE = re.compile(r"NotFound|NoSuch|NonExistent|DoesNotExist|^404$")


def error_code(error: BaseException) -> str:
    """The AWS error code of a botocore ClientError; empty for anything else."""
    if isinstance(error, botocore.exceptions.ClientError):
        return str(error.response.get("Error", {}).get("Code", ""))
    return ""


def is_gone(error: BaseException) -> bool:
    """Whether the error says that the object is not there. A network failure never does."""
    return bool(_GONE.search(error_code(error)))


def describe(error: BaseException, what: str) -> str:  # noqa: PLR0911 - a case for each family of errors
    """One line for the person: what failed, where, and what to do.

    Args:
        what: the operation, such as `create of aws.sqs.Queue "fetch"`.
    """
    match error:
        case ProviderError():
            return str(error)
        case botocore.exceptions.ClientError():
            detail = error.response.get("Error", {})
            message = " ".join(str(detail.get("Message", "")).split())[:600]
            return (
                f"{what}: {error.operation_name} was refused by the local AWS: {error_code(error)}: {message}"
            )
        case botocore.exceptions.EndpointConnectionError() | botocore.exceptions.ConnectionError():
            return f"{what}: {_one_line(error)}; is the local stack running?"
        case botocore.exceptions.ParamValidationError():
            return f"{what}: {_one_line(error)}"
        case botocore.exceptions.HTTPClientError():
            return f"{what}: no answer from the local AWS: {_one_line(error)}"
        case botocore.parsers.ResponseParserError():
            return f"{what}: the local AWS failed inside (moto answered with an error page, not with an AWS error)"
        case _:
            place = _innermost_place(error)
            return f"{what}: a fault of the local aws provider: {type(error).__name__}: {_one_line(error)}{place}"


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:600]


def _innermost_place(error: BaseException) -> str:
    trace = error.__traceback__
    if trace is None:
        return ""
    while trace.tb_next is not None:
        trace = trace.tb_next
    return f" ({trace.tb_frame.f_code.co_name}, line {trace.tb_lineno})"


def message_of(error: botocore.exceptions.ClientError) -> str:
    """The text of an AWS error, on one line."""
    return " ".join(str(error.response.get("Error", {}).get("Message", "")).split())
