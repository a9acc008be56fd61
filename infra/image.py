"""The worker image's name, which changes exactly when what the image is made of does, and whether it is there.

`python -m infra.image` prints tag, whole name and base image for the default settings.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from infra import registry
from infra.aws_connection import AwsConnection
from infra.errors import ImageError
from infra.settings import ImageSettings

TAG_LENGTH = 16


def tag(workers: Path, settings: ImageSettings) -> str:
    """First 16 hex digits of a SHA-256 over Dockerfile, lock, base image and architecture.

    The base image counts as it is written in the settings: by its digest where they name one. (Asking a registry for
    it would need a network, and give another answer tomorrow.)

    Args:
        workers: the `workers/` folder.
        settings: base image and architecture.

    Raises:
        OSError: `Dockerfile` or `requirements.lock` is missing.
    """
    digest = hashlib.sha256()
    parts = [
        (workers / "Dockerfile").read_bytes(),
        (workers / "requirements.lock").read_bytes(),
        settings.base_image.encode(),
        settings.architecture.encode(),
    ]
    for part in parts:
        # Lengths first, so that no two different lists of parts read the same.
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()[:TAG_LENGTH]


def reference(workers: Path, settings: ImageSettings) -> str:
    """`<repository>:<tag>`, as Docker pulls it."""
    return f"{settings.repository}:{tag(workers, settings)}"


def require(
    image: str,
    settings: ImageSettings,
    connection: AwsConnection,
    stack: str,
    warn: Callable[[str], object],
    *,
    pinned: bool = False,
) -> None:
    """The registry has the image, or could not be asked, which is told as a warning.

    A stack on stand-ins (it sets endpoints of its own) asks only a registry of this machine: it needs no network.

    Args:
        image: `<repository>:<tag>`.
        settings: whether to ask at all.
        connection: of the stack, for ECR.
        stack: the stack's name, for the text.
        warn: called with the warning.
        pinned: the stack is held at an earlier release, which says the image.

    Raises:
        ImageError: the registry lacks the tag.
    """
    wanted = registry.Reference.parse(image)
    if not settings.verify or (connection.endpoints and not wanted.is_loopback):
        return
    match registry.look_up(image, connection.profile):
        case registry.Present():
            return
        case registry.Unknown(why):
            warn(
                f"whether the image {image} is there is not known: {why}. Without it no new task starts, and the old "
                "ones go on"
            )
        case registry.Absent():
            raise ImageError(_absent(image, settings, stack, pinned=pinned))


def _absent(image: str, settings: ImageSettings, stack: str, *, pinned: bool) -> str:
    if pinned:
        return (
            f"the image {image} is not in its registry, and trawler:release holds stack {stack} at a release that runs "
            "in it. Push it again, choose another release (`make releases`), or let go of this one (`make deploy "
            f"STACK={stack} FLAGS=--unpin`). Nothing was changed"
        )
    return (
        f"the image {image} is not in its registry: no task could start. The tag is made of workers/Dockerfile, "
        f"workers/requirements.lock, the base image {settings.base_image} and the architecture "
        f"{settings.architecture}; one of them changed, and nobody has built that image yet. Build and push it: "
        f"`make image STACK={stack}`, or push this commit to the branch `dockerbuild`. Nothing was changed"
    )


if __name__ == "__main__":
    _settings = ImageSettings()
    print(tag(Path("workers"), _settings), reference(Path("workers"), _settings), _settings.base_image)
