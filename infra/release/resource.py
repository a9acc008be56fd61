"""Release and record of its deploy, as Pulumi resources.

Providers are stored by reference in the state (an imported module), so a change of this code is no change of them.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
from infra.release.history import ReleaseRecord, ReleaseStore, utc_now, who
from infra.release.pack import Packed, Stored
from infra.revision import Revision
from infra.storage_names import DEPLOYS, RELEASES


class _BucketProvider(ResourceProvider):
    def __init__(self) -> None:
        super().__init__()
        self._connection: AwsConnection | None = None

    def configure(self, req: ConfigureRequest) -> None:
        """Keep how this stack reaches AWS."""
        self._connection = AwsConnection.from_config(req.config.get)

    def _store(self, props: Mapping[str, Any]) -> ReleaseStore:
        if self._connection is None:
            raise ReleaseError("the provider of releases was not configured by the engine")
        return ReleaseStore(self._connection.client("s3"), props["bucket"])


class ReleaseProvider(_BucketProvider):
    """Stores a release with a conditional put; there already with the same checksum is success."""

    @told_plainly
    def create(self, props: dict[str, Any]) -> CreateResult:
        """Store the object unless it is there; one that was stored before is only compared."""
        self._place(props)
        return CreateResult(f"{props['bucket']}/{RELEASES}", dict(props))

    @told_plainly
    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Store the new object beside the old one."""
        self._place(_news)
        return UpdateResult(dict(_news))

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Another bucket is another resource; another digest is an update; what is only written down is neither."""
        return _diff(_olds, _news, "digest", "key")

    @told_plainly
    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Forget the release when its object has gone; one that is not what was stored shows as another digest."""
        if not props.get("digest"):
            return ReadResult("", {})
        stored = self._store(props).digest_stored(props["digest"])
        return ReadResult(id_, {**props, "digest": stored}) if stored else ReadResult("", {})

    @told_plainly
    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Nothing: a release stays for the rollback."""

    def _place(self, props: Mapping[str, Any]) -> None:
        store, digest = self._store(props), props["digest"]
        if not props.get("path"):
            store.verified(digest)
            return
        try:
            data = Path(props["path"]).read_bytes()
        except OSError as e:
            raise ReleaseError(
                f"{props['path']}: cannot be read: {e.strerror}; run the command again"
            ) from None
        if hashlib.sha256(data).hexdigest() != digest:
            raise ReleaseError(f"{props['path']}: changed since it was packed; run the command again")
        store.put(digest, data)
        written = {name: props.get(name) for name in ("commit", "dirty", "image")}
        store.put_record(
            ReleaseRecord(digest, len(data), utc_now(), who(), files=int(props["files"]), **written)
        )


class DeployRecordProvider(_BucketProvider):
    """Writes down each deploy that was done."""

    @told_plainly
    def create(self, props: dict[str, Any]) -> CreateResult:
        """Write down the first deploy."""
        self._write(props)
        return CreateResult(f"{props['bucket']}/{DEPLOYS}/{props['stack']}", dict(props))

    @told_plainly
    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Write down another deploy."""
        self._write(_news)
        return UpdateResult(dict(_news))

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """The same release in the same image is no deploy."""
        return _diff(_olds, _news, "digest", "image", "stack")

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """What was written is history: nothing to compare."""
        return ReadResult(id_, props)

    @told_plainly
    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Nothing: history stays."""

    def _write(self, props: Mapping[str, Any]) -> None:
        self._store(props).add_deploy(
            props["stack"], props["digest"], props["image"], props.get("commit"), props.get("dirty")
        )


def _diff(olds: Mapping[str, Any], news: Mapping[str, Any], *keys: str) -> DiffResult:
    changed = [key for key in ("bucket", *keys) if olds.get(key) != news.get(key)]
    return DiffResult(changes=bool(changed), replaces=["bucket"] if "bucket" in changed else [], stables=[])


class Release(Resource, module="release", name="Release"):
    """A release in the artifact bucket: present, and equal to what was packed.

    A new digest is an update that stores another object; nothing is ever deleted.
    """

    bucket: Output[str]
    key: Output[str]
    digest: Output[str]

    def __init__(
        self,
        name: str,
        release: Packed | Stored,
        bucket: Input[str],
        folder: Path,
        image: str,
        revision: Revision,
        opts: ResourceOptions | None = None,
    ) -> None:
        """Write the tarball into `folder` and register its upload; one that is stored already is only compared.

        Args:
            name: logical name.
            release: the release.
            bucket: the artifact bucket's name.
            folder: where the tarball waits for the upload; relative, so that no machine's path is in the state.
            image: the image that it is deployed with, for its record.
            revision: where it comes from, for its record.
            opts: resource options.
        """
        inputs: dict[str, Any] = {"bucket": bucket, "key": release.key, "digest": release.digest}
        if isinstance(release, Packed):
            path = _kept(release, folder)
            inputs |= {
                "path": str(path),
                "files": release.files,
                "image": image,
                "commit": revision.commit,
                "dirty": revision.dirty,
            }
        super().__init__(ReleaseProvider(), name, inputs, opts)


def _kept(release: Packed, folder: Path) -> Path:
    """The tarball as a file: whole at any moment, since a preview and an update may write the same one at once."""
    path = folder / f"{release.digest}.tar.gz"
    folder.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.stat().st_size != len(release.data):
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
            file.write(release.data)
        Path(file.name).replace(path)
    return path


class DeployRecord(Resource, module="release", name="DeployRecord"):
    """The stack's deploys, written down in the artifact bucket as they are done. Register it after every app."""

    def __init__(
        self,
        name: str,
        stack: str,
        release: Packed | Stored,
        image: str,
        bucket: Input[str],
        revision: Revision,
        opts: ResourceOptions | None = None,
    ) -> None:
        """Register it.

        Args:
            name: logical name.
            stack: the stack.
            release: the release that runs.
            image: the image that it runs in.
            bucket: the artifact bucket's name.
            revision: where the release comes from; of a pinned one nothing is known here.
            opts: resource options, `depends_on` the apps among them.
        """
        super().__init__(
            DeployRecordProvider(),
            name,
            {
                "bucket": bucket,
                "stack": stack,
                "digest": release.digest,
                "image": image,
                "commit": revision.commit,
                "dirty": revision.dirty,
            },
            opts,
        )
