"""The emulated services as real processes, and a provider behind a real gRPC channel."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import grpc
import pytest
from botocore.config import Config

from local.aws.provider.service import AwsProvider
from local.stack.layout import MOTO_SERVICES

from .engine import Engine

_SERVICES = ("aws", "sqs", "dynamodb")


def start_server(service: str, *more: str) -> tuple[subprocess.Popen[str], str]:
    """A server process on a free port, and its URL; returns once it answers."""
    process = subprocess.Popen(
        [sys.executable, "-m", "local.aws", "serve", "--service", service, "--port", "0", *more],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert "ready on http://127.0.0.1:" in line, f"{service} did not start: {line!r}"
    return process, line.rsplit(" ", 1)[-1].strip()


@pytest.fixture(scope="session")
def endpoints() -> Iterator[dict[str, str]]:
    """URL by provider endpoint name, of three server processes."""
    with ThreadPoolExecutor(3) as pool:
        started = dict(zip(_SERVICES, pool.map(start_server, _SERVICES), strict=True))
    urls = {service: url for service, (_, url) in started.items()}
    yield {"sqs": urls["sqs"], "dynamodb": urls["dynamodb"], **dict.fromkeys(MOTO_SERVICES, urls["aws"])}
    for process, _ in started.values():
        process.kill()
        process.wait(10)
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture(scope="session")
def client(endpoints: dict[str, str]) -> Callable[[str], Any]:
    """boto3 clients by service."""

    @cache
    def make(service: str) -> Any:
        url = endpoints["applicationautoscaling" if service == "application-autoscaling" else service]
        config = Config(proxies={}, retries={"total_max_attempts": 1}, max_pool_connections=16)
        keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
        return boto3.client(service, region_name="us-east-1", endpoint_url=url, config=config, **keys)  # pyright: ignore

    return make


@contextmanager
def engines() -> Generator[Callable[..., Engine]]:
    """Makes engines, each with a configured provider of its own."""
    servers: list[grpc.Server] = []
    channels: list[grpc.Channel] = []

    def make(**config: Any) -> Engine:
        server = grpc.server(ThreadPoolExecutor(4))
        AwsProvider("7.51.1").register(server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        servers.append(server)
        channels.append(grpc.insecure_channel(f"127.0.0.1:{port}"))
        return Engine(channels[-1], {"region": "us-east-1", **config})

    yield make
    for channel in channels:
        channel.close()
    for server in servers:
        server.stop(None).wait(5)


@pytest.fixture
def make_engine() -> Iterator[Callable[..., Engine]]:
    """Makes engines: make_engine(endpoints={…}, defaultTags={…})."""
    with engines() as make:
        yield make


@pytest.fixture
def offline(make_engine: Callable[..., Engine]) -> Engine:
    """An engine whose endpoints nobody answers: good for Check, Diff and previews."""
    services = ("sqs", "dynamodb", *MOTO_SERVICES)
    return make_engine(endpoints=[dict.fromkeys(services, "http://127.0.0.1:1")])


@pytest.fixture(scope="session")
def live(endpoints: dict[str, str]) -> Iterator[Engine]:
    """An engine over the running servers, with a default tag. Shared: its provider keeps its clients."""
    with engines() as make:
        yield make(endpoints=[endpoints], defaultTags={"tags": {"Project": "trial"}})
