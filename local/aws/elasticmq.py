"""`python -m local.aws.elasticmq`: ElasticMQ, a queue server that stays fast when queues are deep.

Needs Java, and Maven for the first start. moto serves SQS where there is neither.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

VERSION = "1.6.11"
ARTIFACT = f"org.elasticmq:elasticmq-server_2.13:{VERSION}"
DOWNLOAD_TIMEOUT_S = 600
STOP_GRACE_S = 10.0
PARENT_POLL_S = 0.5

ACCOUNT = "123456789012"
"""The account that moto answers for: a queue's ARN names it, and policies name the ARN."""


class ElasticMqError(Exception):
    """ElasticMQ cannot run here; the text says what is missing."""


def libraries(cache: Path) -> Path:
    """Folder of ElasticMQ's archives, fetched once from Maven Central.

    Args:
        cache: folder to keep them in; a version has a folder of its own there.

    Raises:
        ElasticMqError: there is no Maven, or it cannot fetch them.
    """
    folder = cache / VERSION
    if folder.is_dir():
        return folder
    if not shutil.which("mvn"):
        raise ElasticMqError("ElasticMQ is fetched by Maven and no `mvn` is on PATH; use QUEUES=moto")
    partial = cache / f"{VERSION}.partial-{os.getpid()}"
    partial.mkdir(parents=True)
    (partial / "pom.xml").write_text(_pom())
    command = ["mvn", "--quiet", "--batch-mode", "--strict-checksums", "dependency:copy-dependencies"]
    answer = subprocess.run(
        [*command, f"-DoutputDirectory={partial / 'lib'}"],
        cwd=partial,
        capture_output=True,
        text=True,
        timeout=DOWNLOAD_TIMEOUT_S,
        check=False,
    )
    if answer.returncode != 0:
        shutil.rmtree(partial, ignore_errors=True)
        raise ElasticMqError(f"Maven could not fetch {ARTIFACT}:\n{answer.stdout[-800:]}")
    (partial / "lib").rename(folder)
    shutil.rmtree(partial, ignore_errors=True)
    return folder


def command(archives: Path, port: int) -> list[str]:
    """Java's command line for a server on 127.0.0.1, with the limits of SQS enforced."""
    settings = {
        "node-address.host": "127.0.0.1",
        "node-address.port": port,
        "rest-sqs.bind-hostname": "127.0.0.1",
        "rest-sqs.bind-port": port,
        "rest-sqs.sqs-limits": "strict",
        "rest-stats.enabled": "false",
        "aws.accountId": ACCOUNT,
        "aws.region": "us-east-1",
    }
    java = [
        *("java", "-Xmx256m", "-XX:+UseSerialGC"),
        *(f"-D{key}={value}" for key, value in settings.items()),
    ]
    return [*java, "-cp", f"{archives}/*", "org.elasticmq.server.Main"]


def run(cache: Path, port: int, *, exit_with_parent: bool) -> int:
    """Run the server until SIGTERM, SIGINT or, if asked, the end of the parent; its status.

    Raises:
        ElasticMqError: Java is missing, or the archives cannot be fetched.
    """
    if not shutil.which("java"):
        raise ElasticMqError("ElasticMQ needs Java and no `java` is on PATH; use QUEUES=moto")
    parent = os.getppid()
    process = subprocess.Popen(command(libraries(cache), port), stdin=subprocess.DEVNULL)

    def stop(_number: int, _frame: FrameType | None) -> None:
        process.terminate()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    while True:
        try:
            return max(process.wait(PARENT_POLL_S), 0)
        except subprocess.TimeoutExpired:
            if exit_with_parent and os.getppid() != parent:
                _end(process)
                return 0


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    deadline = time.monotonic() + STOP_GRACE_S
    while process.poll() is None:
        if time.monotonic() > deadline:
            process.kill()
        time.sleep(0.05)


def _pom() -> str:
    group, artifact, version = ARTIFACT.split(":")
    return (
        "<project><modelVersion>4.0.0</modelVersion><groupId>trawler</groupId>"
        "<artifactId>elasticmq</artifactId><version>1</version><dependencies><dependency>"
        f"<groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version>"
        "</dependency></dependencies></project>\n"
    )


def main(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")],
    cache: Annotated[Path, typer.Option(help="Folder of the fetched archives.")],
    exit_with_parent: Annotated[bool, typer.Option(help="End when the starter ends.")] = False,
) -> None:
    """Serve SQS from ElasticMQ on 127.0.0.1."""
    try:
        status = run(cache, port, exit_with_parent=exit_with_parent)
    except ElasticMqError as e:
        print(f"error: {e}", file=sys.stderr)
        status = 1
    raise typer.Exit(status)


if __name__ == "__main__":
    typer.run(main)
