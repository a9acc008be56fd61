"""Whether a registry holds an image: its HTTP API, asked without Docker.

Source: OCI Distribution Specification 1.1 (Pulling manifests, Error codes); Docker Registry, Token authentication.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

import boto3
import requests
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from requests.auth import HTTPBasicAuth

from infra.registry_credentials import CredentialsError, credentials_of

TIMEOUT_S = (4.0, 8.0)
"""To connect, and between two pieces of an answer. The longest road is three requests."""

ANSWER_LIMIT = 1 << 20
"""Bytes of a token or manifest that are read."""

HUB = "docker.io"
_HUB_API = "registry-1.docker.io"
_MANIFESTS = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
_ECR = re.compile(r"^(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(\.cn)?$")
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_DIGEST = re.compile(r"^sha256:[0-9a-f]{64}$")


@dataclass(frozen=True)
class Reference:
    """An image by name: registry, repository, tag."""

    registry: str
    """`host` or `host:port`."""

    repository: str
    tag: str

    @classmethod
    def parse(cls, text: str) -> Reference:
        """`[host[:port]/]name[:tag]`, by Docker's rule: what has neither a dot nor a port is no host.

        Source: Docker, `docker image tag` (Extended description).
        """
        name, _, tag = text.rpartition(":")
        if not name or "/" in tag:
            name, tag = text, "latest"
        host, slash, rest = name.partition("/")
        if slash and ("." in host or ":" in host or host == "localhost"):
            return cls(host, rest, tag)
        return cls(HUB, name if slash else f"library/{name}", tag)

    @property
    def is_loopback(self) -> bool:
        """Whether the registry is one of this machine, which Docker lets speak plain HTTP."""
        host = self.registry.rpartition(":")[0] if ":" in self.registry else self.registry
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"

    @property
    def ecr(self) -> EcrRegistry | None:
        """Account and region where the registry is Amazon ECR."""
        return EcrRegistry.of(self.registry)

    def __str__(self) -> str:
        return f"{self.registry}/{self.repository}:{self.tag}"


@dataclass(frozen=True)
class EcrRegistry:
    """A private registry of Amazon ECR."""

    account: str
    region: str

    @classmethod
    def of(cls, host: str) -> EcrRegistry | None:
        """What the host's name says, or None where it is none of ECR's."""
        found = _ECR.match(host)
        return cls(found[1], found[2]) if found else None


@dataclass(frozen=True)
class Present:
    """The registry has the tag."""

    digest: str


@dataclass(frozen=True)
class Absent:
    """The registry was asked and does not have it."""


@dataclass(frozen=True)
class Unknown:
    """It could not be told."""

    why: str
    refused: bool
    """The registry answered, and wants other credentials; otherwise it could not be asked at all."""


Answer = Present | Absent | Unknown


def look_up(text: str, profile: str | None = None) -> Answer:
    """Whether the image's registry has its tag. Never raises for what a registry or network does.

    Credentials are whatever `docker login` or a credential helper left for the registry, else none; of ECR, those of
    the AWS SDK.

    Args:
        text: `[host[:port]/]name:tag`.
        profile: of the AWS SDK's configuration, for ECR.
    """
    reference = Reference.parse(text)
    if reference.ecr:
        return _ask_ecr(reference, reference.ecr, profile)
    try:
        return _Conversation(reference).ask()
    except requests.RequestException as e:
        return Unknown(f"{reference.registry} cannot be asked: {_cause(e)}", refused=False)
    except (CredentialsError, _AnswerError) as e:
        return Unknown(str(e), refused=True)


class _AnswerError(Exception):
    """What the registry said is of no use."""


class _Conversation:
    """One question to one registry: at most two manifests' worth of requests and one for a token."""

    def __init__(self, reference: Reference) -> None:
        self._reference = reference
        scheme = "http" if reference.is_loopback else "https"
        host = _HUB_API if reference.registry == HUB else reference.registry
        self._url = f"{scheme}://{host}/v2/{reference.repository}/manifests/{reference.tag}"
        self._session = requests.Session()
        # What .netrc knows of this host is not meant for here; a registry of this machine is behind no proxy.
        self._session.auth = _anonymous
        self._session.trust_env = not reference.is_loopback

    def ask(self) -> Answer:
        with self._session:
            answer = self._manifest({})
            if answer.status_code == requests.codes.unauthorized:
                answer = self._manifest(self._authorized(answer.headers.get("WWW-Authenticate", "")))
        match answer.status_code:
            case requests.codes.ok:
                digest = answer.headers.get("Docker-Content-Digest", "")
                if not _DIGEST.match(digest):
                    return Unknown(
                        f"{self._url}: an answer without a digest; is it a registry?", refused=False
                    )
                return Present(digest)
            case requests.codes.not_found:
                return Absent()
            case requests.codes.unauthorized | requests.codes.forbidden:
                return Unknown(
                    f"{self._reference.registry} does not let this machine see {self._reference.repository} "
                    f"(HTTP {answer.status_code}); `docker login {self._reference.registry}` would",
                    refused=True,
                )
            case status:
                return Unknown(f"{self._url}: HTTP {status}", refused=False)

    def _manifest(self, headers: Mapping[str, str]) -> requests.Response:
        return self._session.head(
            self._url, headers={"Accept": _MANIFESTS, **headers}, timeout=TIMEOUT_S, allow_redirects=False
        )

    def _authorized(self, challenge: str) -> dict[str, str]:
        """The header that a 401 asks for; none where there is nothing to answer with."""
        kind, _, rest = challenge.partition(" ")
        known = credentials_of(self._reference.registry)
        basic = HTTPBasicAuth(*known) if known else None
        if kind.lower() == "basic":
            prepared = requests.Request("GET", self._url, auth=basic).prepare()
            return {"Authorization": prepared.headers["Authorization"]} if basic else {}
        values = dict(_CHALLENGE.findall(rest))
        realm = urlsplit(values.get("realm", ""))
        # Credentials go there: to nothing that others on the way can read.
        if kind.lower() != "bearer" or realm.scheme != ("http" if self._reference.is_loopback else "https"):
            raise _AnswerError(
                f"{self._reference.registry} asks for a kind of authentication that is not spoken here"
            )
        asked = {"scope": f"repository:{self._reference.repository}:pull"}
        if "service" in values:
            asked["service"] = values["service"]
        with self._session.get(
            realm.geturl(),
            params=asked,
            auth=basic or _anonymous,
            timeout=TIMEOUT_S,
            allow_redirects=False,
            stream=True,
        ) as answer:
            if answer.status_code != requests.codes.ok:
                raise _AnswerError(
                    f"{self._reference.registry} gives no token for {self._reference.repository} "
                    f"(HTTP {answer.status_code}); `docker login {self._reference.registry}` may help"
                )
            token = _decoded(answer)
        return {"Authorization": f"Bearer {token.get('token') or token.get('access_token') or ''}"}


def _anonymous(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _decoded(answer: requests.Response) -> dict[str, Any]:
    body = b""
    for piece in answer.iter_content(1 << 16):
        body += piece
        if len(body) > ANSWER_LIMIT:
            raise _AnswerError(f"{answer.url}: more than {ANSWER_LIMIT} bytes")
    try:
        decoded: Any = json.loads(body)
    except ValueError:
        decoded = None
    if not isinstance(decoded, dict):
        raise _AnswerError(f"{answer.url}: not the JSON of a token")
    return cast(dict[str, Any], decoded)


def _ask_ecr(reference: Reference, registry: EcrRegistry, profile: str | None) -> Answer:
    """Amazon ECR's own API, so that whoever deploys needs no Docker login (DescribeImages)."""
    try:
        session = boto3.Session(profile_name=profile, region_name=registry.region)
        limits = Config(
            connect_timeout=TIMEOUT_S[0],
            read_timeout=TIMEOUT_S[1],
            retries={"mode": "standard", "total_max_attempts": 2},
        )
        client: Any = cast(Any, session).client("ecr", config=limits)
        found = client.describe_images(
            registryId=registry.account,
            repositoryName=reference.repository,
            imageIds=[{"imageTag": reference.tag}],
        )
        return Present(str(found["imageDetails"][0]["imageDigest"]))
    except ClientError as e:
        error = e.response.get("Error", {})
        if error.get("Code") in {"ImageNotFoundException", "RepositoryNotFoundException"}:
            return Absent()
        return Unknown(f"{reference.registry}: {error.get('Code')}: {error.get('Message', '')}", refused=True)
    except BotoCoreError as e:
        return Unknown(f"{reference.registry}: {e}", refused=False)


def _cause(error: requests.RequestException) -> str:
    """The innermost reason: urllib3 wraps it in words about pools."""
    match error:
        case requests.Timeout():
            return "no answer in time"
        case requests.exceptions.SSLError():
            return "its TLS certificate is not trusted here"
        case requests.ConnectionError():
            reason = getattr(error.args[0], "reason", error) if error.args else error
            return str(reason).rpartition(": ")[2]
        case _:
            return str(error)
