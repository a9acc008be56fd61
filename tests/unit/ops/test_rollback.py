"""Which release a rollback goes back to, and what keeps it from going there."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from infra.errors import ReleaseError
from infra.release.history import DeployEntry, ReleaseStore
from ops.cluster import require_marathon
from ops.errors import MisuseError, OpsError
from ops.rollback import wanted
from ops.stack_file import StackFile

A, B, C, D = ("a" * 64, "b" * 64, "c" * 64, "d" * 64)


class Store:
    """Releases that were deployed in this order, of which some were removed since."""

    def __init__(self, *done: str, removed: str = "") -> None:
        self._done, self._removed = done, removed

    def deploys(self, stack: str) -> list[DeployEntry]:
        """Newest first."""
        return [
            DeployEntry(stack, each, f"worker:{each[0]}", "", "", None, None) for each in reversed(self._done)
        ]

    def verified(self, digest: str) -> None:
        """Missing where it was removed."""
        if digest == self._removed:
            raise ReleaseError(f"release {digest[:12]} is not in the bucket")

    def resolve(self, prefix: str) -> str:
        """A release that is stored, deployed or not."""
        return next(each for each in (A, B, C, D) if each.startswith(prefix))


def chosen(store: Store, *set_to: str, to: str | None = None) -> str:
    apps = [{"fetch": [{"uri": f"http://s3/bucket/releases/{each}.tar.gz"}]} for each in set_to]
    pin = wanted(cast(ReleaseStore, store), "prod", to, apps)
    assert pin.image == f"worker:{pin.digest[0]}"
    return pin.digest


def test_it_goes_back_to_the_release_before() -> None:
    assert chosen(Store(A, B, C), C, C) == B


def test_said_twice_it_goes_back_further_and_never_forth_again() -> None:
    assert chosen(Store(A, B, C, B), B, B) == A


def test_after_a_deploy_that_failed_it_goes_back_to_the_last_one_that_was_done() -> None:
    assert chosen(Store(A, B), B, C) == B
    assert chosen(Store(A, B), C, C) == B


@pytest.mark.parametrize("store", [Store(), Store(A), Store(A, A)])
def test_where_there_is_no_earlier_release_that_is_told(store: Store) -> None:
    with pytest.raises(MisuseError, match="prod has no release before"):
        chosen(store, A)


def test_one_that_is_named_need_not_be_the_last() -> None:
    assert chosen(Store(A, B, C), C, to="aaaaaa") == A


def test_one_that_was_removed_is_refused_with_those_that_were_deployed() -> None:
    with pytest.raises(
        OpsError, match=r"is not in the bucket; nothing was changed\. Deployed before: c+, b+, a+ "
    ):
        chosen(Store(A, B, C, removed=B), C)


def test_one_that_was_never_deployed_is_refused_as_its_image_is_not_known() -> None:
    with pytest.raises(MisuseError, match="was never deployed to prod"):
        chosen(Store(A, B), B, to="dddddd")


@pytest.mark.parametrize(
    ("cluster", "hint"),
    [
        ("{mode: managed}", "is `make tunnel STACK=prod` open"),
        ("{mode: existing}", "is the cluster up, and reachable from here"),
    ],
)
def test_a_marathon_that_does_not_answer_is_told_with_what_to_do(
    tmp_path: Path, cluster: str, hint: str
) -> None:
    path = tmp_path / "Pulumi.prod.yaml"
    path.write_text(f"config:\n  aws:region: us-east-1\n  trawler:cluster: {cluster}\n")
    outputs: dict[str, Any] = {"marathonUrls": ["http://127.0.0.1:1"]}
    with pytest.raises(OpsError, match=rf"{hint}\? Nothing was changed"):
        require_marathon(StackFile.read("prod", path), outputs)
