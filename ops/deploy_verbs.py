"""`trawler deploy`, `trawler rollback`, `trawler unpin`: the command line of them."""

from __future__ import annotations

import signal
from collections.abc import Generator
from contextlib import contextmanager
from typing import Annotated

import typer

from ops.engine import Engine
from ops.options import INTERRUPTED, AsJson, ConfigFile, Stack
from ops.pin import pin_of, write
from ops.stack_file import StackFile
from ops.talk import Talk


def deploy(
    stack: Stack,
    as_json: AsJson = False,
    config_file: ConfigFile = None,
    unpin: Annotated[bool, typer.Option("--unpin", help="Let go of the release it is held at.")] = False,
) -> None:
    """Put this tree's code live: release and apps only, no image build."""
    # Here, since the release's own modules take a while to load that no other verb should wait for.
    from ops import deploy as deploying  # noqa: PLC0415

    talk, file = Talk(as_json=as_json), StackFile.read(stack, config_file)
    with _interruptible(talk):
        deployed = deploying.Deploy(Engine(stack, file.path), file, talk).run(unpin=unpin)
    deploying.show(talk, deployed)
    talk.result(deploying.as_data(deployed), deploying.summary(deployed))


def rollback(
    stack: Stack,
    to: Annotated[str | None, typer.Option(help="Digest of a release, or how it begins.")] = None,
    now: Annotated[bool, typer.Option("--now", help="Straight to Marathon, whoever holds the lock.")] = False,
    as_json: AsJson = False,
    config_file: ConfigFile = None,
) -> None:
    """Put an earlier release live, and hold the stack at it."""
    from ops import deploy as deploying  # noqa: PLC0415
    from ops import rollback as rolling_back  # noqa: PLC0415
    from ops import rollback_now  # noqa: PLC0415

    talk, file = Talk(as_json=as_json), StackFile.read(stack, config_file)
    engine = Engine(stack, file.path)
    with _interruptible(talk):
        if now:
            deployed = rollback_now.RollbackNow(engine, file, talk).run(to)
        else:
            deployed = rolling_back.Rollback(engine, file, talk).run(to)
    deploying.show(talk, deployed)
    talk.result(deploying.as_data(deployed), deploying.summary(deployed))


def unpin(stack: Stack, as_json: AsJson = False, config_file: ConfigFile = None) -> None:
    """Let go of the release at which a stack is held. Nothing is deployed."""
    talk, file = Talk(as_json=as_json), StackFile.read(stack, config_file)
    pin = pin_of(file)
    write(file, None)
    was = f"was held at {pin.digest}, and is no longer" if pin else "was not held at any release"
    talk.result({"stack": stack, "was": pin.digest if pin else None}, f"{stack} {was}")


def add(app: typer.Typer) -> None:
    """Give a command line these verbs."""
    for verb in (deploy, rollback, unpin):
        app.command()(verb)


@contextmanager
def _interruptible(talk: Talk) -> Generator[None]:
    """SIGTERM, as a runner's job that is cancelled gets it, ends a verb as Ctrl-C does: in order."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        talk.say("interrupted; the same command again goes on from where things are")
        raise typer.Exit(INTERRUPTED) from None
    finally:
        signal.signal(signal.SIGTERM, before)
