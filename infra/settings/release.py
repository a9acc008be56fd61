"""The release that a stack is held at."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from infra.settings.section import Section


class PinnedRelease(Section):
    """A release that runs whatever the working tree holds: nothing is packed while it is set.

    `trawler rollback` writes it, `trawler unpin` and `trawler deploy --unpin` take it out.
    """

    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """SHA-256 of the release, hex, as in its key in the artifact bucket."""

    image: Annotated[
        str, Field(pattern=r"^[^\s:@]+(:\d+/[^\s:@]+)?(:[\w][\w.-]{0,127})?(@sha256:[0-9a-f]{64})?$")
    ]
    """The image that it ran in, `<repository>:<tag>`."""
