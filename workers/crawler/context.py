"""What a handler may read. It writes nothing: effects are what it answers."""

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from crawler.frontier.crawls import Crawls
from crawler.frontier.rows import Host
from crawler.http import Client
from crawler.pages import Pages
from crawler.robots import Robots, rules_of
from crawler.settings import Settings
from crawler.shops import Shop

_CACHED_S = 300.0


def backoff(base_s: float, attempts: int, chance: float, limit_s: float = 900.0) -> float:
    """Seconds before the next attempt: base × 2ⁿ, a quarter more or less, at most `limit_s`.

    Args:
        base_s: the first wait.
        attempts: attempts already made, n.
        chance: a random number in [0, 1).
    """
    return min(limit_s, base_s * 2 ** min(attempts, 20)) * (0.75 + chance / 2)


@dataclass
class Context:
    """One worker's view of the world."""

    settings: Settings
    shops: Mapping[str, Shop]
    crawls: Crawls
    client: Client | None = None
    """Only fetch has one."""
    pages: Pages | None = None
    """Only fetch and parse have one."""
    now: Callable[[], float] = time.time
    """Epoch seconds."""
    chance: Callable[[], float] = random.random
    _hosts: dict[str, tuple[float, Host, Robots]] = field(
        default_factory=dict[str, tuple[float, Host, Robots]]
    )

    async def robots(self, host: str) -> tuple[Host, Robots] | None:
        """What is known of a host; None where its robots.txt must be asked for (again).

        Read from the frontier at most once in five minutes a host.
        """
        now = self.now()
        cached = self._hosts.get(host)
        if cached is not None and now < cached[0] and now < cached[1].expires_at:
            return cached[1], cached[2]
        known = await asyncio.to_thread(self.crawls.host, host)
        if known is None or known.expires_at <= now:
            self._hosts.pop(host, None)
            return None
        rules = rules_of(known, self.settings.user_agent)
        self._hosts[host] = (now + _CACHED_S, known, rules)
        return known, rules

    def backoff(self, attempts: int) -> float:
        """Seconds before the attempt after the given number of them."""
        return backoff(self.settings.retry_base_s, attempts, self.chance())
