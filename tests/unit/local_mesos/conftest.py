"""Fixtures of the local Marathon's tests."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.unit.local_mesos.support import Cluster, a_cluster


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncGenerator[Cluster]:
    """One machine, nothing on it."""
    async with a_cluster(tmp_path) as cluster:
        yield cluster
