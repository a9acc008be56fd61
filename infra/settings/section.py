"""What every section of the settings has in common, and the forms of single values."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class Section(BaseModel):
    """A group of keys: immutable, camelCase as Pulumi's configuration is, and no key beyond the declared ones."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel)


def _network(value: str) -> str:
    try:
        ipaddress.IPv4Network(value)
    except ValueError as e:
        raise ValueError(f"'{value}' is not an IPv4 network such as 10.20.0.0/16: {e}") from None
    return value


def _email(value: str) -> str:
    local, at, domain = value.partition("@")
    if not (at and local and "." in domain and "@" not in domain) or any(c.isspace() for c in value):
        raise ValueError(f"'{value}' is not an e-mail address such as ops@example.com")
    return value


AmiId = Annotated[str, Field(pattern=r"^ami-([0-9a-f]{8}|[0-9a-f]{17})$")]
Cidr = Annotated[str, AfterValidator(_network)]
Email = Annotated[str, AfterValidator(_email)]
HostPort = Annotated[str, Field(pattern=r"^[A-Za-z0-9.\-]+:\d{1,5}$")]
HttpUrl = Annotated[str, Field(pattern=r"^https?://[^/\s?#]+(/[^\s?#]*)?$")]
SecretName = Annotated[str, Field(pattern=r"^[A-Za-z0-9/_+=.@-]{1,512}$")]
"""Name of a Secrets Manager entry (CreateSecret, Name), never its value."""

SubnetId = Annotated[str, Field(pattern=r"^subnet-[0-9a-f]{8,17}$")]
Zone = Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d[a-z]$")]


def overlapping(networks: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], tuple[str, str]] | None:
    """The first two of `(what it is, CIDR)` that share an address, or None."""
    for i, (name, cidr) in enumerate(networks):
        for other_name, other in networks[i + 1 :]:
            if ipaddress.IPv4Network(cidr).overlaps(ipaddress.IPv4Network(other)):
                return (name, cidr), (other_name, other)
    return None
