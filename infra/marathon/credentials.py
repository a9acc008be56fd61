"""Marathon's credentials, asked of Secrets Manager when they are needed: they reach no state, log or argument."""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from infra.aws_connection import AwsConnection
from infra.marathon.client import MarathonError

Credentials = tuple[str, str]
"""User name and password, for HTTP Basic authentication."""


def credentials(connection: AwsConnection, secret: str | None) -> Credentials | None:
    """The credentials that an entry holds as JSON, `{"username": …, "password": …}`; None without an entry.

    Args:
        connection: how the stack's account is reached.
        secret: the entry's name, or None where Marathon asks for nothing.

    Raises:
        MarathonError: the entry is missing, unreadable, or not of that form.
    """
    if secret is None:
        return None
    try:
        text: Any = (
            connection.client("secretsmanager").get_secret_value(SecretId=secret).get("SecretString", "")
        )
    except ClientError as e:
        code = e.response.get("Error", {}).get("Code", "")
        hint = (
            "create it (see docs/runbooks/first-account.md)"
            if code == "ResourceNotFoundException"
            else "is it allowed?"
        )
        raise MarathonError(
            f"Secrets Manager entry '{secret}' with Marathon's credentials: {code}; {hint}"
        ) from None
    except BotoCoreError as e:
        raise MarathonError(f"Secrets Manager entry '{secret}' cannot be read: {e}") from None
    try:
        entry = json.loads(text)
        return entry["username"], entry["password"]
    except (ValueError, TypeError, KeyError):
        raise MarathonError(
            f"Secrets Manager entry '{secret}' is not JSON with `username` and `password`; put such a value there"
        ) from None
