"""How the program's own calls reach AWS: as the stack's `aws` provider does, by the same configuration."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import boto3
from botocore.config import Config

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 60
ATTEMPTS = 4


@dataclass(frozen=True)
class AwsConnection:
    """Region, profile and endpoints of a stack, from its `aws:` configuration."""

    region: str
    profile: str | None
    endpoints: dict[str, str]
    """Service → base URL, only for services whose endpoint the stack sets."""

    @classmethod
    def from_config(cls, get: Callable[[str], Any]) -> AwsConnection:
        """The connection that `aws:region`, `aws:profile` and `aws:endpoints` describe.

        Args:
            get: full configuration key → its text, or None.
        """
        return cls(
            region=get("aws:region") or "us-east-1",
            profile=get("aws:profile"),
            endpoints=_endpoints(get("aws:endpoints")),
        )

    def client(self, service: str) -> Any:
        """A boto3 client with bounded waits. Credentials come from the SDK's own chain."""
        session = boto3.Session(profile_name=self.profile, region_name=self.region)
        endpoint = self.endpoints.get(service)
        return cast(Any, session).client(
            service,
            endpoint_url=endpoint,
            config=Config(
                connect_timeout=CONNECT_TIMEOUT_S,
                read_timeout=READ_TIMEOUT_S,
                retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
                # A configured endpoint is reached directly, whatever proxy the shell names.
                proxies={} if endpoint else None,
                s3={"addressing_style": "path"} if endpoint else None,
            ),
        )


def _endpoints(value: Any) -> dict[str, str]:
    """`[{"s3": url, …}]`, as text or decoded, flattened."""
    decoded = json.loads(value) if isinstance(value, str) else value
    return {service: url for entry in decoded or [] for service, url in entry.items() if url}
