"""The worker image's tag: it changes exactly when what the image is made of does.

`python -m infra.image` prints it for the default settings, for whoever builds the image.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from infra.settings import ImageSettings

TAG_LENGTH = 16


def tag(workers: Path, settings: ImageSettings) -> str:
    """First 16 hex digits of a SHA-256 over Dockerfile, lock, base image and architecture.

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


if __name__ == "__main__":
    print(tag(Path("workers"), ImageSettings()))
