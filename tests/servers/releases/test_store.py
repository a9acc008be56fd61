"""Releases in a bucket: stored once, compared each time, and a history of what was deployed."""

from __future__ import annotations

import hashlib
import io
import json
import os
from typing import Any

import pytest
import stamina
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from infra.errors import ReleaseError
from infra.release.history import ReleaseRecord, ReleaseStore
from infra.storage_names import release_key
from tests.servers.releases.conftest import BUCKET, s3_at
from tests.servers.releases.cutting_proxy import cutting

DATA = os.urandom(64 * 1024)
DIGEST = hashlib.sha256(DATA).hexdigest()
A, B, C = ("a" * 64, "b" * 64, "c" * 64)


@pytest.fixture
def store(s3: Any) -> ReleaseStore:
    return ReleaseStore(s3, BUCKET)


def versions(s3: Any) -> list[str]:
    return [each["VersionId"] for each in s3.list_object_versions(Bucket=BUCKET).get("Versions", [])]


def replace(s3: Any, body: bytes, **more: str) -> None:
    """Somebody writes over a release, past the store."""
    s3.put_object(Bucket=BUCKET, Key=release_key(DIGEST), Body=body, **more)


def test_a_release_that_is_there_is_not_written_again(store: ReleaseStore, s3: Any) -> None:
    store.put(DIGEST, DATA)
    before = versions(s3)
    store.put(DIGEST, DATA)
    assert versions(s3) == before
    assert store.fetch(DIGEST) == DATA


def test_an_upload_whose_connection_breaks_is_sent_again(endpoint: str, s3: Any) -> None:
    with cutting(endpoint, times=2) as (url, cuts):
        ReleaseStore(s3_at(url), BUCKET).put(DIGEST, DATA)
    assert len(cuts) == 2
    assert ReleaseStore(s3, BUCKET).fetch(DIGEST) == DATA


def test_an_upload_that_never_gets_through_says_so_and_stores_nothing(endpoint: str, s3: Any) -> None:
    with cutting(endpoint, times=100) as (url, cuts), pytest.raises(ReleaseError, match="not stored"):
        ReleaseStore(s3_at(url), BUCKET).put(DIGEST, DATA)
    assert 1 < len(cuts) <= 4
    assert versions(s3) == []


@pytest.mark.parametrize(
    "body", [DATA[:1000], DATA[:-1] + bytes([DATA[-1] ^ 1]), b""], ids=["truncated", "one bit", "empty"]
)
@pytest.mark.parametrize("more", [{}, {"ChecksumAlgorithm": "SHA256"}], ids=["no checksum", "own checksum"])
def test_what_is_not_the_release_is_refused_before_anything_else(
    store: ReleaseStore, s3: Any, body: bytes, more: dict[str, str]
) -> None:
    replace(s3, body, **more)
    with pytest.raises(ReleaseError, match=rf"is not release {DIGEST[:12]}.*no app was touched. Delete that"):
        store.put(DIGEST, DATA)
    with pytest.raises(ReleaseError, match="cut off or replaced"):
        store.fetch(DIGEST)
    assert store.digest_stored(DIGEST) == hashlib.sha256(body).hexdigest()


def test_a_release_stored_without_a_checksum_is_read_and_believed(store: ReleaseStore, s3: Any) -> None:
    replace(s3, DATA)
    store.verified(DIGEST)


def test_a_removed_release_is_named_with_the_way_to_the_others(store: ReleaseStore) -> None:
    store.put(DIGEST, DATA)
    store.remove(DIGEST)
    with pytest.raises(ReleaseError, match=r"is not in the bucket .* `trawler releases` lists"):
        store.verified(DIGEST)
    assert store.releases() == []


def test_a_record_is_written_once_and_read_with_its_release(store: ReleaseStore) -> None:
    store.put(DIGEST, DATA)
    first = ReleaseRecord(DIGEST, len(DATA), "2026-01-01T00:00:00Z", "ada", "c0ffee", True, "r:tag", 7)
    store.put_record(first)
    store.put_record(ReleaseRecord(DIGEST, len(DATA), "2027-01-01T00:00:00Z", "bob"))
    assert store.releases() == [first]


def test_a_release_without_a_record_or_with_a_broken_one_is_listed(store: ReleaseStore, s3: Any) -> None:
    store.put(DIGEST, DATA)
    assert [(each.digest, each.bytes, each.who) for each in store.releases()] == [(DIGEST, len(DATA), None)]
    s3.put_object(Bucket=BUCKET, Key=f"releases/{DIGEST}.json", Body=b"[broken")
    assert [each.digest for each in store.releases()] == [DIGEST]


def test_a_record_that_says_something_else_than_records_say_is_not_believed(
    store: ReleaseStore, s3: Any
) -> None:
    store.put(DIGEST, DATA)
    wrong = {"when": 7, "who": ["x"], "commit": {}, "dirty": "no", "image": None, "files": "many"}
    s3.put_object(Bucket=BUCKET, Key=f"releases/{DIGEST}.json", Body=json.dumps(wrong).encode())
    (found,) = store.releases()
    assert (found.who, found.commit, found.dirty, found.image, found.files) == (None,) * 5
    assert found.when[:2] == "20"


def test_a_release_that_runs_again_keeps_the_commit_that_it_was_made_of(store: ReleaseStore) -> None:
    store.put(DIGEST, DATA)
    store.put_record(
        ReleaseRecord(DIGEST, len(DATA), "2026-01-01T00:00:00Z", "ada", "c0ffee", True, "r:tag", 7)
    )
    entry = store.add_deploy("prod", DIGEST, "r:tag")
    assert (entry.commit, entry.dirty) == ("c0ffee", True)
    assert store.deploys("prod") == [entry]


@pytest.mark.parametrize("conflicts", [2, 100])
def test_two_who_store_at_once_ask_again_a_few_times(s3: Any, conflicts: int) -> None:
    """S3 answers 409 while another conditional write of the same key is under way."""
    asked: list[str] = []

    def refuse(**_: Any) -> Any:
        asked.append("put")
        if len(asked) > conflicts:
            return None
        answer = AWSResponse("", 409, HTTPHeaders(), io.BytesIO())
        error = {"Code": "ConditionalRequestConflict", "Message": "a conflicting operation is under way"}
        return answer, {"Error": error, "ResponseMetadata": {"HTTPStatusCode": 409}}

    s3.meta.events.register("before-call.s3.PutObject", refuse)
    store = ReleaseStore(s3, BUCKET)
    with stamina.set_testing(True, attempts=4):
        if conflicts < 4:
            store.put(DIGEST, DATA)
            assert store.fetch(DIGEST) == DATA
        else:
            with pytest.raises(ReleaseError, match=r"not stored: .*a conflicting operation is under way"):
                store.put(DIGEST, DATA)
            assert len(asked) == 4


def test_a_rollback_reads_one_record_of_a_long_history(store: ReleaseStore, s3: Any) -> None:
    store.add_deploy("prod", A, "r:a")
    for _ in range(5):
        store.add_deploy("prod", B, "r:b")
    asked: list[str] = []

    def count(**_: Any) -> None:
        asked.append("get")

    s3.meta.events.register("before-call.s3.GetObject", count)
    found = store.earlier("prod", B)
    assert found is not None
    assert (found.digest, len(asked)) == (A, 1)


def test_the_history_is_newest_first_and_of_one_stack(store: ReleaseStore) -> None:
    for digest in (A, B, A):
        store.add_deploy("prod", digest, f"r:{digest[0]}", "c0ffee", False)
    store.add_deploy("prod-eu", C, "r:c")
    assert [entry.digest for entry in store.deploys("prod")] == [A, B, A]
    assert store.stacks() == ["prod", "prod-eu"]
    entry = store.deploys("prod")[0]
    assert (entry.image, entry.commit, entry.dirty) == ("r:a", "c0ffee", False)


@pytest.mark.parametrize(
    ("done", "runs", "earlier"),
    [((A, B), B, A), ((A, B), A, None), ((A, B, A), A, B), ((A, B), C, B), ((A, A), A, None), ((), A, None)],
)
def test_the_earlier_release_is_the_one_before(
    store: ReleaseStore, done: tuple[str, ...], runs: str, earlier: str | None
) -> None:
    for digest in done:
        store.add_deploy("prod", digest, "r:t")
    found = store.earlier("prod", runs)
    assert (found.digest if found else None) == earlier


def test_a_release_is_named_by_how_it_begins(store: ReleaseStore, s3: Any) -> None:
    near = "abcdef0" + "0" * 57, "abcdef1" + "0" * 57
    for digest in near:
        s3.put_object(Bucket=BUCKET, Key=release_key(digest), Body=b"")
    assert store.resolve("ABCDEF0") == near[0]
    with pytest.raises(ReleaseError, match="2 releases begin with abcdef"):
        store.resolve("abcdef")
    with pytest.raises(ReleaseError, match="no release in s3://artifacts begins with 123456"):
        store.resolve("123456")
    with pytest.raises(ReleaseError, match="at least 6 hex digits"):
        store.resolve("../x")


def test_a_bucket_that_does_not_answer_is_named() -> None:
    store = ReleaseStore(s3_at("http://127.0.0.1:9"), BUCKET)
    with pytest.raises(ReleaseError, match=rf"s3://{BUCKET}/releases/{DIGEST}\.tar\.gz: cannot be read"):
        store.verified(DIGEST)
