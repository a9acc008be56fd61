"""A release: the workers' folder as a tarball that is byte-identical for identical sources.

It is stored once, under its digest, and never deleted: a rollback always finds its object.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from pulumi import Input, Output, ResourceOptions
from pulumi.dynamic import (
    ConfigureRequest,
    CreateResult,
    DiffResult,
    ReadResult,
    Resource,
    ResourceProvider,
    UpdateResult,
)

from infra.aws_connection import AwsConnection
from infra.errors import ReleaseError
from infra.plain_errors import told_plainly
from infra.storage import RELEASES

TOP = "app"
"""The tarball's one top folder. The fetcher always extracts into the sandbox's root, so this is the name
that an app's relative `hostPath` mounts."""

LIMIT_BYTES = 50 * 1024 * 1024
"""Largest sum of file sizes in a release. More is a mistake: data belongs in the bucket, not in the source."""

SUFFIXES = frozenset({".py", ".toml", ".json", ".txt", ".typed"})
"""What a worker is made of. A file of any other kind (Dockerfile, lock, cache, key) stays out."""


@dataclass(frozen=True)
class Packed:
    """A release before it is stored."""

    data: bytes
    digest: str
    """SHA-256 of `data`, hex."""

    @property
    def key(self) -> str:
        """Object key in the artifact bucket: the digest is in it, as an agent's fetch cache is never refreshed."""
        return f"{RELEASES}/{self.digest}.tar.gz"


def pack(workers: Path, shops: Path) -> Packed:
    """The tarball of a workers' folder: names sorted; times, owners and modes fixed; one top folder.

    Args:
        workers: the application's folder. Its own `shops/` is left out in favour of `shops`.
        shops: folder whose `*.toml` become the release's `shops/`.

    Raises:
        ReleaseError: a folder is missing, a symlink leaves it, or the files are too large.
    """
    if not (workers / "crawler" / "__main__.py").is_file():
        raise ReleaseError(f"{workers}: no worker to release here (crawler/__main__.py is missing)")
    if not shops.is_dir():
        raise ReleaseError(f"{shops}: the folder of shop definitions is missing; see the setting `shops`")
    members: dict[str, bytes] = {}
    total = 0
    for name, path in [*_sources(workers), *((f"shops/{p.name}", p) for p in sorted(shops.glob("*.toml")))]:
        if path.is_symlink() and not path.resolve().is_relative_to(workers.resolve()):
            raise ReleaseError(f"{path}: a symbolic link that leaves the folder cannot be released")
        members[name] = path.read_bytes()
        total += len(members[name])
        if total > LIMIT_BYTES:
            raise ReleaseError(f"{path}: with this file the release exceeds {LIMIT_BYTES // 1024**2} MiB")
    tar_bytes = io.BytesIO()
    with tarfile.open(fileobj=tar_bytes, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in sorted(members):
            info = tarfile.TarInfo(f"{TOP}/{name}")
            info.size = len(members[name])
            info.mode = 0o644
            tar.addfile(info, io.BytesIO(members[name]))
    data = gzip.compress(tar_bytes.getvalue(), compresslevel=9, mtime=0)
    return Packed(data, hashlib.sha256(data).hexdigest())


def _sources(workers: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(workers.rglob("*")):
        relative = path.relative_to(workers)
        hidden = any(part.startswith(".") or part == "__pycache__" for part in relative.parts)
        if hidden or relative.parts[0] == "shops" or path.suffix not in SUFFIXES or not path.is_file():
            continue
        yield relative.as_posix(), path


class ReleaseProvider(ResourceProvider):
    """Stores a release with a conditional put; there already with the same checksum is success.

    Stored by reference in the state (an imported module), so a change of this code is no change of a release.
    """

    def __init__(self) -> None:
        super().__init__()
        self._connection: AwsConnection | None = None

    def configure(self, req: ConfigureRequest) -> None:
        """Keep how this stack reaches AWS."""
        self._connection = AwsConnection.from_config(req.config.get)

    @told_plainly
    def create(self, props: dict[str, Any]) -> CreateResult:
        """Store the object unless it is there."""
        self._put(props)
        return CreateResult(f"{props['bucket']}/{RELEASES}", dict(props))

    @told_plainly
    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Store the new object beside the old one."""
        self._put(_news)
        return UpdateResult(dict(_news))

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Another bucket is another resource; another digest is an update."""
        changed = [key for key in ("bucket", "key", "digest") if _olds.get(key) != _news.get(key)]
        return DiffResult(
            changes=bool(changed), replaces=["bucket"] if "bucket" in changed else [], stables=[]
        )

    @told_plainly
    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Forget the release when its object has gone, so that the next `up` stores it again."""
        stored = self._checksum(props["bucket"], props["key"]) if props.get("key") else None
        return ReadResult(id_, props) if stored else ReadResult("", {})

    @told_plainly
    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Nothing: a release stays for the rollback."""

    def _s3(self) -> Any:
        if self._connection is None:
            raise ReleaseError("the release provider was not configured by the engine")
        return self._connection.client("s3")

    def _put(self, props: Mapping[str, Any]) -> None:
        bucket, key, digest = props["bucket"], props["key"], props["digest"]
        data = Path(props["path"]).read_bytes()
        if hashlib.sha256(data).hexdigest() != digest:
            raise ReleaseError(f"{props['path']}: changed since it was packed; run the command again")
        try:
            self._s3().put_object(
                Bucket=bucket,
                Key=key,
                Body=data,
                IfNoneMatch="*",
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=_base64_of(digest),
                ContentType="application/gzip",
            )
        except ClientError as e:
            if e.response.get("ResponseMetadata", {}).get("HTTPStatusCode") != 412:
                raise ReleaseError(f"s3://{bucket}/{key}: not stored: {e}") from None
        stored = self._checksum(bucket, key)
        if stored != _base64_of(digest):
            raise ReleaseError(
                f"s3://{bucket}/{key}: the stored object's SHA-256 is {stored}, not the release's "
                f"{_base64_of(digest)}: it was tampered with or cut off; delete that version and deploy again"
            )

    def _checksum(self, bucket: str, key: str) -> str | None:
        """Stored SHA-256, base64; None where no such object is."""
        try:
            head = self._s3().head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
        except ClientError as e:
            if e.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404:
                return None
            raise ReleaseError(f"s3://{bucket}/{key}: cannot be read: {e}") from None
        return head.get("ChecksumSHA256", "none")


def _base64_of(hex_digest: str) -> str:
    return base64.b64encode(bytes.fromhex(hex_digest)).decode()


class Release(Resource, module="release", name="Release"):
    """A release in the artifact bucket: present, and equal to what was packed.

    A new digest is an update that stores another object; nothing is ever deleted.
    """

    bucket: Output[str]
    key: Output[str]
    digest: Output[str]

    def __init__(
        self, name: str, packed: Packed, bucket: Input[str], folder: Path, opts: ResourceOptions | None = None
    ) -> None:
        """Write the tarball into `folder` and register its upload.

        Args:
            name: logical name.
            packed: the release.
            bucket: the artifact bucket's name.
            folder: where the tarball waits for the upload; relative, so that no machine's path is in the state.
            opts: resource options.
        """
        path = folder / f"{packed.digest}.tar.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(packed.data)
        super().__init__(
            ReleaseProvider(),
            name,
            {"bucket": bucket, "key": packed.key, "digest": packed.digest, "path": str(path)},
            opts,
        )
