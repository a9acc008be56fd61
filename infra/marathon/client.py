"""Marathon's REST API over requests: the only place that speaks HTTP to Marathon.

MarathonError
├── MarathonUnreachable   no server of the list answered
├── MarathonRefused       4xx: what was sent is wrong; carries Marathon's own details
│   ├── AppNotFound       404
│   └── AppLocked         409: another deployment holds the app
└── MarathonFailed        5xx, after the retries that are safe
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast
from urllib.parse import quote

import requests
import stamina

from infra.errors import InfraError

TIMEOUT_S = (3.05, 30.0)
"""Connect and read time-outs of one request, seconds."""

ATTEMPTS = 4

Json = dict[str, Any]


class MarathonError(InfraError):
    """Anything that keeps an answer of Marathon from being used."""


class MarathonUnreachable(MarathonError):  # noqa: N818  named for the state, as in requests
    """No server answered: refused, timed out, or no leader was elected."""


class MarathonFailed(MarathonError):  # noqa: N818
    """Marathon answered 5xx. A 500 also stands for an address that has no route."""


class MarathonRefused(MarathonError):  # noqa: N818
    """Marathon answered 4xx.

    Attributes:
        status: the HTTP status.
        details: Marathon's `details`, often a list of `{"path", "errors"}`.
        deployments: ids of the deployments that hold the app, for 409.
    """

    def __init__(self, message: str, status: int, body: Json) -> None:
        super().__init__(message)
        self.status = status
        self.details: Any = body.get("details")
        self.deployments: list[str] = [d["id"] for d in body.get("deployments", [])]


class AppNotFound(MarathonRefused):
    """404: no such app, group or deployment."""


class AppLocked(MarathonRefused):
    """409: another deployment holds the app."""


class MarathonClient:
    """A Marathon cluster behind one or more base URLs.

    Every request has time-outs. Reads, and full PUTs that say the same when said twice, are tried again a few
    times with jitter when a server does not answer or has no leader (502, 503); nothing else is.
    """

    def __init__(self, urls: Sequence[str], credentials: tuple[str, str] | None = None) -> None:
        """A client of these servers.

        Args:
            urls: base URLs such as `http://marathon:8080`, tried in order, at least one.
            credentials: user name and password where Marathon asks for them (HTTP Basic).
        """
        self._urls = [url.rstrip("/") for url in urls]
        self._session = requests.Session()
        self._session.auth = credentials
        # A cluster in the VPC or on loopback is never behind the shell's proxy.
        self._session.trust_env = False

    def app(self, app_id: str) -> Json:
        """The app with counts, tasks, deployments and last failure. Raises AppNotFound."""
        return self._json("GET", f"/v2/apps/{_path(app_id)}", params={"embed": "app.failures"})["app"]

    def apps(self) -> list[Json]:
        """Every app, with counts."""
        return self._json("GET", "/v2/apps", params={"embed": "apps.counts"})["apps"]

    def put_app(self, app_id: str, app: Mapping[str, Any], *, force: bool = False) -> str:
        """Make the app exactly what `app` says (fields left out return to their defaults); the deployment's id."""
        params = {"partialUpdate": "false", "force": str(force).lower()}
        return self._json("PUT", f"/v2/apps/{_path(app_id)}", params=params, body=app)["deploymentId"]

    def roll_back(self, app_id: str, version: str) -> str:
        """Put an earlier version of the app back, whatever holds it; the deployment's id."""
        return self._json(
            "PUT", f"/v2/apps/{_path(app_id)}", params={"force": "true"}, body={"version": version}
        )["deploymentId"]

    def delete_app(self, app_id: str) -> str:
        """Stop the app and forget it; the deployment's id. Raises AppNotFound."""
        return self._json("DELETE", f"/v2/apps/{_path(app_id)}", params={"force": "true"})["deploymentId"]

    def deployment_ids(self) -> set[str]:
        """Ids of the deployments under way."""
        return {d["id"] for d in cast(list[Json], self._json("GET", "/v2/deployments"))}

    def queue_item(self, app_id: str) -> Json | None:
        """What Marathon's queue says of an app that waits for offers or is backed off; None when it does not wait."""
        queue: list[Json] = self._json("GET", "/v2/queue")["queue"]
        return next((item for item in queue if item["app"]["id"] == app_id), None)

    def ping(self) -> bool:
        """Whether a server answers `/ping` now. Never raises, never retries."""
        for url in self._urls:
            try:
                if self._session.get(f"{url}/ping", timeout=TIMEOUT_S).status_code == 200:
                    return True
            except requests.RequestException:
                continue
        return False

    def _json(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Any:
        """One call with its safe retries. A full PUT and a DELETE are safe: said twice they say the same."""
        for attempt in stamina.retry_context(
            on=(MarathonUnreachable,), attempts=ATTEMPTS, timeout=30.0, wait_initial=0.2, wait_max=3.0
        ):
            with attempt:
                return self._once(method, path, params, body)
        raise AssertionError("unreachable")  # pragma: no cover

    def _once(
        self, method: str, path: str, params: Mapping[str, str] | None, body: Mapping[str, Any] | None
    ) -> Any:
        refusals: list[str] = []
        for url in self._urls:
            try:
                response = self._session.request(
                    method, url + path, params=params, json=body, timeout=TIMEOUT_S, allow_redirects=True
                )
            except requests.RequestException as e:
                refusals.append(f"{url}: {_cause(e)}")
                continue
            if response.status_code in {502, 503}:
                refusals.append(f"{url}: HTTP {response.status_code}, no leader answers")
                continue
            return _checked(method, url + path, response)
        raise MarathonUnreachable(
            f"{method} {path}: no Marathon server answered ({'; '.join(refusals)}); "
            "is the cluster up, and are the URLs in `cluster.marathonUrls` right?"
        )


def _path(app_id: str) -> str:
    return quote(app_id.strip("/"))


def _cause(error: requests.RequestException) -> str:
    if isinstance(error, requests.Timeout):
        return f"no answer within {TIMEOUT_S[1]:.0f} s"
    if isinstance(error, requests.ConnectionError):
        return "connection refused or broken"
    return str(error)


def _checked(method: str, url: str, response: requests.Response) -> Any:
    try:
        body: Any = response.json() if response.content else {}
    except ValueError:
        body = {"message": response.text[:200]}
    if response.ok:
        return body
    body = body if isinstance(body, dict) else {"message": str(body)}
    message = f"{method} {url}: HTTP {response.status_code}: {body.get('message', '')}{_details(body)}"
    match response.status_code:
        case 404:
            raise AppNotFound(message, 404, body)
        case 409:
            raise AppLocked(message, 409, body)
        case status if status < 500:
            raise MarathonRefused(message, status, body)
        case _:
            raise MarathonFailed(message)


def _details(body: Json) -> str:
    """Marathon's validation details as one text: `/cpus: must be greater than 0`."""
    details = body.get("details")
    if isinstance(details, str):
        return f" ({details})"
    lines = [f"{d.get('path')}: {', '.join(d.get('errors', []))}" for d in details or []]
    return f" ({'; '.join(lines)})" if lines else ""
