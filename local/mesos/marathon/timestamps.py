"""Marathon's timestamps: UTC, three fraction digits and a Z."""

import re
from datetime import UTC, datetime, timedelta

from local.mesos.marathon.errors import IllegalArgumentError

_SHAPE = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$")


def text_of(moment: datetime) -> str:
    """``2021-07-27T09:08:07.123Z``; clients refuse offsets and finer fractions."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def now() -> datetime:
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def now_text() -> str:
    return text_of(now())


def canonical(text: str) -> str:
    """The same moment with exactly three fraction digits.

    Raises:
        IllegalArgumentError: ``text`` is no UTC timestamp.
    """
    if not _SHAPE.match(text):
        raise IllegalArgumentError(
            f'Invalid format: "{text}"; expected a timestamp like 2021-07-27T09:08:07.123Z'
        )
    whole, _, fraction = text[:-1].partition(".")
    try:
        datetime.fromisoformat(whole)
    except ValueError:
        raise IllegalArgumentError(f'Invalid format: "{text}"; no such date') from None
    return f"{whole}.{(fraction + '000')[:3]}Z"


class VersionClock:
    """Gives every change of the app tree a version of its own, later than all before.

    Args:
        after: the latest version given by an earlier clock, None for none.
    """

    def __init__(self, after: str | None = None) -> None:
        self._last = datetime.fromisoformat(after) if after else datetime.fromtimestamp(0, UTC)

    def next(self) -> str:
        self._last = max(now(), self._last + timedelta(milliseconds=1))
        return text_of(self._last)
