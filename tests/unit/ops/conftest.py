"""An AWS account in this process."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, cast

import boto3
import pytest
from moto import mock_aws
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.ec2.models import ec2_backends
from moto.ec2.models.spot_requests import SpotFleetRequest

from tests.unit.ops.world import Account


@pytest.fixture(scope="session")
def ec2() -> Generator[Any]:
    """A client of it: made once, as that takes longer than a test."""
    terminate = SpotFleetRequest.terminate_instances

    def terminate_what_is_there(request: SpotFleetRequest) -> None:
        # EC2 cancels a request that has no instance left; moto stumbles over the empty list.
        if request.spot_requests:
            terminate(request)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setattr(SpotFleetRequest, "terminate_instances", terminate_what_is_there)
        with mock_aws():
            yield cast(Any, boto3).client("ec2", region_name="us-east-1")


@pytest.fixture
def account(ec2: Any) -> Account:
    """An account without a request."""
    ec2_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].reset()
    return Account(ec2)
