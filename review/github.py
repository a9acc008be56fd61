"""As much of GitHub's REST API as a comment needs: pages, limits, retries."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests

from review.errors import ReviewError

API = "https://api.github.com"
TIMEOUT_S = (5, 30)
"""To connect, and between two bytes of an answer, seconds."""

PAGES = 100
"""Most pages of a list: at a hundred entries each, more than a pull request of this repository will ever have."""

ARCHIVE_BYTES = 1_000_000
"""Most bytes of an artifact, packed; and of a file in it, unpacked."""


class GitHubError(ReviewError):
    """GitHub refuses, or what it holds is not what was asked for."""


class Unavailable(GitHubError):  # noqa: N818  it is what GitHub is, and passes
    """GitHub does not answer, or asks for patience: the same request may succeed later."""


@dataclass(frozen=True)
class GitHub:
    """A repository on GitHub."""

    repository: str
    """`OWNER/REPOSITORY`."""

    token: str = field(repr=False)
    api: str = API
    session: requests.Session = field(default_factory=requests.Session, repr=False)

    def get(self, path: str) -> Any:
        """What is at a path below the repository."""
        return self._call("GET", self._url(path)).json()

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Make something."""
        return self._call("POST", self._url(path), body).json()

    def patch(self, path: str, body: dict[str, Any]) -> Any:
        """Change something."""
        return self._call("PATCH", self._url(path), body).json()

    def pages(self, path: str, key: str | None = None) -> Iterator[dict[str, Any]]:
        """Every entry of a list, over all of its pages.

        Args:
            path: of the list, below the repository.
            key: of the list in an answer that is an object.

        Raises:
            GitHubError: the list is longer than `PAGES`, or its next page is elsewhere.
        """
        url = self._url(f"{path}{'&' if '?' in path else '?'}per_page=100")
        for _ in range(PAGES):
            answer = self._call("GET", url)
            entries = answer.json()
            yield from entries[key] if key else entries
            following = answer.links.get("next", {}).get("url")
            if not following:
                return
            url = urljoin(url, following)
        raise GitHubError(f"{self.repository}/{path} has more than {PAGES} pages")

    def archive(self, artifact: int) -> zipfile.ZipFile:
        """An artifact, in memory: nothing of it is unpacked anywhere.

        Raises:
            GitHubError: it is larger than `ARCHIVE_BYTES`, or no ZIP file.
        """
        moved = self._call("GET", self._url(f"actions/artifacts/{artifact}/zip"), redirected=True)
        # It is kept elsewhere, by an address that is its own permission: the token does not go there.
        with self._send(requests.Request("GET", moved.headers["Location"])) as answer:
            self._check(answer)
            packed = b""
            for chunk in answer.iter_content(65_536):
                packed += chunk
                if len(packed) > ARCHIVE_BYTES:
                    raise GitHubError(f"artifact {artifact} is larger than {ARCHIVE_BYTES} bytes: refused")
        try:
            return zipfile.ZipFile(io.BytesIO(packed))
        except zipfile.BadZipFile as e:
            raise GitHubError(f"artifact {artifact} is no ZIP file: {e}") from None

    def _url(self, path: str) -> str:
        return f"{self.api.rstrip('/')}/repos/{self.repository}/{path}"

    def _call(
        self, method: str, url: str, body: dict[str, Any] | None = None, *, redirected: bool = False
    ) -> requests.Response:
        if urlsplit(url)[:2] != urlsplit(self.api)[:2]:
            raise GitHubError(f"{url} is not of {self.api}: the token is not sent there")
        headers = {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {self.token}",
            "X-GitHub-Api-Version": "2022-11-28",
        }
        answer = self._send(requests.Request(method, url, headers=headers, json=body))
        if redirected and answer.is_redirect:
            return answer
        self._check(answer)
        return answer

    def _send(self, request: requests.Request) -> requests.Response:
        try:
            prepared = self.session.prepare_request(request)
            return self.session.send(prepared, timeout=TIMEOUT_S, allow_redirects=False, stream=True)
        except (requests.ConnectionError, requests.Timeout) as e:
            raise Unavailable(f"{urlsplit(request.url).netloc} does not answer: {type(e).__name__}") from None

    def _check(self, answer: requests.Response) -> None:
        status = answer.status_code
        if 200 <= status < 300:
            return
        # Bounded, and without the query, where an address carries its permission.
        said = answer.raw.read(2000, decode_content=True).decode("utf-8", "replace")
        where = answer.url.partition("?")[0]
        text = f"GitHub answered {status} to {answer.request.method} {where}: {said.strip()}"
        limited = status == 403 and ("Retry-After" in answer.headers or "rate limit" in said)
        if status >= 500 or status == 429 or limited:
            raise Unavailable(text)
        hint = {
            401: "; is GITHUB_TOKEN of this run?",
            403: "; has the job the permission 'pull-requests: write'?",
            404: "; does it exist, and may this token see it?",
        }
        raise GitHubError(text + hint.get(status, ""))
