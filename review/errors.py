"""What can go wrong in a review, by what the caller does about it."""

from __future__ import annotations


class ReviewError(Exception):
    """The review could not be made (exit status 1). The text says what failed, where, and what to do."""


class MisuseError(ReviewError):
    """The review was asked for in a way that cannot work (exit status 2)."""
