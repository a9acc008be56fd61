"""Bodies too large for a message travel through a bucket whose objects expire in days."""

import hashlib
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

INLINE_LIMIT = 200 * 1024
"""Compressed bytes that still travel in the message."""


def key_of(crawl: str, url: str) -> str:
    """The object's key; the same page of the same crawl is the same object."""
    return f"pages/{crawl}/{hashlib.sha256(url.encode()).hexdigest()}.zlib"


class Pages:
    """The pages bucket. The client is made at first use: most workers never need one."""

    def __init__(self, client: "Callable[[], S3Client]", bucket: str) -> None:
        self._make = client
        self._bucket = bucket
        self._client: S3Client | None = None

    def _s3(self) -> "S3Client":
        if self._client is None:
            self._client = self._make()
        return self._client

    def put(self, key: str, packed: bytes) -> None:
        """The object is there."""
        self._s3().put_object(Bucket=self._bucket, Key=key, Body=packed, ContentType="application/zlib")

    def get(self, key: str) -> bytes:
        """The object's bytes, still compressed."""
        return self._s3().get_object(Bucket=self._bucket, Key=key)["Body"].read()


def pack(body: bytes) -> bytes:
    """The body as messages and objects carry it."""
    return zlib.compress(body, 3)


def unpack(packed: bytes, limit: int) -> bytes:
    """The body again, at most `limit` bytes of it.

    Raises:
        ValueError: not what `pack` made.
    """
    try:
        return zlib.decompressobj().decompress(packed, limit)
    except zlib.error as error:
        raise ValueError(f"the page's body cannot be unpacked: {error}") from error
