"""One configured provider: region, endpoints, default tags, and the boto3 clients that follow from them."""

from __future__ import annotations

import ipaddress
import json
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from local.aws.provider.errors import EndpointError, ProviderError
from local.aws.provider.wire import Props, plain

# Keys of `aws:endpoints` that name the same boto3 service; several have a history.
_SERVICE_ALIASES = {
    "appautoscaling": "application-autoscaling",
    "applicationautoscaling": "application-autoscaling",
    "cloudwatchlogs": "logs",
    "cloudwatchlog": "logs",
    "cloudwatchevents": "events",
    "elasticloadbalancingv2": "elbv2",
    "eventbridge": "events",
}
_IMPLEMENTED_OPTIONS = {
    "accessKey", "defaultTags", "endpoints", "ignoreTags", "maxRetries", "profile", "region", "s3UsePathStyle",
    "secretKey", "skipCredentialsValidation", "skipMetadataApiCheck", "skipRegionValidation",
    "skipRequestingAccountId", "token", "version", "stsRegion", "retryMode", "allowedAccountIds",
}  # fmt: skip


def is_loopback(url: str) -> bool:
    """Whether a URL leads to this machine by its text alone: no name but `localhost` is looked up."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def endpoint_problem(service: str, url: str) -> str | None:
    """Why an endpoint may not be used, or None."""
    if urlsplit(url).scheme in ("http", "https") and is_loopback(url):
        return None
    return (
        f"aws:endpoints: {service} is {url}, which is not on this machine. The local aws provider answers for loopback "
        f"endpoints only (http://127.0.0.1:PORT). Real AWS needs the official plugin: run without the local PULUMI_HOME"
    )


def parse_config(args: Mapping[str, Any]) -> Props:
    """Provider configuration with the JSON texts read: whatever is not a string arrives as JSON in a string."""
    parsed: Props = {}
    for key, value in plain(dict(args)).items():
        if isinstance(value, str) and (value[:1] in ("[", "{") or value in ("true", "false")):
            try:
                parsed[key] = json.loads(value)
            except ValueError:
                parsed[key] = value
        else:
            parsed[key] = value
    return parsed


def parse_endpoints(config: Mapping[str, Any]) -> dict[str, str]:
    """Endpoint URLs by boto3 service name, from a list of maps (or one map)."""
    given: Any = config.get("endpoints") or []
    maps: list[Any] = given if isinstance(given, list) else [given]
    endpoints: dict[str, str] = {}
    for entry in maps:
        if isinstance(entry, dict):
            endpoints |= {
                _SERVICE_ALIASES.get(str(key), str(key)): str(url) for key, url in entry.items() if url
            }
    return endpoints


def config_problems(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(key, text) for each part of a configuration that the stand-in must refuse."""
    problems = [
        ("endpoints", problem)
        for service, url in parse_endpoints(config).items()
        if (problem := endpoint_problem(service, url))
    ]
    problems += [
        (
            key,
            f"aws:{key} is not implemented by the local aws provider; leave it out of the local stack's configuration",
        )
        for key in config
        if key not in _IMPLEMENTED_OPTIONS and not key.startswith("__")
    ]
    return problems


@dataclass
class Session:
    """A provider's configuration in use. Thread-safe.

    Raises:
        EndpointError: an endpoint does not lead to this machine.
        ProviderError: no region is configured, or an option is not implemented.
    """

    config: Props
    region: str = ""
    endpoints: dict[str, str] = field(default_factory=dict)
    default_tags: dict[str, str] = field(default_factory=dict)
    ignored_keys: frozenset[str] = frozenset()
    ignored_prefixes: tuple[str, ...] = ()
    _clients: dict[tuple[str, str], Any] = field(default_factory=dict)
    _boto: Any = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        problems = config_problems(self.config)
        if problems:
            raise EndpointError("; ".join(text for _, text in problems))
        self.endpoints = parse_endpoints(self.config)
        self.region = str(
            self.config.get("region")
            or os.environ.get("AWS_REGION")
            or os.environ.get("AWS_DEFAULT_REGION")
            or ""
        )
        if not self.region:
            raise ProviderError("aws:region is not set: `pulumi config set aws:region us-east-1`")
        self.default_tags = {
            str(k): str(v) for k, v in _block(self.config, "defaultTags").get("tags", {}).items()
        }
        ignored = _block(self.config, "ignoreTags")
        self.ignored_keys = frozenset(ignored.get("keys", []))
        self.ignored_prefixes = tuple(ignored.get("keyPrefixes", []))

    def client(self, service: str, region: str | None = None) -> Any:
        """A boto3 client of a service, made once for each region.

        Raises:
            EndpointError: the configuration names no endpoint for the service.
        """
        key = (service, region or self.region)
        with self._lock:
            if key not in self._clients:
                self._clients[key] = self._make_client(*key)
            return self._clients[key]

    def _make_client(self, service: str, region: str) -> Any:
        # Imported here: botocore takes 0.3 s, which a run that fails in Check does not need to spend.
        import boto3  # noqa: PLC0415
        from botocore.config import Config  # noqa: PLC0415

        missing = self.missing_endpoint(service)
        if missing is not None:
            raise EndpointError(missing)
        if self._boto is None:
            self._boto = boto3.session.Session(
                aws_access_key_id=str(self.config.get("accessKey") or "local"),
                aws_secret_access_key=str(self.config.get("secretKey") or "local"),
            )
        # An empty proxies map: proxy variables of the environment would be obeyed even for 127.0.0.1.
        config = Config(
            proxies={},
            connect_timeout=3,
            read_timeout=60,
            max_pool_connections=32,
            retries={"total_max_attempts": 3, "mode": "standard"},
            s3={"addressing_style": "path"},
        )
        return self._boto.client(
            service, region_name=region, endpoint_url=self.endpoints[service], config=config
        )

    def missing_endpoint(self, service: str) -> str | None:
        """Why a service cannot be called, or None."""
        if service in self.endpoints:
            return None
        named = ", ".join(sorted(self.endpoints)) or "nothing"
        return (
            f"aws:endpoints names no endpoint for {service} (it names {named}). The local aws provider calls no AWS: "
            f"add {service}: http://127.0.0.1:PORT to aws:endpoints in the stack's file"
        )

    def with_default_tags(self, tags: Mapping[str, Any] | None) -> dict[str, Any]:
        """`tagsAll`: the default tags, overlaid by the resource's own, less the ignored ones."""
        return {
            key: value
            for key, value in {**self.default_tags, **(tags or {})}.items()
            if not self.ignores(key)
        }

    def ignores(self, key: str) -> bool:
        """Whether `ignoreTags` names the key, or a prefix of it."""
        return key in self.ignored_keys or (
            bool(self.ignored_prefixes) and key.startswith(self.ignored_prefixes)
        )


def _block(config: Mapping[str, Any], key: str) -> dict[str, Any]:
    value: Any = config.get(key) or {}
    if isinstance(value, list):
        value = value[0] if value else {}
    return value if isinstance(value, dict) else {}


@dataclass
class Operation:
    """What a resource's functions get besides its properties: clients, a way to speak, and the time they have."""

    session: Session
    region: str
    service: str
    tell: Callable[[str], None]
    """Shows one line to the person, beside the resource."""
    cancelled: threading.Event
    made: str | None = None
    """The object's id once it exists, so that a create that fails half-way is undone."""

    def client(self, service: str | None = None) -> Any:
        """A client of the resource's own service, or of another."""
        return self.session.client(service or self.service, self.region)
