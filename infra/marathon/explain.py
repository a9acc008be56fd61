"""Why an app's tasks do not run: what Marathon, its queue and the tasks' own logs say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from infra.marathon.client import MarathonClient
from infra.marathon.errors import MarathonError
from infra.marathon.progress import Progress
from infra.marathon.sandbox import SandboxError, tail

Json = dict[str, Any]

_SECRET_NAME = re.compile(r"secret|token|passw|credential|private|api_?key|access_?key", re.IGNORECASE)
_SHORTEST_SECRET = 6


class Explainer:
    """Asks for reasons. None of its questions keeps the failure itself from being told."""

    def __init__(self, client: MarathonClient, agent_port: int) -> None:
        """An explainer.

        Args:
            client: of the cluster.
            agent_port: where every agent serves its HTTP interface.
        """
        self._client = client
        self._agent_port = agent_port

    def why(self, app_id: str, progress: Progress) -> list[str]:
        """Reasons, most telling first, a line or more each."""
        try:
            app = self._client.app(app_id)
        except MarathonError as e:
            return [f"Marathon cannot be asked why: {e}"]
        lines = list(self._reasons(app_id, progress))
        return _without_secrets(lines, app.get("env", {}))

    def _reasons(self, app_id: str, progress: Progress) -> Iterator[str]:
        failure = progress.last_failure
        if failure:
            yield f"last failure: {failure['state']} on {failure['host']}: {_one_line(failure['message'])}"
        for task in progress.new_tasks:
            for result in task.get("healthCheckResults") or []:
                if not result.get("alive"):
                    cause = _one_line(result.get("lastFailureCause", "no answer yet"))
                    yield f"health check of {task['id']} on {task['host']} fails: {cause}"
        try:
            item = self._client.queue_item(app_id)
        except MarathonError as e:
            yield f"Marathon's queue cannot be read: {e}"
        else:
            yield from _waiting(item) if item else ()
        culprit = failure or next(iter(progress.new_tasks), None)
        if culprit:
            yield from self._log(culprit.get("taskId") or culprit["id"], culprit["host"])

    def _log(self, task_id: str, host: str) -> Iterator[str]:
        try:
            lines = tail(host, self._agent_port, task_id)
        except SandboxError as e:
            yield (
                f"its log is in the sandbox of task {task_id} on {host}, file stderr; not readable from here ({e}); "
                "the Mesos web interface shows it"
            )
            return
        if not lines:
            yield f"task {task_id} wrote nothing to stderr"
            return
        yield f"end of stderr of task {task_id}:"
        yield from (f"  | {line}" for line in lines)


def _waiting(item: Mapping[str, Any]) -> Iterator[str]:
    delay = item.get("delay", {})
    if not delay.get("overdue"):
        yield f"{item.get('count', 1)} tasks wait: backed off for another {delay.get('timeLeftSeconds')} s"
    offers = item.get("processedOffersSummary", {})
    rows: list[Json] = offers.get("rejectSummaryLastOffers") or []
    declined = [
        f"{row['reason']} {row['declined']} of {row['processed']}" for row in rows if row.get("declined")
    ]
    if declined:
        yield f"offers were declined: {', '.join(declined)}"
    elif delay.get("overdue") and not offers.get("processedOffersCount"):
        yield "no agent has offered anything: are there machines, and do they reach the master?"


def _one_line(text: object) -> str:
    return " ".join(str(text).split())[:500]


def _without_secrets(lines: list[str], env: Mapping[str, Any]) -> list[str]:
    """The lines, in which no value of a variable that is named like a secret appears."""
    secrets = [
        value
        for name, value in env.items()
        if isinstance(value, str) and len(value) >= _SHORTEST_SECRET and _SECRET_NAME.search(name)
    ]
    for secret in secrets:
        lines = [line.replace(secret, "[secret]") for line in lines]
    return lines
