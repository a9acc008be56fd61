"""robots.txt: what a host allows, how fast, and where its sitemaps are. Source: RFC 9309; Protego."""

import gzip
import zlib
from dataclasses import dataclass
from functools import cached_property

from protego import Protego

from crawler.frontier.rows import Host

LONGEST = 512 * 1024
"""Bytes read of a robots.txt; RFC 9309 asks for at least 500 KiB."""
_KEPT = 350_000
FRESH_S = 86_400
"""RFC 9309, 2.4: not to be used for more than a day."""
UNREACHABLE_S = 3_600
"""After this long an unreachable robots.txt is asked for again."""
MAX_DELAY_S = 120.0
"""A longer Crawl-delay would outlast every visibility timeout that makes sense."""


@dataclass(frozen=True)
class Robots:
    """One host's rules for one user agent."""

    text: str
    user_agent: str

    @cached_property
    def _rules(self) -> Protego:
        return Protego.parse(self.text)

    def allows(self, url: str) -> bool:
        """Whether the URL may be requested."""
        return self._rules.can_fetch(url, self.user_agent)

    @cached_property
    def delay_s(self) -> float:
        """Crawl-delay or Request-rate, whichever is slower; 0 where neither is given."""
        delay = self._rules.crawl_delay(self.user_agent) or 0.0
        rate = self._rules.request_rate(self.user_agent)
        if rate is not None and rate.requests:
            delay = max(delay, rate.seconds / rate.requests)
        return min(MAX_DELAY_S, float(delay))

    @cached_property
    def sitemaps(self) -> tuple[str, ...]:
        """Absolute URLs of sitemaps it names."""
        return tuple(self._rules.sitemaps)


def compress(text: str) -> bytes:
    """The file as a host's row keeps it; whole lines from its end are left off until it fits."""
    packed = gzip.compress(text.encode(), mtime=0)
    while len(packed) > _KEPT:
        text = text[: len(text) * 3 // 4].rpartition("\n")[0]
        packed = gzip.compress(text.encode(), mtime=0)
    return packed


def rules_of(host: Host, user_agent: str) -> Robots:
    """The rules that a host's row keeps.

    Raises:
        ValueError: the row's bytes are not what `compress` wrote.
    """
    if host.robots is None:
        return Robots("", user_agent)
    try:
        text = zlib.decompressobj(31).decompress(host.robots, 4 * LONGEST).decode()
    except (zlib.error, UnicodeDecodeError) as error:
        raise ValueError(
            f"{host.host}: the robots.txt kept in the frontier cannot be read: {error}"
        ) from error
    return Robots(text, user_agent)
