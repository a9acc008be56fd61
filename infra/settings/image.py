"""Settings of the workers' image."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field

from infra.settings.section import SecretName, Section

_ECR = re.compile(r"^\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(\.cn)?$")
_NAME = r"[a-z0-9]+([._-]+[a-z0-9]+)*"
_REPOSITORY = rf"^([A-Za-z0-9.-]+(:\d{{1,5}})?/)?{_NAME}(/{_NAME})*$"
_REFERENCE = (
    rf"^([A-Za-z0-9.-]+(:\d{{1,5}})?/)?{_NAME}(/{_NAME})*(:\w[\w.-]{{0,127}})?(@sha256:[0-9a-f]{{64}})?$"
)

BASE_IMAGE = (
    "python:3.11-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b"
)
"""Python 3.11.16 on Debian 12, x86_64 and arm64 (index digest, as published in September 2026)."""


class ImageSettings(Section):
    """The image that brings Python and the dependencies, and no source."""

    repository: Annotated[str, Field(pattern=_REPOSITORY)] = "quay.io/trawler/worker"
    """Where the image is pushed and pulled, without a tag: quay.io, ECR, any registry of the OCI distribution API."""

    base_image: Annotated[str, Field(pattern=_REFERENCE)] = BASE_IMAGE
    """What the Dockerfile builds upon, with the Python of the workers' lock; by digest (`name:tag@sha256:…`) wherever
    the stack is protected."""

    architecture: Literal["x86_64", "arm64"] = "x86_64"
    """The fleet's: one image runs on all of its instance types."""

    verify: bool = True
    """Ask the registry for the tag before anything is changed. A registry that cannot be asked is a warning; a stack on
    stand-ins asks only a registry of this machine."""

    pull_secret: SecretName | None = None
    """Secrets Manager entry with the agents' credentials for a private registry: a Docker `config.json` with `auths`.
    ECR needs none, the agents' role is its credential."""

    @property
    def ecr_registry(self) -> str | None:
        """Host of the repository's registry where that is Amazon ECR: agents pull from it by their role."""
        host = self.repository.partition("/")[0]
        return host if _ECR.match(host) else None
