"""`python -m ops`: the `trawler` command."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated

import typer

from infra.errors import InfraError
from ops import deploy_verbs, image_verb, release_verbs
from ops import roll as rolling
from ops import tunnel as tunnels
from ops.engine import Engine
from ops.errors import OpsError
from ops.fleet_requests import FleetRequests
from ops.options import INTERRUPTED, AsJson, ConfigFile, Stack, Yes
from ops.smoke import findings as smoke_findings
from ops.smoke import run as smoking
from ops.smoke.site import Site
from ops.stack_file import StackFile
from ops.talk import Talk
from ops.waiting import Pace

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

Poll = Annotated[float, typer.Option(min=0.01, help="Seconds between two looks.", hidden=True)]


@app.callback()
def trawler() -> None:
    """What an operator does to a stack that runs."""


@app.command()
def roll(
    stack: Stack,
    yes: Yes = False,
    as_json: AsJson = False,
    config_file: ConfigFile = None,
    fill_timeout: Annotated[float, typer.Option(min=1, help="For the new instances to be up, s.")] = 900.0,
    drain_timeout: Annotated[float, typer.Option(min=1, help="For the old ones to leave, s.")] = 1800.0,
    batch: Annotated[float, typer.Option(min=0.01, max=1, help="Share that drains at the same time.")] = 0.25,
    force: Annotated[bool, typer.Option("--force", help="Terminate what has not left in time.")] = False,
    poll: Poll = 5.0,
) -> None:
    """Put a new Spot Fleet request in the place of the one that runs, and drain the old one."""
    talk = Talk(yes=yes, as_json=as_json)
    file = StackFile.read(stack, config_file)
    requests = FleetRequests(file.connection.client("ec2"), stack)
    options = rolling.Options(fill_timeout, drain_timeout, batch, force)
    pace = Pace(poll_s=poll)
    try:
        rolled = rolling.Roll(Engine(stack, file.path), requests, file, talk, options, pace).run()
    except KeyboardInterrupt:
        talk.say("interrupted; started again, roll goes on from where things are")
        raise typer.Exit(INTERRUPTED) from None
    took = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in rolled.seconds.items())
    talk.result(asdict(rolled), f"rolled {stack}: {', '.join(rolled.old)} → {rolled.new} ({took})")


@app.command()
def tunnel(
    stack: Stack,
    as_json: AsJson = False,
    config_file: ConfigFile = None,
    port: Annotated[int | None, typer.Option(min=1024, max=65535, help="Port on this machine.")] = None,
    wait: Annotated[float, typer.Option(min=0, help="For a master to be there, s.")] = 900.0,
    poll: Poll = 5.0,
) -> None:
    """Bring a stack's private Marathon to a port of this machine, until Ctrl-C."""
    talk = Talk(as_json=as_json)
    file = StackFile.read(stack, config_file)
    way = tunnels.find_way(file, port, wait, Pace(poll_s=poll))

    def ready(way: tunnels.Way) -> None:
        talk.result(tunnels.shown(way), f"Marathon of {stack}: {way.url} (Ctrl-C ends it)")

    try:
        tunnels.serve(way, file.connection, ready)
    except KeyboardInterrupt:
        talk.say("the tunnel is closed")


@app.command()
def smoke(
    stack: Stack = "dev",
    yes: Yes = False,
    as_json: AsJson = False,
    config_file: ConfigFile = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave it standing.")] = False,
    checks_only: Annotated[bool, typer.Option("--checks-only", help="It stands: only check it.")] = False,
    shop: Annotated[str | None, typer.Option(help="Crawl this shop as a trial.")] = None,
    timeout: Annotated[float, typer.Option(min=1, help="For the fleet, the apps, a crawl, s each.")] = 900.0,
    poll: Poll = 5.0,
) -> None:
    """Build an expendable stack on a real account, check it, and destroy it."""
    talk = Talk(yes=yes, as_json=as_json)
    file = StackFile.read(stack, config_file)
    engine, pace = Engine(stack, file.path), Pace(poll_s=poll)
    found = smoking.smoke(
        file,
        engine,
        talk,
        lambda: Site(file, engine.outputs(), pace, timeout, shop),
        keep=keep,
        checks_only=checks_only,
        pace=pace,
    )
    talk.show(smoke_findings.table(found))
    bad = smoking.failed(found)
    talk.result(
        {"stack": stack, "ok": not bad, "findings": [asdict(f) for f in found]},
        f"{stack}: {'failed' if bad else 'every check that can be made here is ok'}",
    )
    if bad:
        raise typer.Exit(1)


deploy_verbs.add(app)
release_verbs.add(app)
image_verb.add(app)


def main() -> int:
    """Run a command; a failure is one text, and its status says whose turn it is."""
    try:
        app()
    except OpsError as e:
        print(f"error: {e}", file=sys.stderr)
        return e.exit_code
    except InfraError as e:
        # A bucket or a Marathon that refuses, met where nothing is to be added to what it says.
        print(f"error: {e}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
