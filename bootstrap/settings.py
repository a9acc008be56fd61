"""Typed, validated configuration of the bootstrap: the only reader of its `pulumi.Config`."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

import pulumi
from pulumi.runtime.config import CONFIG, get_config_env
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from bootstrap.errors import SettingsError

NAMESPACE = "trawler-bootstrap"
FILE = "bootstrap/Pulumi.main.yaml"

ROLE_NAME_LIMIT = 64
"""Characters of a role's name (IAM User Guide, IAM and AWS STS quotas)."""

_FORMS = {
    "account": 'twelve digits, in quotes: "123456789012"',
    "repository": "OWNER/REPOSITORY as in the repository's URL on github.com",
    "stacks": "names of Pulumi stacks, such as [dev, prod]: lower case letters, digits and '-'",
    "admins": "ARNs of users or roles, such as arn:aws:iam::123456789012:user/alice; never a wildcard",
    "mainBranch": "a branch's name without refs/heads/",
    "domain": "the private DNS zone below which the stacks' names are, such as trawler.internal",
    "stateBucket": "a bucket name: 3 to 63 lower case letters, digits and '-'",
}

Account = Annotated[str, Field(pattern=r"^\d{12}$")]
Principal = Annotated[str, Field(pattern=r"^arn:aws:iam::\d{12}:(user|role)/[A-Za-z0-9+=,.@_/-]+$")]
StackName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,38}[a-z0-9]$")]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel)


class RepositoryIds(_Section):
    """The numbers that stand for owner and repository, whatever they are called later."""

    owner: Annotated[int, Field(ge=1)]
    """Number of the owner: `gh api repos/OWNER/REPOSITORY --jq .owner.id`."""

    repository: Annotated[int, Field(ge=1)]
    """Number of the repository: `gh api repos/OWNER/REPOSITORY --jq .id`."""


class Settings(_Section):
    """One account."""

    account: Account
    """The account's number; the program refuses to run in any other."""

    # GitHub's own limits: an owner's name has 39 characters, a repository's 100.
    repository: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9](?:[A-Za-z0-9-]{0,37}[A-Za-z0-9])?/[A-Za-z0-9._-]{1,100}$")
    ]
    """The repository on github.com whose workflows preview and deploy, `OWNER/REPOSITORY`."""

    repository_ids: RepositoryIds | None = None
    """Numbers of owner and repository, where GitHub puts them into the token's subject."""

    stacks: Annotated[list[StackName], Field(min_length=1, max_length=8)]
    """Environments, each with a deploy role of its own; a GitHub environment has the same name."""

    admins: Annotated[list[Principal], Field(min_length=1, max_length=20)]
    """Users or roles of the account that may become the break-glass administrator, with MFA."""

    main_branch: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,99}$")] = "main"
    """The branch whose scheduled workflows look for drift."""

    domain: Annotated[str, Field(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$")] = "trawler.internal"
    """Private DNS zone of the stacks (`cluster.domain` of their files): a deploy role writes names below it only."""

    oidc_provider: Literal["create", "existing"] = "create"
    """GitHub's identity provider; `existing` where the account has it already: there can be but one."""

    boundary: bool = True
    """Make a permissions boundary, and let deploy roles make only roles that carry it."""

    state_bucket: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$")] | None = None
    """Name of the state bucket. Default: `trawler-state-<account>-<region>`."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if len(set(self.stacks)) != len(self.stacks):
            raise ValueError(f"stacks names a stack twice: {', '.join(self.stacks)}")
        for stack in self.stacks:
            longer = [other for other in self.stacks if other.startswith(f"{stack}-")]
            if longer:
                raise ValueError(
                    f"stacks: the role of '{stack}' would reach '{longer[0]}', whose names begin the same; "
                    "rename one of them"
                )
        strangers = [arn for arn in self.admins if arn.split(":")[4] != self.account]
        if strangers:
            raise ValueError(f"admins: {strangers[0]} is not of account {self.account}")
        return self


def load() -> tuple[Settings, str]:
    """Settings and region of the account that is being prepared.

    Raises:
        SettingsError: a key is unknown, missing or wrong; every such key is named in one text.
    """
    return parse({**get_config_env(), **CONFIG.get()}, pulumi.get_project())


def parse(config: Mapping[str, str], namespace: str = NAMESPACE) -> tuple[Settings, str]:
    """Settings and region from raw configuration.

    Args:
        config: full key (`trawler-bootstrap:stacks`) → text; structured values are JSON text.
        namespace: of the keys that are ours.

    Raises:
        SettingsError: see `load`.
    """
    values: dict[str, Any] = {}
    for key, text in config.items():
        space, _, name = key.partition(":")
        if space == namespace:
            # Only these are structured: an account's number must stay text.
            values[name] = _decoded(text) if text[:1] in "[{tf" else text
    lines: list[str] = []
    try:
        settings = Settings.model_validate(values)
    except ValidationError as e:
        lines += [_explained(dict(error), namespace) for error in e.errors(include_url=False)]
        raise _refused(lines) from None
    region = config.get("aws:region")
    if not region:
        raise _refused(["aws:region: missing; set it with `pulumi config set aws:region us-east-1`"])
    return settings, region


def _refused(lines: list[str]) -> SettingsError:
    return SettingsError(f"{FILE} is not valid:\n" + "\n".join(f"  {line}" for line in lines))


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _explained(error: Mapping[str, Any], namespace: str) -> str:
    path = [str(part) for part in error["loc"]]
    key = f"{namespace}:" + ".".join(path)
    known = [field.alias or name for name, field in Settings.model_fields.items()]
    match error["type"]:
        case "extra_forbidden":
            close = difflib.get_close_matches(path[-1], known, n=1, cutoff=0.5)
            return f"{key}: unknown key; " + (
                f"did you mean '{close[0]}'?" if close else f"the keys are {', '.join(known)}"
            )
        case "missing":
            return f"{key}: missing; it is {_FORMS.get(path[-1], 'needed')}"
        case "value_error":
            return f"{namespace}: {error['ctx']['error']}"
        case "string_pattern_mismatch" if path[0] in _FORMS:
            return f"{key}: '{error['input']}' is not {_FORMS[path[0]]}"
        case _:
            return f"{key}: {error['msg']} (given: {error['input']!r})"
