"""Release and record of a deploy as the engine drives them: create, update, diff, read, delete."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from infra.errors import ReleaseError
from infra.release import Packed, pack
from infra.release.history import ReleaseStore
from infra.release.resource import DeployRecordProvider, ReleaseProvider
from infra.storage_names import record_key, release_key
from tests.servers.releases.conftest import BUCKET

OTHER = "f" * 64


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "local")
    for name in [name for name in os.environ if name.startswith("GITHUB_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def configured(endpoint: str) -> Callable[[Any], Any]:
    """A provider as the engine hands it over: it knows the stack's configuration."""
    config = {"aws:region": "us-east-1", "aws:endpoints": json.dumps([{"s3": endpoint}])}

    def configure(provider: Any) -> Any:
        provider.configure(SimpleNamespace(config=SimpleNamespace(get=config.get)))
        return provider

    return configure


@pytest.fixture
def provider(configured: Callable[[Any], Any]) -> ReleaseProvider:
    return configured(ReleaseProvider())


@pytest.fixture
def packed(tmp_path: Path) -> Packed:
    (tmp_path / "crawler").mkdir()
    (tmp_path / "shops").mkdir()
    (tmp_path / "crawler" / "__main__.py").write_text("")
    return pack(tmp_path, tmp_path / "shops")


@pytest.fixture
def props(packed: Packed, tmp_path: Path) -> dict[str, Any]:
    """The inputs of a release that was packed just now."""
    path = tmp_path / "release"
    path.write_bytes(packed.data)
    return {
        "bucket": BUCKET,
        "key": packed.key,
        "digest": packed.digest,
        "path": str(path),
        "files": packed.files,
        "image": "registry.example/crawler:tag",
        "commit": "c0ffee",
        "dirty": True,
    }


def refreshed(provider: ReleaseProvider, props: dict[str, Any]) -> dict[str, Any]:
    """The properties that a refresh finds."""
    found = provider.read("id", props).outs
    assert found is not None
    return found


def _changed(path: Path) -> None:
    path.write_bytes(b"other")


def _gone(path: Path) -> None:
    path.unlink()


def keys(s3: Any) -> list[str]:
    return [each["Key"] for each in s3.list_object_versions(Bucket=BUCKET).get("Versions", [])]


def test_a_new_release_is_stored_with_its_record_and_a_second_time_nothing_is_written(
    provider: ReleaseProvider, props: dict[str, Any], packed: Packed, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTOR", "ada")
    provider.create(props)
    provider.update("id", {}, props)
    assert sorted(keys(s3)) == sorted([record_key(packed.digest), release_key(packed.digest)])
    (record,) = ReleaseStore(s3, BUCKET).releases()
    assert (record.who, record.commit, record.dirty) == ("ada (GitHub Actions)", "c0ffee", True)
    assert (record.image, record.files) == ("registry.example/crawler:tag", 1)
    assert record.bytes == len(packed.data)


def test_only_another_digest_or_bucket_is_a_change(provider: ReleaseProvider, props: dict[str, Any]) -> None:
    told = {**props, "commit": "beef", "dirty": False, "image": "other", "path": "elsewhere", "files": 9}
    assert provider.diff("id", props, told).changes is False
    stored = {name: props[name] for name in ("bucket", "key", "digest")}
    assert provider.diff("id", props, stored).changes is False
    assert provider.diff("id", props, {**props, "digest": OTHER}).changes is True
    moved = provider.diff("id", props, {**props, "bucket": "other"})
    assert (moved.changes, moved.replaces) == (True, ["bucket"])


def test_a_refresh_sees_a_release_that_went_and_one_that_was_changed(
    provider: ReleaseProvider, props: dict[str, Any], s3: Any
) -> None:
    provider.create(props)
    assert refreshed(provider, props)["digest"] == props["digest"]
    s3.put_object(Bucket=BUCKET, Key=props["key"], Body=b"other", ChecksumAlgorithm="SHA256")
    assert provider.diff("id", refreshed(provider, props), props).changes is True
    s3.delete_object(Bucket=BUCKET, Key=props["key"])
    assert provider.read("id", props).id == ""


def test_a_changed_object_stops_the_deploy_also_when_the_release_is_only_taken_up_again(
    provider: ReleaseProvider, props: dict[str, Any], s3: Any
) -> None:
    provider.create(props)
    s3.put_object(Bucket=BUCKET, Key=props["key"], Body=b"cut", ChecksumAlgorithm="SHA256")
    stored = {name: props[name] for name in ("bucket", "key", "digest")}
    for inputs in (props, stored):
        with pytest.raises(
            ReleaseError, match=r"cut off or replaced; no app was touched\. Delete that object"
        ):
            provider.update("id", {}, inputs)


def test_a_stored_release_that_was_removed_is_an_error_that_names_digest_bucket_and_the_list(
    provider: ReleaseProvider,
) -> None:
    with pytest.raises(
        ReleaseError, match=rf"{OTHER[:12]} is not in the bucket .s3://{BUCKET}/.*trawler releases"
    ):
        provider.create({"bucket": BUCKET, "key": release_key(OTHER), "digest": OTHER})


@pytest.mark.parametrize("spoil", [_changed, _gone])
def test_a_tarball_that_is_not_what_was_packed_is_not_uploaded(
    provider: ReleaseProvider, props: dict[str, Any], s3: Any, spoil: Callable[[Path], None]
) -> None:
    spoil(Path(props["path"]))
    with pytest.raises(ReleaseError, match="run the command again"):
        provider.create(props)
    assert keys(s3) == []


def test_nothing_is_deleted_with_the_resource(
    provider: ReleaseProvider, props: dict[str, Any], s3: Any, configured: Callable[[Any], Any]
) -> None:
    provider.create(props)
    before = keys(s3)
    provider.delete("id", props)
    configured(DeployRecordProvider()).delete("id", {})
    assert keys(s3) == before


def test_a_deploy_is_written_down_when_release_or_image_are_others(
    configured: Callable[[Any], Any], s3: Any
) -> None:
    record = configured(DeployRecordProvider())
    inputs = {
        "bucket": BUCKET,
        "stack": "prod",
        "digest": OTHER,
        "image": "r:1",
        "commit": "c0ffee",
        "dirty": False,
    }
    record.create(inputs)
    assert record.diff("id", inputs, {**inputs, "commit": "beef", "dirty": True}).changes is False
    again = {**inputs, "image": "r:2"}
    assert record.diff("id", inputs, again).changes is True
    record.update("id", inputs, again)
    found = ReleaseStore(s3, BUCKET).deploys("prod")
    assert [(each.digest, each.image) for each in found] == [(OTHER, "r:2"), (OTHER, "r:1")]
