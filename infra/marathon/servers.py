"""One request to whichever server of a list answers: fail-over, retries, redirects, TLS and limits."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
import stamina

from infra.marathon.errors import AnswerLost, MarathonError, MarathonUnreachable, error_of

TIMEOUT_S = (3.05, 30.0)
"""Connect and read time-outs of one request, seconds."""

ATTEMPTS = 4
RETRY_TIMEOUT_S = 30.0
REDIRECTS = 3
ANSWER_LIMIT_BYTES = 32 * 1024 * 1024
"""Largest answer that is read. The list of some thousand apps with their tasks is a few MiB."""

_NOT_SENT = (requests.exceptions.ConnectTimeout, requests.exceptions.InvalidURL)


class Servers:
    """The servers of one Marathon cluster.

    Any of them takes a request: one that does not lead hands it on. A server that refuses the connection or knows
    no leader (502) is passed over for the next, and all of them are asked again a few times with jitter. A write is
    said again only where it cannot have been done.
    """

    def __init__(
        self,
        urls: Sequence[str],
        credentials: tuple[str, str] | None,
        ca_file: Path | None,
        timeout_s: tuple[float, float] = TIMEOUT_S,
    ) -> None:
        """Servers by their base URLs, at least one.

        Args:
            urls: such as `http://marathon:8080`, tried in order.
            credentials: user name and password for HTTP Basic.
            ca_file: PEM of the authority that signed the servers' certificates, where no public one did.
            timeout_s: connect and read time-outs, seconds.

        Raises:
            MarathonError: a URL holds a password, or the CA file is not there.
        """
        self._urls = [url.rstrip("/") for url in urls]
        self._origins = {_origin(url) for url in self._urls}
        if any("@" in urlsplit(url).netloc for url in self._urls):
            raise MarathonError(
                "a URL of `cluster.marathonUrls` holds a password: it would stay in state and logs; "
                "put it into Secrets Manager and name the entry in `cluster.credentialsSecret`"
            )
        if ca_file is not None and not ca_file.is_file():
            raise MarathonError(f"{ca_file}: no such file; see the setting `cluster.caFile`")
        self._timeout_s = timeout_s
        self._session = requests.Session()
        self._session.auth = credentials
        self._session.verify = str(ca_file) if ca_file else True
        # A cluster in the VPC or on loopback is never behind the shell's proxy, nor signed by the shell's CA.
        self._session.trust_env = False

    def call(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Any:
        """The decoded answer, `{}` for an empty one.

        Raises:
            MarathonUnreachable: no server did it.
            AnswerLost: a write was sent, and perhaps done.
            MarathonError: as `error_of` says for 400 and more; an answer that is too large, or a redirect elsewhere.
        """
        for attempt in stamina.retry_context(
            on=MarathonUnreachable, attempts=ATTEMPTS, timeout=RETRY_TIMEOUT_S, wait_initial=0.2, wait_max=3.0
        ):
            with attempt:
                return self._any(method, path, params, body)
        raise AssertionError("unreachable")  # pragma: no cover

    def ping(self) -> bool:
        """Whether a server answers `/ping` now; no retries.

        Raises:
            NotAllowed: it asks for other credentials; waiting does not help.
        """
        for url in self._urls:
            try:
                with self._session.get(
                    f"{url}/ping", timeout=self._timeout_s, allow_redirects=False, stream=True
                ) as response:
                    if response.status_code in {401, 403}:
                        raise error_of(response.status_code, f"GET {url}/ping", {})
                    if response.status_code == 200:
                        return True
            except requests.RequestException:
                continue
        return False

    def _any(
        self, method: str, path: str, params: Mapping[str, str] | None, body: Mapping[str, Any] | None
    ) -> Any:
        refusals: list[str] = []
        for url in self._urls:
            try:
                status, answer = self._followed(method, url + path, params, body)
            except requests.exceptions.SSLError as e:
                raise MarathonError(
                    f"{method} {url}{path}: the server's certificate is not trusted: {_innermost(e)}; "
                    "name the authority's PEM file in `cluster.caFile`"
                ) from None
            except requests.RequestException as e:
                if method != "GET" and _may_be_sent(e):
                    raise AnswerLost(
                        f"{method} {url}{path}: sent, and no answer came ({self._cause(e)})"
                    ) from None
                refusals.append(f"{url}: {self._cause(e)}")
                continue
            if status == 503 and method != "GET":
                raise AnswerLost(
                    f"{method} {url}{path}: HTTP 503: Marathon could not say whether it was done"
                )
            if status in {502, 503}:
                refusals.append(f"{url}: HTTP {status}, no leader answers")
                continue
            if status >= 400:
                message = answer if isinstance(answer, dict) else {"message": str(answer)}
                raise error_of(status, f"{method} {url}{path}", message)
            return answer
        raise MarathonUnreachable(
            f"{method} {path}: no Marathon server answered ({'; '.join(refusals)}); "
            "is the cluster up, and are the URLs in `cluster.marathonUrls` right?"
        )

    def _followed(
        self, method: str, url: str, params: Mapping[str, str] | None, body: Mapping[str, Any] | None
    ) -> tuple[int, Any]:
        """Status and answer. Redirects are followed by hand, and only to servers of the list: they get credentials."""
        target = url
        for _ in range(REDIRECTS + 1):
            with self._session.request(
                method,
                target,
                params=params if target == url else None,
                json=body,
                timeout=self._timeout_s,
                allow_redirects=False,
                stream=True,
            ) as response:
                if not response.is_redirect:
                    return response.status_code, _decoded(f"{method} {url}", response)
                target = urljoin(target, response.headers["Location"])
            if _origin(target) not in self._origins:
                raise MarathonError(
                    f"{method} {url}: redirected to {_shown(target)}, which is not in `cluster.marathonUrls`: not "
                    "followed, since it would be given the credentials"
                )
        raise MarathonError(f"{method} {url}: more than {REDIRECTS} redirects")

    def _cause(self, error: requests.RequestException) -> str:
        if isinstance(error, requests.exceptions.ConnectTimeout):
            return f"no connection within {self._timeout_s[0]:.0f} s"
        if isinstance(error, requests.Timeout):
            return f"no answer within {self._timeout_s[1]:.0f} s"
        if isinstance(error, requests.ConnectionError):
            return "connection broken" if _may_be_sent(error) else "connection refused"
        return str(error)


def _may_be_sent(error: requests.RequestException) -> bool:
    """Whether the server may have got the request. Only what failed while connecting is sure not to have left."""
    if isinstance(error, _NOT_SENT):
        return False
    cause = error.args[0] if error.args else None
    reason = getattr(cause, "reason", cause)
    return type(reason).__name__ not in {"NewConnectionError", "NameResolutionError", "ConnectTimeoutError"}


def _decoded(request: str, response: requests.Response) -> Any:
    data = bytearray()
    for chunk in response.iter_content(64 * 1024):
        data += chunk
        if len(data) > ANSWER_LIMIT_BYTES:
            raise MarathonError(
                f"{request}: the answer is larger than {ANSWER_LIMIT_BYTES // 1024**2} MiB: not Marathon's?"
            )
    if not data:
        return {}
    try:
        return json.loads(data)
    except ValueError:
        if response.ok:
            raise MarathonError(
                f"{request}: HTTP {response.status_code}, but no JSON: is this Marathon?"
            ) from None
        # Jetty's own pages for 401 and 502 are HTML.
        return {"message": response.reason or ""}


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, (parts.hostname or "").lower(), port


def _shown(url: str) -> str:
    """The URL without what may be secret in it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"


def _innermost(error: BaseException) -> str:
    reason = getattr(error.args[0] if error.args else None, "reason", error)
    return str(reason)
