"""What can keep an operation from being done, told to the person who asked for it.

OpsError                exit 1: something failed; says in which state things are
├── MisuseError         exit 2: asked for what cannot be; nothing was changed
└── ConsentError        exit 3: a person must say yes first; nothing was changed
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError


class OpsError(Exception):
    """An operation failed. Its text says what, where, in which state things are, and what to do."""

    exit_code = 1


class MisuseError(OpsError):
    """What was asked for cannot be; nothing was changed."""

    exit_code = 2


class ConsentError(OpsError):
    """A person must say yes first; nothing was changed."""

    exit_code = 3


@contextmanager
def aws_told_plainly(what: str) -> Generator[None]:
    """Turn botocore's errors into one sentence.

    Args:
        what: what is being done, as a sentence goes on: "the requests of the fleet cannot be read".

    Raises:
        OpsError: AWS refused, or did not answer.
    """
    try:
        yield
    except ClientError as e:
        error = e.response.get("Error", {})
        raise OpsError(f"{what}: {error.get('Code', 'error')}: {error.get('Message', '')}") from None
    except BotoCoreError as e:
        raise OpsError(f"{what}: {e}") from None
