"""``python -m local.mesos``: a Marathon with its agents, and the images its tasks run in."""

import asyncio
import json
import logging
import os
import sys
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import typer

from local.mesos.agent.images import ImageError, build_image
from local.mesos.agent.loopback import is_loopback

#: Of a server that is run alone; nothing else is there.
HOME = Path(__file__).parents[2] / "build" / "marathon"

cli = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)


def _misused(message: str) -> typer.Exit:
    typer.echo(message, err=True)
    return typer.Exit(2)


@cli.command()
def image(
    lock: Annotated[Path, typer.Option(help="Requirements file with a hash for every package.")],
    tag: Annotated[str, typer.Option(help="Tag that apps name after the colon of their image.")],
    images: Annotated[Path, typer.Option(help="Folder of all images.")],
) -> None:
    """Build the virtual environment that stands for an image; at once where it is there already."""
    try:
        build_image(images.resolve(), tag, lock, lambda line: typer.echo(line, err=True))
    except ImageError as error:
        typer.echo(f"image {tag}: {error}", err=True)
        raise typer.Exit(1) from None


@cli.command()
def serve(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 lets the system choose.")] = 8080,
    agents: Annotated[
        int | None,
        typer.Option(min=0, help="So many agents that never go, without AWS; 2 where neither is given."),
    ] = None,
    agent_cpus: Annotated[float, typer.Option(help="CPUs of each such agent.")] = 4.0,
    agent_mem: Annotated[float, typer.Option(help="MB of each such agent.")] = 8192.0,
    aws_endpoint: Annotated[
        str | None, typer.Option(help="EC2 whose spot fleet instances are the agents.")
    ] = None,
    region: Annotated[str, typer.Option(help="Region of that endpoint.")] = "us-east-1",
    work_dir: Annotated[
        Path | None, typer.Option(help="Folder of the sandboxes; build/marathon/work where none is given.")
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="Folder of all images; build/marathon/images where none is given.")
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            help="Folder in which apps, tasks and deployments outlive this server. Without it build/marathon/state, "
            "and with a --work-dir of its own a server keeps all in memory."
        ),
    ] = None,
    executor_environment: Annotated[
        Path | None, typer.Option(help="JSON object of variables that every task gets.")
    ] = None,
    containerizer: Annotated[
        Literal["auto", "docker", "processes"] | None,
        typer.Option(
            help="What tasks run in; auto takes real containers where a Docker daemon answers. "
            "auto where no --work-dir is given, else processes."
        ),
    ] = None,
    tasks: Annotated[
        Literal["processes", "none"],
        typer.Option(
            help="none: tasks are accepted, run and are healthy, and nothing is started or fetched."
        ),
    ] = "processes",
    http_credentials: Annotated[
        Path | None,
        typer.Option(help="JSON object with username and password, which every request must carry then."),
    ] = None,
    master_port: Annotated[
        int | None, typer.Option(help="Port of the Mesos master's operator API; 0 lets the system choose.")
    ] = None,
    agent_port: Annotated[
        int | None,
        typer.Option(help="Port of every agent's /state and /files, on its own address; 5051 in production."),
    ] = None,
    mesos_credential: Annotated[
        Path | None,
        typer.Option(help="JSON object with principal and secret, which both of these ask for then."),
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(help="NAME[=VALUE][@APP], may be repeated; docs/local-marathon.md lists them."),
    ] = None,
    fault_file: Annotated[
        Path | None, typer.Option(help="File with more faults, one a line, read again when it changes.")
    ] = None,
    shutdown_grace: Annotated[float, typer.Option(help="Seconds from SIGTERM to SIGKILL at the end.")] = 10.0,
    exit_with_parent: Annotated[
        bool, typer.Option(help="End when the process that started this ends.")
    ] = False,
) -> None:
    """Run Marathon and its agents in the foreground until SIGTERM or Ctrl-C; no task outlives it."""
    if agents is not None and aws_endpoint is not None:
        raise _misused("give either --agents N or --aws-endpoint URL")
    if aws_endpoint is not None and not is_loopback(urlsplit(aws_endpoint).hostname or ""):
        raise _misused(
            f"--aws-endpoint {aws_endpoint}: not a loopback address; this never speaks to AWS itself"
        )
    # They cost a second of imports that `image` has no use for.
    from local.mesos import foreground  # noqa: PLC0415
    from local.mesos.agent.choice import ChoiceError  # noqa: PLC0415
    from local.mesos.faults import FaultError, Faults  # noqa: PLC0415
    from local.mesos.fleet import Fleet  # noqa: PLC0415
    from local.mesos.marathon.store import StoreError  # noqa: PLC0415
    from local.mesos.operator.authentication import read_principal  # noqa: PLC0415
    from local.mesos.rest.credentials import CredentialsError, read_credentials  # noqa: PLC0415
    from local.mesos.rest.server import PortError  # noqa: PLC0415
    from local.mesos.serve import Settings  # noqa: PLC0415

    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S"
    )
    try:
        credentials = None if http_credentials is None else read_credentials(http_credentials)
    except CredentialsError as error:
        raise _misused(f"--http-credentials {error}") from None
    try:
        principal = None if mesos_credential is None else read_principal(mesos_credential)
    except CredentialsError as error:
        raise _misused(f"--mesos-credential {error}") from None
    try:
        faults = Faults.of(fault or [], fault_file)
    except FaultError as error:
        raise _misused(f"--fault {error}") from None
    settings = Settings(
        work_dir or HOME / "work",
        images or HOME / "images",
        port,
        _environment(executor_environment),
        start_tasks=tasks == "processes",
        credentials=credentials,
        shutdown_grace_s=shutdown_grace,
        faults=faults,
        state_dir=state or (HOME / "state" if work_dir is None else None),
        containerizer=containerizer or ("auto" if work_dir is None else "processes"),
    )
    parent = os.getppid() if exit_with_parent else None
    static = 2 if agents is None and aws_endpoint is None else agents or 0
    machines = foreground.static_machines(static, agent_cpus, agent_mem)
    fleet = Fleet(aws_endpoint, region) if aws_endpoint is not None else None
    try:
        ports = foreground.Ports(master_port, agent_port, principal)
        asyncio.run(foreground.serve(settings, machines, fleet, parent, typer.echo, ports))
    except (PortError, StoreError) as error:
        raise _misused(str(error)) from None
    except ChoiceError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None


def _environment(path: Path | None) -> dict[str, str]:
    if path is None:
        return {}
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _misused(f"--executor-environment {path}: {error}") from None
    if not isinstance(document, dict) or not all(isinstance(value, str) for value in document.values()):
        raise _misused(f"--executor-environment {path}: a JSON object of strings is needed")
    return {str(key): str(value) for key, value in document.items()}


if __name__ == "__main__":
    cli()
