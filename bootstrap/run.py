"""`python -m bootstrap.run`: prepare the account, then say what comes next."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from bootstrap.errors import BootstrapError

FOLDER = Path(__file__).resolve().parent
STACK = "main"
UPDATE_TIMEOUT_S = 1800
CALL_TIMEOUT_S = 120

FAILED, ASK_FIRST = 1, 3

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def bootstrap(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before the account is changed.")] = False,
) -> None:
    """Prepare the account that bootstrap/Pulumi.main.yaml names: state bucket, roles, GitHub's identity provider.

    Needs an administrator's AWS credentials in the environment. Run it again after a change of that file.
    """
    environment = surroundings(os.environ)
    if not yes and not sys.stdin.isatty():
        _say("this changes an AWS account: say --yes where nobody can be asked")
        raise typer.Exit(ASK_FIRST)
    try:
        _engine(environment, "stack", "select", "--create", STACK, "--non-interactive")
        _engine(environment, "up", "--stack", STACK, *(["--yes"] if yes else []), timeout_s=UPDATE_TIMEOUT_S)
        answer = _engine(environment, "stack", "output", "--json", "--stack", STACK, quiet=True)
    except BootstrapError as e:
        _say(f"error: {e}")
        raise typer.Exit(FAILED) from None
    # Plain: the lines are meant to be copied.
    print(next_steps(json.loads(answer), environment["PULUMI_BACKEND_URL"]))


def surroundings(given: Mapping[str, str]) -> dict[str, str]:
    """The engine's environment: the caller's, with a state of this program's own until it is moved into the bucket.

    Args:
        given: the caller's environment. `PULUMI_BACKEND_URL` in it wins.
    """
    environment = dict(given)
    base = Path(given.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    state = base / "trawler" / "bootstrap"
    if "PULUMI_BACKEND_URL" not in environment:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        environment["PULUMI_BACKEND_URL"] = f"file://{state}"
        # This program has no secret; a file backend asks for a passphrase all the same.
        environment.setdefault("PULUMI_CONFIG_PASSPHRASE", "")
    environment["PULUMI_SKIP_UPDATE_CHECK"] = "true"
    environment["PULUMI_ERROR_OUTPUT_STRING"] = "true"
    return environment


def next_steps(outputs: Mapping[str, Any], backend: str) -> str:
    """Commands, ready to be copied, from a prepared account to workflows that preview and deploy.

    Args:
        outputs: the program's outputs.
        backend: where this program's own state is.
    """
    url, region, repository = outputs["backendUrl"], outputs["region"], outputs["repository"]
    provider = outputs["secretsProvider"]
    lines: list[str] = []
    if backend.startswith("file://"):
        lines += [
            "# 1. Move this program's own state into the bucket; the local copy may be deleted afterwards.",
            "cd bootstrap",
            f"PULUMI_BACKEND_URL={backend} PULUMI_CONFIG_PASSPHRASE= \\",
            f"  pulumi stack export --stack {STACK} --file main.state.json",
            f"export PULUMI_BACKEND_URL={url} AWS_REGION={region} PULUMI_CONFIG_PASSPHRASE=",
            f"pulumi stack init {STACK} --secrets-provider '{provider}'",
            f"pulumi stack import --stack {STACK} --file main.state.json && rm main.state.json",
            "cd ..",
        ]
    else:
        lines += [f"export PULUMI_BACKEND_URL={url} AWS_REGION={region}"]
    lines += ["", "# 2. Make the stacks. Each line changes its Pulumi.<stack>.yaml; commit that."]
    for stack in outputs["deployRoles"]:
        lines.append(f"pulumi stack init {stack} --secrets-provider '{provider}'")
        if outputs.get("permissionsBoundary"):
            lines.append(
                f"pulumi config set --stack {stack} trawler:permissionsBoundaryArn {outputs['permissionsBoundary']}"
            )
    variables = {
        "AWS_REGION": region,
        "PULUMI_BACKEND_URL": url,
        "AWS_PREVIEW_ROLE": outputs["previewRole"],
    }
    lines += ["", "# 3. Tell the workflows (names, no secrets), and give each environment its deploy role."]
    lines += [f"gh variable set {k} --repo {repository} --body '{v}'" for k, v in variables.items()]
    for stack, role in outputs["deployRoles"].items():
        lines += [
            f"gh api --method PUT repos/{repository}/environments/{stack} > /dev/null",
            f"gh variable set AWS_DEPLOY_ROLE --env {stack} --repo {repository} --body '{role}'",
        ]
    lines += [
        "# Then ask for approval, and for the main branch alone, in the settings of each environment:",
        f"#   https://github.com/{repository}/settings/environments",
        "",
        "# To break the glass: aws sts assume-role --serial-number YOUR-MFA-DEVICE --token-code CODE \\",
        f"#   --role-session-name you --role-arn {outputs['adminRole']}",
    ]
    return "\n".join(lines)


def _engine(
    environment: Mapping[str, str], *arguments: str, timeout_s: int = CALL_TIMEOUT_S, quiet: bool = False
) -> str:
    """Run the engine in the program's folder, its talk passed on; with `quiet` its standard output is the result."""
    path = environment.get("PATH", "")
    pulumi = shutil.which("pulumi", path=f"{path}{os.pathsep}{_built()}")
    if not pulumi:
        raise BootstrapError("no `pulumi` on PATH and none built: run `make setup`")
    command = [pulumi, *arguments, "--cwd", str(FOLDER)]
    # The engine finds the language host beside itself.
    surrounding = {**environment, "PATH": f"{Path(pulumi).parent}{os.pathsep}{path}"}
    # The program imports its own package, wherever the project is installed.
    surrounding["PYTHONPATH"] = str(FOLDER.parent)
    try:
        answer = subprocess.run(
            command,
            env=surrounding,
            stdout=subprocess.PIPE if quiet else None,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BootstrapError(f"`pulumi {arguments[0]}` took longer than {timeout_s} s") from None
    if answer.returncode != 0:
        raise BootstrapError(
            f"`pulumi {' '.join(arguments)}` ended with {answer.returncode}; what it said is above. "
            "Nothing has to be undone: correct it and run the same command again"
        )
    return answer.stdout or ""


def _built() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "trawler" / "pulumi" / "v3.200.0" / "bin"


def _say(text: str) -> None:
    Console(stderr=True, highlight=False).print(text, markup=False)


if __name__ == "__main__":
    app()
