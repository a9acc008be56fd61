"""Puts the local `aws` provider where the Pulumi engine looks for it."""

from __future__ import annotations

import importlib.metadata
import shlex
from pathlib import Path


def install(pulumi_home: Path, python: Path) -> Path:
    """The engine, run with this PULUMI_HOME, starts the local provider instead of the official one.

    The folder's version must equal that of the installed pulumi_aws exactly, or the engine ignores it.

    Args:
        pulumi_home: the local stack's own; never ~/.pulumi, where it would take the place of real AWS.
        python: interpreter of the environment that holds pulumi_aws, moto's client libraries and this project.

    Returns:
        The executable `<pulumi_home>/plugins/resource-aws-v<version>/pulumi-resource-aws`.

    Raises:
        ValueError: `pulumi_home` is the user's own.
    """
    if pulumi_home.expanduser().resolve() == (Path.home() / ".pulumi").resolve():
        raise ValueError(f"{pulumi_home} is the user's own PULUMI_HOME; give the local stack one of its own")
    version = importlib.metadata.version("pulumi_aws")
    folder = pulumi_home / "plugins" / f"resource-aws-v{version}"
    folder.mkdir(parents=True, exist_ok=True)
    root = Path(__file__).resolve().parents[2]
    executable = folder / "pulumi-resource-aws"
    # PYTHONPATH and not the working directory: the engine starts it in the program's folder.
    executable.write_text(
        "#!/bin/sh\n"
        f"PYTHONPATH={shlex.quote(str(root))}${{PYTHONPATH:+:$PYTHONPATH}} "
        f'exec {shlex.quote(str(python.absolute()))} -u -m local.aws.provider "$@"\n',
        encoding="utf-8",
    )
    executable.chmod(0o755)
    return executable
