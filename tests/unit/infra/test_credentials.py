"""Marathon's credentials come from Secrets Manager, and a mistake there is one sentence."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Generator
from typing import Any, cast

import boto3
import pytest
from moto import mock_aws

from infra.aws_connection import AwsConnection
from infra.marathon.client import MarathonError
from infra.marathon.credentials import credentials

CONNECTION = AwsConnection("us-east-1", None, {})


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> Generator[Any]:
    """An empty Secrets Manager."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        client = cast(Any, boto3).client("secretsmanager", region_name="us-east-1")
        yield client
        # Where a moto server has run in this process, the end of the mock forgets nothing.
        with contextlib.suppress(client.exceptions.ResourceNotFoundException):
            client.delete_secret(SecretId="marathon", ForceDeleteWithoutRecovery=True)


def test_an_entry_gives_user_name_and_password(secrets: Any) -> None:
    secrets.create_secret(Name="marathon", SecretString=json.dumps({"username": "u", "password": "p"}))
    assert credentials(CONNECTION, "marathon") == ("u", "p")


def test_a_marathon_that_asks_for_nothing_needs_no_entry() -> None:
    assert credentials(CONNECTION, None) is None


def test_a_missing_entry_is_told_by_its_name() -> None:
    with pytest.raises(MarathonError, match=r"'marathon' .*ResourceNotFoundException; create it"):
        credentials(CONNECTION, "marathon")


@pytest.mark.parametrize("value", ["p@ss", "[]", '{"username": "u"}'])
def test_an_entry_of_another_form_is_told_without_its_value(secrets: Any, value: str) -> None:
    secrets.create_secret(Name="marathon", SecretString=value)
    with pytest.raises(MarathonError, match="is not JSON with `username` and `password`") as told:
        credentials(CONNECTION, "marathon")
    assert value not in str(told.value)
