"""What joins apps and workers is environment variables: the apps, the workers' settings and the stack agree on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from crawler.settings import STAGES, read_settings
from infra import settings
from tests.program.engine import Program, run


class Reads(Mapping[str, str]):
    """An environment that remembers which of its variables were asked for."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values_ = values
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return self.values_[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_)

    def __len__(self) -> int:
        return len(self.values_)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """The local stack's program."""
    return run(tmp_path_factory.mktemp("program"))


def manifest(program: Program, stage: str) -> dict[str, Any]:
    return program.named(f"apps-{stage}").inputs["manifest"]


def test_infra_and_workers_know_the_same_stages() -> None:
    assert tuple(STAGES) == settings.STAGES


@pytest.mark.parametrize("stage", STAGES)
def test_a_worker_finds_everything_it_needs_in_its_apps_environment(program: Program, stage: str) -> None:
    known = read_settings(next(s for s in STAGES if s == stage), manifest(program, stage)["env"])
    assert known.queue_url.endswith(program.named(f"queues-{stage}").inputs["name"])
    assert known.dead_letter_queue_url.endswith(program.named(f"queues-{stage}-dead").inputs["name"])
    assert known.frontier_table == program.named("tables-frontier").inputs["name"]
    assert known.visibility_s == program.named(f"queues-{stage}").inputs["visibilityTimeoutSeconds"]


@pytest.mark.parametrize("stage", STAGES)
def test_an_app_sets_no_variable_that_its_worker_does_not_read(program: Program, stage: str) -> None:
    environment = Reads(manifest(program, stage)["env"])
    read_settings(next(s for s in STAGES if s == stage), environment)
    ours = {name for name in environment if name.startswith("TRAWLER_")}
    assert ours - environment.asked == set()


def test_a_worker_is_given_longer_to_stop_than_it_takes(program: Program) -> None:
    assert all(manifest(program, stage)["taskKillGracePeriodSeconds"] >= 10 for stage in STAGES)
