"""The list of cases where moto is not AWS, from `catalogue.toml`."""

from __future__ import annotations

import tomllib
from enum import StrEnum
from functools import cache
from importlib import resources

import msgspec


class Answer(StrEnum):
    """What the local stack does about a difference."""

    MADE_GOOD = "made good"
    """It behaves as AWS does."""
    REFUSED = "refused"
    """What AWS would refuse is refused, in the preview where the inputs alone show it."""
    NOTED = "noted"
    """It stays different; a warning says so beside the resource where that matters."""


class Difference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One case."""

    moto: str
    aws: str
    answer: Answer
    where: str
    """The module that answers, below local/aws."""
    source: str = ""
    """Where AWS says so; the service's API reference when empty."""


@cache
def catalogue() -> dict[str, Difference]:
    """The cases by key."""
    text = resources.files("local.aws.differences").joinpath("catalogue.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), dict[str, Difference])
