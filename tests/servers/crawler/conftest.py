"""A moto server for the whole room, and a cloud of its own for each test."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest

from tests.servers.crawler.support import REGION, Cloud, MotoServer, make_cloud

_NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def moto() -> Iterator[MotoServer]:
    server = MotoServer()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def session() -> boto3.session.Session:
    return boto3.session.Session(region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test")


def _same(session: boto3.session.Session) -> Callable[..., boto3.session.Session]:
    def make(**_: object) -> boto3.session.Session:
        return session

    return make


@pytest.fixture
def cloud(
    moto: MotoServer, session: boto3.session.Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Cloud:
    folder = tmp_path / "shops"
    folder.mkdir()
    cloud = make_cloud(session, moto.url, f"t{next(_NUMBERS)}", folder)
    # Workers of one test process share what botocore loads; a worker of its own process pays for it once.
    monkeypatch.setattr("crawler.worker.boto3.session.Session", _same(session))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"):
        monkeypatch.setenv(name, cloud.environment[name])
    return cloud
