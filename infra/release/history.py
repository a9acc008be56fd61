"""What the artifact bucket knows: releases, their records, and what was deployed when."""

from __future__ import annotations

import base64
import getpass
import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, cast

import stamina
from botocore.exceptions import BotoCoreError, ClientError

from infra.errors import ReleaseError
from infra.release.pack import LIMIT_BYTES
from infra.storage_names import DEPLOYS, RECORD, RELEASES, TARBALL, record_key, release_key

SHORTEST_PREFIX = 6
CONFLICT_ATTEMPTS = 4

READERS = 8
"""Records that are read at the same time: each is a request of its own."""

HISTORY = 100
"""Most deploys of a stack that are read, newest first."""

RECORD_LIMIT_BYTES = 64 * 1024

_DIGEST = re.compile(r"[0-9a-f]{64}")
_SHORT = 12


@dataclass(frozen=True)
class ReleaseRecord:
    """A release that is stored, and what was written down of it."""

    digest: str
    bytes: int
    """Size of the tarball."""

    when: str
    """When it was packed first, or else stored, ISO 8601 in UTC."""

    who: str | None = None
    commit: str | None = None
    dirty: bool | None = None
    image: str | None = None
    """The image that it was first deployed with, `<repository>:<tag>`."""

    files: int | None = None


@dataclass(frozen=True)
class DeployEntry:
    """A deploy that was done: every app ran the release afterwards."""

    stack: str
    digest: str
    image: str
    when: str
    """ISO 8601, UTC."""

    who: str | None = None
    commit: str | None = None
    dirty: bool | None = None


class _ConflictError(ReleaseError):
    """Somebody else writes the same key at the same time (S3's 409): ask again."""


class ReleaseStore:
    """The releases of an artifact bucket.

    Every method raises ReleaseError where the bucket does not answer or refuses; it names bucket and key.

    Args:
        s3: a boto3 client of S3.
        bucket: the artifact bucket's name.
    """

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3, self._bucket = s3, bucket

    def put(self, digest: str, data: bytes) -> None:
        """The release is there, and is what was packed. One that is there already is compared, not written.

        Args:
            digest: SHA-256 of `data`, hex.
            data: the tarball.
        """
        self._put_once(
            release_key(digest), data, "application/gzip", ChecksumSHA256=_base64(digest), ChecksumAlgorithm="SHA256"
        )  # fmt: skip
        self.verified(digest)

    def put_record(self, record: ReleaseRecord) -> None:
        """Write down what a release is, unless that was done."""
        body = json.dumps(asdict(record), indent=2, sort_keys=True).encode()
        self._put_once(record_key(record.digest), body, "application/json")

    def verified(self, digest: str) -> None:
        """Return when the release is there and is what its digest says.

        S3 computes a stored checksum itself, so it is compared; an object that was stored without one is read.

        Raises:
            ReleaseError: it is missing, was cut off, or was replaced by something else.
        """
        key = release_key(digest)
        head = self._head(key)
        if head is None:
            raise ReleaseError(
                f"release {digest[:_SHORT]} is not in the bucket (s3://{self._bucket}/{key}): it was removed, or never "
                "stored there. `trawler releases` lists those there are"
            )
        checksum = head.get("ChecksumSHA256")
        stored = checksum if checksum and "-" not in checksum else _base64(self._hashed(key))
        if stored != _base64(digest):
            raise ReleaseError(
                f"s3://{self._bucket}/{key} is not release {digest[:_SHORT]}: its SHA-256 is {_hex(stored)[:_SHORT]}…, "
                f"its size {head.get('ContentLength')} bytes. It was cut off or replaced; no app was touched. Delete "
                "that object version (the one before it comes back), then deploy again"
            )

    def digest_stored(self, digest: str) -> str | None:
        """The digest of what is stored in a release's place; None where nothing is."""
        head = self._head(release_key(digest))
        if head is None:
            return None
        checksum = head.get("ChecksumSHA256")
        return _hex(checksum) if checksum and "-" not in checksum else self._hashed(release_key(digest))

    def fetch(self, digest: str) -> bytes:
        """The tarball, compared with its digest and no larger than a release may be."""
        data = self._get(release_key(digest), LIMIT_BYTES)
        if hashlib.sha256(data).hexdigest() != digest:
            raise ReleaseError(f"s3://{self._bucket}/{release_key(digest)}: cut off or replaced, not used")
        return data

    def releases(self) -> list[ReleaseRecord]:
        """Every release, newest first; one whose record is missing has its size and time only."""
        objects = {each["Key"]: each for each in self._listed(f"{RELEASES}/")}
        names = (key.removeprefix(f"{RELEASES}/") for key in objects if key.endswith(TARBALL))
        digests = [digest for name in names if _DIGEST.fullmatch(digest := name.removesuffix(TARBALL))]
        records = dict(self._records([key for d in digests if (key := record_key(d)) in objects]))
        found = [
            _release(digest, objects[release_key(digest)], records.get(record_key(digest), {}))
            for digest in digests
        ]
        return sorted(found, key=lambda record: record.when, reverse=True)

    def deploys(self, stack: str) -> list[DeployEntry]:
        """The last `HISTORY` deploys of a stack that were done, newest first."""
        found = self._records(self._deploy_keys(stack)[:HISTORY])
        return [entry for _, written in found if (entry := _entry(stack, written))]

    def stacks(self) -> list[str]:
        """The stacks that were ever deployed from this bucket."""
        keys = (each["Key"].split("/") for each in self._listed(f"{DEPLOYS}/"))
        return sorted({parts[1] for parts in keys if len(parts) > 2})

    def earlier(self, stack: str, than: str) -> DeployEntry | None:
        """The newest deploy of another release that was done before the release `than` was last deployed.

        Where `than` was never deployed whole, that is the newest deploy of all.
        """
        keys = self._deploy_keys(stack)
        # The key says how the digest begins: all but one of the records need not be read.
        ours = f"-{than[:_SHORT]}{RECORD}"
        first = next((at for at, key in enumerate(keys) if key.endswith(ours)), 0)
        others = (key for key in keys[first:] if not key.endswith(ours))
        return next((entry for key in others if (entry := _entry(stack, self._json(key)))), None)

    def resolve(self, prefix: str) -> str:
        """The one release whose digest begins so.

        Args:
            prefix: at least six hex digits.

        Raises:
            ReleaseError: there is none, or there are several.
        """
        wanted = prefix.lower()
        if len(wanted) < SHORTEST_PREFIX or not re.fullmatch(r"[0-9a-f]{1,64}", wanted):
            raise ReleaseError(f"'{prefix}': a release is named by at least {SHORTEST_PREFIX} hex digits")
        keys = (each["Key"] for each in self._listed(f"{RELEASES}/{wanted}"))
        found = [
            key.removeprefix(f"{RELEASES}/").removesuffix(TARBALL) for key in keys if key.endswith(TARBALL)
        ]
        if not found:
            raise ReleaseError(f"no release in s3://{self._bucket} begins with {prefix}")
        if len(found) > 1:
            shown = ", ".join(digest[: len(wanted) + 6] for digest in found[:5])
            raise ReleaseError(f"{len(found)} releases begin with {prefix}: {shown}; give more digits")
        return found[0]

    def add_deploy(
        self, stack: str, digest: str, image: str, commit: str | None = None, dirty: bool | None = None
    ) -> DeployEntry:
        """Write down that every app of a stack runs a release now.

        Args:
            stack: the stack.
            digest: the release.
            image: the image that it runs in.
            commit: where it comes from; as the release's own record says where not given.
            dirty: whether the tree differed from the commit.
        """
        now = datetime.now(UTC)
        if commit is None and self._head(record_key(digest)) is not None:
            written = self._json(record_key(digest))
            commit, dirty = _said(written, "commit"), _true_or_false(written, "dirty")
        entry = DeployEntry(stack, digest, image, _text(now), who(), commit, dirty)
        at = now.strftime("%Y%m%dT%H%M%S") + f".{now.microsecond // 1000:03}Z"
        self._put_once(
            f"{DEPLOYS}/{stack}/{at}-{digest[:_SHORT]}{RECORD}",
            json.dumps(asdict(entry), indent=2, sort_keys=True).encode(),
            "application/json",
        )
        return entry

    def remove(self, digest: str) -> None:
        """Take a release and its record out. The bucket is versioned: the object's earlier version stays below."""
        for key in (release_key(digest), record_key(digest)):
            try:
                self._s3.delete_object(Bucket=self._bucket, Key=key)
            except (ClientError, BotoCoreError) as e:
                raise self._failed(key, "not removed", e) from None

    def _put_once(self, key: str, body: bytes, content_type: str, **more: str) -> None:
        """A conditional put: what is there already stays. The SDK sends it again where the connection breaks."""
        for attempt in stamina.retry_context(on=_ConflictError, attempts=CONFLICT_ATTEMPTS, timeout=20.0):
            with attempt:
                try:
                    self._s3.put_object(
                        Bucket=self._bucket, Key=key, Body=body, IfNoneMatch="*", ContentType=content_type, **more
                    )  # fmt: skip
                except ClientError as e:
                    status = _status(e)
                    if status == 409:
                        raise _ConflictError(str(self._failed(key, "not stored", e))) from None
                    if status != 412:
                        raise self._failed(key, "not stored", e) from None
                except BotoCoreError as e:
                    raise self._failed(key, "not stored", e) from None

    def _head(self, key: str) -> dict[str, Any] | None:
        try:
            return self._s3.head_object(Bucket=self._bucket, Key=key, ChecksumMode="ENABLED")
        except ClientError as e:
            if _status(e) == 404:
                return None
            raise self._failed(key, "cannot be read", e) from None
        except BotoCoreError as e:
            raise self._failed(key, "cannot be read", e) from None

    def _hashed(self, key: str) -> str:
        return hashlib.sha256(self._get(key, LIMIT_BYTES)).hexdigest()

    def _get(self, key: str, limit: int) -> bytes:
        try:
            data: bytes = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read(limit + 1)
        except (ClientError, BotoCoreError, OSError) as e:
            raise self._failed(key, "cannot be read", e) from None
        if len(data) > limit:
            raise ReleaseError(f"s3://{self._bucket}/{key}: larger than {limit} bytes, not used")
        return data

    def _json(self, key: str) -> dict[str, Any]:
        """A record; nothing of one that is no JSON object, since it only says more of what is there."""
        try:
            found: Any = json.loads(self._get(key, RECORD_LIMIT_BYTES))
        except ValueError:
            return {}
        return cast(dict[str, Any], found) if isinstance(found, dict) else {}

    def _deploy_keys(self, stack: str) -> list[str]:
        """The records of a stack's deploys, newest first: a key begins with the time."""
        return sorted((each["Key"] for each in self._listed(f"{DEPLOYS}/{stack}/")), reverse=True)

    def _records(self, keys: Sequence[str]) -> list[tuple[str, dict[str, Any]]]:
        """Key and content of these records, in their order."""
        with ThreadPoolExecutor(READERS) as readers:
            return list(zip(keys, readers.map(self._json, keys), strict=True))

    def _listed(self, prefix: str) -> Iterator[dict[str, Any]]:
        try:
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
            for page in pages:
                yield from page.get("Contents", [])
        except (ClientError, BotoCoreError) as e:
            raise self._failed(prefix, "cannot be listed", e) from None

    def _failed(self, key: str, what: str, error: Exception) -> ReleaseError:
        return ReleaseError(f"s3://{self._bucket}/{key}: {what}: {error}")


def utc_now() -> str:
    """This moment, ISO 8601."""
    return _text(datetime.now(UTC))


def who() -> str:
    """Who is at work: the actor of a CI run, else the user of this machine."""
    actor = os.environ.get("GITHUB_ACTOR")
    if actor:
        return f"{actor} (GitHub Actions)"
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no such user is known, as in some containers
        return f"uid {os.getuid()}"


def _release(digest: str, stored: dict[str, Any], written: dict[str, Any]) -> ReleaseRecord:
    """What is known of a release: the record, so far as it says what a record says, and the object itself."""
    files = written.get("files")
    return ReleaseRecord(
        digest,
        int(stored["Size"]),
        _said(written, "when") or _text(stored["LastModified"]),
        _said(written, "who"),
        _said(written, "commit"),
        _true_or_false(written, "dirty"),
        _said(written, "image"),
        files if isinstance(files, int) else None,
    )


def _said(written: dict[str, Any], name: str) -> str | None:
    text = written.get(name)
    return text if isinstance(text, str) else None


def _true_or_false(written: dict[str, Any], name: str) -> bool | None:
    said = written.get(name)
    return said if isinstance(said, bool) else None


def _entry(stack: str, written: dict[str, Any]) -> DeployEntry | None:
    digest, image = written.get("digest"), written.get("image")
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest) or not isinstance(image, str):
        return None
    return DeployEntry(
        stack,
        digest,
        image,
        _said(written, "when") or "",
        _said(written, "who"),
        _said(written, "commit"),
        _true_or_false(written, "dirty"),
    )


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _base64(hex_digest: str) -> str:
    return base64.b64encode(bytes.fromhex(hex_digest)).decode()


def _hex(base64_digest: str) -> str:
    return base64.b64decode(base64_digest).hex()
