"""`trawler releases`, `trawler releases prune`, `trawler diff`: the command line of them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from ops.engine import Engine
from ops.errors import OpsError, aws_told_plainly
from ops.options import AsJson, ConfigFile, Stack, Yes
from ops.pin import pin_of
from ops.stack_file import ROOT, StackFile
from ops.talk import Talk

KEEP = 10

releases = typer.Typer(add_completion=False, no_args_is_help=True, help="What is stored of releases.")


@releases.command("list")
def list_releases(stack: Stack, as_json: AsJson = False, config_file: ConfigFile = None) -> None:
    """The releases that can be deployed or rolled back to, newest first."""
    from ops import releases as stored  # noqa: PLC0415  loads the release's modules, which take a while
    from ops.rollback import release_store  # noqa: PLC0415

    talk, file = Talk(as_json=as_json), StackFile.read(stack, config_file)
    outputs = Engine(stack, file.path).outputs()
    store = release_store(file, outputs)
    with aws_told_plainly(f"the releases of {stack} cannot be read"):
        found, deploys = store.releases(), store.deploys(stack)
        where = stored.used_by(store, [], _pinned(file), stack, KEEP)
    if outputs.get("release"):
        where.setdefault(outputs["release"], []).insert(0, f"{stack} (runs)")
    talk.show(stored.listed(found, where, f"{stack}: {stored.summary(deploys)}"))
    data = {
        "stack": stack,
        "releases": [asdict(each) | {"used_by": where.get(each.digest, [])} for each in found],
    }
    talk.result(data, f"{len(found)} releases in {outputs['artifactBucket']}")


@releases.command()
def prune(
    stack: Stack,
    keep: Annotated[
        int, typer.Option(min=1, help="So many of the newest stay, and of each stack's history.")
    ] = KEEP,
    yes: Yes = False,
    as_json: AsJson = False,
    config_file: ConfigFile = None,
) -> None:
    """Take out releases that nothing uses. The bucket is versioned: what was taken out can be brought back."""
    from ops import releases as stored  # noqa: PLC0415
    from ops.cluster import connect, require_marathon  # noqa: PLC0415
    from ops.rollback import release_store  # noqa: PLC0415
    from ops.standing import release_of, standing  # noqa: PLC0415

    talk, file = Talk(yes=yes, as_json=as_json), StackFile.read(stack, config_file)
    outputs = Engine(stack, file.path).outputs()
    store = release_store(file, outputs)
    require_marathon(file, outputs)
    client = connect(file, outputs)
    apps = standing(client, outputs.get("apps", []))
    unknown = [f"{app.app}: {app.trouble or 'a task whose release is not known'}" for app in apps
               if app.trouble or "?" in app.running]  # fmt: skip
    if unknown:
        raise OpsError(f"what runs cannot be told, so nothing is taken out: {'; '.join(unknown)}")
    # Also what runs beside the stack's own apps: one that was taken out of the program, or put there by hand.
    others = [release_of(app) for app in client.apps()]
    running = [digest for app in apps for digest in (app.release, *app.running) if digest]
    running += [digest for digest in others if digest]
    with aws_told_plainly(f"the releases of {stack} cannot be read"):
        where = stored.used_by(
            store, [*running, *filter(None, [outputs.get("release")])], _pinned(file), stack, keep
        )
        gone = stored.prunable(store.releases(), where, keep)
        if gone:
            talk.show(stored.listed(gone, where, f"{stack}: nothing uses these"))
            talk.agree(f"Take {len(gone)} releases out of {outputs['artifactBucket']}?")
        for each in gone:
            store.remove(each.digest)
    talk.result(
        {"stack": stack, "removed": [each.digest for each in gone]}, f"{len(gone)} releases taken out"
    )


def diff(
    a: Annotated[str, typer.Argument(help="Digest of a release, or how it begins; `.` is the working tree.")],
    b: Annotated[str, typer.Argument(help="The other one.")],
    stack: Stack,
    patch: Annotated[bool, typer.Option("--patch", help="With the changed lines.")] = False,
    as_json: AsJson = False,
    config_file: ConfigFile = None,
) -> None:
    """The files that differ between two releases."""
    from ops import releases as stored  # noqa: PLC0415
    from ops.rollback import release_store  # noqa: PLC0415

    talk, file = Talk(as_json=as_json), StackFile.read(stack, config_file)
    store = release_store(file, Engine(stack, file.path).outputs())
    shops = str(file.setting("shops", "workers/shops"))
    with aws_told_plainly(f"the releases of {stack} cannot be read"):
        (one, before), (other, after) = (stored.contents(store, name, ROOT, shops) for name in (a, b))
    found = stored.differences(before, after)
    data = {
        "a": one,
        "b": other,
        "files": [
            {"name": each.name, "before": each.before, "after": each.after}
            | ({"patch": list(each.patch)} if patch else {})
            for each in found
        ],
    }
    talk.result(
        data, "\n".join([f"{one} → {other}: {len(found)} files differ", *stored.shown(found, patch=patch)])
    )


def add(app: typer.Typer) -> None:
    """Give a command line these verbs."""
    app.add_typer(releases, name="releases")
    app.command()(diff)


def _pinned(file: StackFile) -> str | None:
    pin = pin_of(file)
    return pin.digest if pin else None
