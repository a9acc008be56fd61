"""The real engine against the local stack: its environment and its commands."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from local.stack import configuration
from local.stack.configuration import Place
from local.stack.layout import HOST, MOTO_SERVICES, ROOT, Layout, Ports, cache
from local.stack.processes import StackError

ENGINE_FOLDER = cache() / "pulumi" / "v3.200.0" / "bin"
"""Where the set-up puts an engine that it built."""

STACK = "local"
CALL_TIMEOUT_S = 120.0

READ_CONFIG = frozenset({"up", "preview", "refresh", "destroy", "config"})
"""Commands that take another configuration file."""


def environment(layout: Layout) -> dict[str, str]:
    """What a shell needs for `pulumi up -s local`, on top of what it has."""
    path = os.environ.get("PATH", "")
    if not shutil.which("pulumi"):
        path = f"{ENGINE_FOLDER}:{path}"
    return {
        "PATH": path,
        "PULUMI_HOME": str(layout.pulumi_home),
        "PULUMI_BACKEND_URL": f"file://{layout.state}",
        # Protects nothing: the state describes what lives in this machine's memory.
        "PULUMI_CONFIG_PASSPHRASE": "local",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_ERROR_OUTPUT_STRING": "true",
        # Compiled modules are kept: most of a no-op `up` is the program's imports.
        "PYTHONDONTWRITEBYTECODE": "",
        **layout.aws_environment(),
    }


def command(layout: Layout, *arguments: str) -> list[str]:
    """A pulumi command line for the stack, with its configuration where that is not the tracked file."""
    reads_config = arguments[0] in READ_CONFIG and layout.config.exists()
    config = ["--config-file", str(layout.config)] if reads_config else []
    return ["pulumi", *arguments, "--stack", STACK, *config]


def select(layout: Layout) -> None:
    """The stack exists and is the current one.

    Raises:
        StackError: the engine refuses.
    """
    answer = _call(layout, ["pulumi", "stack", "select", "--create", STACK, "--non-interactive"])
    if answer.returncode != 0:
        raise StackError(f"pulumi stack select: {answer.stderr.strip() or answer.stdout.strip()}")


def version(layout: Layout) -> str:
    """The engine's version, such as `v3.200.0`."""
    return _call(layout, ["pulumi", "version"]).stdout.strip()


def export(layout: Layout) -> str:
    """The stack's state, JSON.

    Raises:
        StackError: the engine refuses.
    """
    answer = _call(layout, command(layout, "stack", "export"))
    if answer.returncode != 0:
        raise StackError(f"pulumi stack export: {answer.stderr.strip()}")
    return answer.stdout


def write_config(layout: Layout) -> None:
    """Write the stack's configuration for ports other than the tracked file's; remove one that is not needed."""
    tracked = ROOT / f"Pulumi.{STACK}.yaml"
    if layout.ports == Ports() and layout.run == ROOT / "build" / "local":
        layout.config.unlink(missing_ok=True)
        _let_go_of_release(tracked)
        return
    stack_file = configuration.read(tracked)
    config = configuration.localised(stack_file, Place(endpoints(layout), layout.ports.marathon))
    config["encryptionsalt"] = stack_file["encryptionsalt"]
    values = config["config"]
    values["trawler:crawler"]["privateHosts"] = [f"{HOST}:{port}" for port in layout.ports.shops]
    values["trawler:shops"] = os.path.relpath(layout.definitions, ROOT)
    layout.run.mkdir(parents=True, exist_ok=True)
    layout.config.write_text(yaml.safe_dump(config))


def endpoints(layout: Layout) -> Mapping[str, str]:
    """Service → URL, for the provider's configuration."""
    url = layout.url
    return {
        **dict.fromkeys(MOTO_SERVICES, url["aws"]),
        "sqs": url["sqs"],
        "dynamodb": url["dynamodb"],
    }


def _let_go_of_release(tracked: Path) -> None:
    """A release at which an earlier local stack was held went with that stack."""
    if "trawler:release" not in configuration.read(tracked)["config"]:
        return
    line = [sys.executable, "-m", "ops", "unpin", "--stack", STACK, "--config-file", str(tracked)]
    answer = subprocess.run(
        line, cwd=ROOT, capture_output=True, text=True, timeout=CALL_TIMEOUT_S, check=False
    )
    if answer.returncode != 0:
        raise StackError(answer.stderr.strip())


def _call(layout: Layout, line: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        line,
        cwd=ROOT,
        env={**os.environ, **environment(layout)},
        capture_output=True,
        text=True,
        timeout=CALL_TIMEOUT_S,
        check=False,
    )
