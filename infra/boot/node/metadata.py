"""The instance metadata service, version 2: what a machine may know about itself.

Source: Amazon EC2 User Guide, Use the Instance Metadata Service; Retrieve instance metadata.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from http import HTTPStatus

URL = "http://169.254.169.254"
_TOKEN_S = 21_600
_TIMEOUT_S = 1.0


class MetadataError(Exception):
    """The service does not answer, or not as it should: nothing is known, which is not the same as `no`."""


class Metadata:
    """One machine's metadata, with a session token that is renewed when it is refused."""

    def __init__(self, url: str = URL) -> None:
        self._url = url
        self._token: str | None = None
        # No proxy: the address is the machine's own.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def get(self, path: str) -> str | None:
        """The value below `/latest/meta-data/`, or None where there is none.

        Raises:
            MetadataError: the service does not answer within a second, or refuses.
        """
        for token in (self._token, None):
            self._token = token or self._new_token()
            try:
                return self._read("GET", path, {"X-aws-ec2-metadata-token": self._token})
            except urllib.error.HTTPError as e:
                if e.code == HTTPStatus.NOT_FOUND:
                    return None
                if e.code != HTTPStatus.UNAUTHORIZED or token is None:
                    raise MetadataError(f"instance metadata {path}: HTTP {e.code}") from None
            except OSError as e:
                raise MetadataError(f"instance metadata {path}: {e}") from None
        raise MetadataError(f"instance metadata {path}: no session token is accepted")

    def require(self, path: str) -> str:
        """The value, which every machine has.

        Raises:
            MetadataError: it is missing, or see `get`.
        """
        value = self.get(path)
        if value is None:
            raise MetadataError(f"instance metadata {path}: missing")
        return value

    def _new_token(self) -> str:
        try:
            return self._read("PUT", None, {"X-aws-ec2-metadata-token-ttl-seconds": str(_TOKEN_S)})
        except OSError as e:
            raise MetadataError(f"instance metadata token: {e}") from None

    def _read(self, method: str, path: str | None, headers: dict[str, str]) -> str:
        url = f"{self._url}/latest/api/token" if path is None else f"{self._url}/latest/meta-data/{path}"
        request = urllib.request.Request(url, method=method, headers=headers)  # noqa: S310  http, link-local
        with self._opener.open(request, timeout=_TIMEOUT_S) as response:
            return response.read(65_536).decode("utf-8", "replace")
