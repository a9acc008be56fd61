"""What can go wrong between this machine and a running app.

MarathonError
├── MarathonUnreachable      no server of the list did what was asked, and none has begun to
├── AnswerLost               a write was sent and its answer lost: whether it was done is not known
├── MarathonRefused          4xx: what was sent is wrong; carries Marathon's own details
│   ├── NotAllowed           401, 403
│   ├── AppNotFound          404
│   ├── AppExists            409: there is one of that id
│   └── AppLocked            409: another deployment holds the app
├── MarathonFailed           5xx, after the retries that are safe
└── DeploymentFailedError    an app's tasks did not run in time
    ├── DeploymentReplaced   another deployment took the app over: nothing is put back
    └── DeploymentCancelled  the engine was told to stop
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.errors import InfraError

HINTS = {
    401: "; the user name or password is wrong or missing: see the Secrets Manager entry `cluster.credentialsSecret`",
    403: "; this user may not do that, or Marathon has its limit of deployments running already",
}


class MarathonError(InfraError):
    """Anything that keeps an answer of Marathon from being used."""


class MarathonUnreachable(MarathonError):  # noqa: N818  named for the state, as in requests
    """No server did what was asked: refused, timed out, or no leader was elected."""


class AnswerLost(MarathonError):  # noqa: N818
    """A write reached a server and its answer did not come back: read what is there before saying it again."""


class MarathonFailed(MarathonError):  # noqa: N818
    """Marathon answered 5xx. A 500 also stands for an address that has no route."""


class MarathonRefused(MarathonError):  # noqa: N818
    """Marathon answered 4xx.

    Attributes:
        status: the HTTP status.
        details: Marathon's `details`, often a list of `{"path", "errors"}`.
        deployments: ids of the deployments that hold the app, for 409.
    """

    def __init__(self, message: str, status: int, body: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.status = status
        self.details: Any = body.get("details")
        self.deployments = _ids(body.get("deployments"))


class NotAllowed(MarathonRefused):
    """401 or 403: who asks, or what they ask, is not allowed."""


class AppNotFound(MarathonRefused):
    """404: no such app, group, version or deployment."""


class AppExists(MarathonRefused):
    """409: an app or a group of that id is there."""


class AppLocked(MarathonRefused):
    """409: another deployment holds the app."""


class DeploymentFailedError(MarathonError):
    """An app did not get its tasks running. The text says what its tasks and the queue said, and what is there now."""


class DeploymentReplaced(DeploymentFailedError):  # noqa: N818
    """Another deployment changed the app meanwhile: what is there now is what somebody else wants."""


class DeploymentCancelled(DeploymentFailedError):  # noqa: N818
    """The engine was told to stop before the tasks ran."""


def error_of(status: int, request: str, body: Mapping[str, Any]) -> MarathonError:
    """The error that a status stands for, with Marathon's own words.

    Args:
        status: 400 or more.
        request: method and URL, for the text.
        body: decoded; `{"message"}` where Marathon sent none.
    """
    message = f"{request}: HTTP {status}: {body.get('message', '')}{_details(body)}{HINTS.get(status, '')}"
    if status >= 500:
        return MarathonFailed(message)
    match status:
        case 401 | 403:
            return NotAllowed(message, status, body)
        case 404:
            return AppNotFound(message, status, body)
        case 409:
            locked = AppLocked(message, status, body)
            return locked if locked.deployments else AppExists(message, status, body)
        case _:
            return MarathonRefused(message, status, body)


def _ids(deployments: Any) -> list[str]:
    entries: list[Any] = deployments if isinstance(deployments, list) else []
    return [str(entry["id"]) for entry in entries if isinstance(entry, dict) and "id" in entry]


def _details(body: Mapping[str, Any]) -> str:
    """Marathon's validation details as one text: `/cpus: must be greater than 0`."""
    details = body.get("details")
    if isinstance(details, str):
        return f" ({details})"
    entries: list[Any] = details if isinstance(details, list) else []
    lines = [
        f"{entry.get('path')}: {', '.join(str(error) for error in entry.get('errors', []))}"
        for entry in entries
        if isinstance(entry, dict)
    ]
    holders = _ids(body.get("deployments"))
    if holders:
        lines.append(f"held by {', '.join(holders)}")
    return f" ({'; '.join(lines)})" if lines else ""
