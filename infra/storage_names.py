"""Where things are in the artifact bucket."""

from __future__ import annotations

RELEASES = "releases"
"""Prefix of the releases and their records; nothing under it expires, so that a rollback finds its object."""

DEPLOYS = "deploys"
"""Prefix of what was deployed when, a folder a stack; nothing under it expires."""

TARBALL = ".tar.gz"
RECORD = ".json"


def release_key(digest: str) -> str:
    """Object key of a release.

    Args:
        digest: SHA-256 of the tarball, hex.
    """
    return f"{RELEASES}/{digest}{TARBALL}"


def record_key(digest: str) -> str:
    """Object key of the record beside a release. Args as of `release_key`."""
    return f"{RELEASES}/{digest}{RECORD}"
