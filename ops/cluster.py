"""A stack's Marathon, as whoever deploys reaches it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.errors import InfraError
from infra.marathon.client import MarathonClient
from infra.marathon.credentials import credentials
from ops.errors import MisuseError, OpsError
from ops.stack_file import ROOT, StackFile

PING_TIMEOUT_S = (3.05, 5.0)
"""Connect and read time-outs of the first question."""


def marathon_urls(file: StackFile, outputs: Mapping[str, Any]) -> list[str]:
    """Marathon's base URLs, by the stack's outputs.

    Raises:
        MisuseError: the stack has none yet.
    """
    urls = outputs.get("marathonUrls")
    if not urls:
        raise MisuseError(f"{file.stack} has no Marathon yet: `pulumi up -s {file.stack}` comes first")
    return list(urls)


def connect(
    file: StackFile, outputs: Mapping[str, Any], timeout_s: tuple[float, float] | None = None
) -> MarathonClient:
    """A client of the stack's Marathon.

    Args:
        file: the stack file.
        outputs: the stack's outputs.
        timeout_s: connect and read time-outs of a request, seconds; the client's own where not given.

    Raises:
        MisuseError: the stack has none yet.
        OpsError: its credentials cannot be read.
    """
    urls = marathon_urls(file, outputs)
    ca_file = file.setting("cluster.caFile")
    try:
        return MarathonClient(
            urls,
            credentials(file.connection, file.setting("cluster.credentialsSecret")),
            ROOT / Path(ca_file) if ca_file else None,
            **({"timeout_s": timeout_s} if timeout_s else {}),
        )
    except InfraError as e:
        raise OpsError(str(e)) from None


def require_marathon(file: StackFile, outputs: Mapping[str, Any]) -> None:
    """See that Marathon answers now: one question, one answer, no retry.

    Raises:
        OpsError: it does not.
    """
    urls = marathon_urls(file, outputs)
    try:
        if connect(file, outputs, PING_TIMEOUT_S).ping():
            return
        why = "no server answers /ping"
    except InfraError as e:
        why = str(e)
    tunnel = file.managed_cluster and file.setting("cluster.access.via", "tunnel") == "tunnel"
    hint = (
        f"is `make tunnel STACK={file.stack}` open?"
        if tunnel
        else "is the cluster up, and reachable from here?"
    )
    raise OpsError(f"Marathon of {file.stack} at {', '.join(urls)}: {why}; {hint} Nothing was changed")
