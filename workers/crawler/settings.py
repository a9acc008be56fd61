"""What a worker is told by its environment. Nothing else in the crawler reads `os.environ`.

AWS credentials and endpoints are the SDK's own business (AWS_ENDPOINT_URL_SQS and the like).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from crawler.errors import ConfigError

Stage = Literal["plan", "fetch", "parse", "store"]
STAGES: tuple[Stage, ...] = ("plan", "fetch", "parse", "store")

# A stage needs its own queue and those it sends to.
_QUEUES: dict[Stage, tuple[Stage, ...]] = {
    "plan": ("plan", "fetch"),
    "fetch": ("fetch", "parse"),
    "parse": ("parse", "store"),
    "store": ("store",),
}
_SHOPS = Path(__file__).resolve().parent.parent / "shops"


@dataclass(frozen=True, slots=True)
class Settings:
    """One worker's settings; durations are seconds."""

    stage: Stage
    frontier_table: str
    queue_urls: Mapping[Stage, str] = field(default_factory=dict[Stage, str])
    dead_letter_queue_url: str = ""
    items_table: str = ""
    pages_bucket: str = ""
    user_agent: str = ""
    region: str = ""
    shops_dir: Path = _SHOPS
    private_hosts: frozenset[str] = frozenset()
    """host:port that the guard against private addresses lets through; empty in production."""
    visibility_s: int = 60
    """The queue's visibility timeout: what is held is extended to it every third of it."""
    window: int = 20
    """URLs of a host that may wait in the fetch queue at once, at least."""
    pump_interval_s: float = 2.0
    resend_after_s: float = 60.0
    """A URL queued for longer is sent again."""
    max_attempts: int = 4
    retry_base_s: float = 1.0
    """The n-th retry waits about retry_base_s × 2ⁿ."""
    hosts_at_once: int = 10
    """Hosts one fetch worker holds at the same time."""
    wait_s: int = 5
    """Long poll. SQS allows 20; shorter, so that SIGTERM is answered inside the kill grace period."""

    @property
    def queue_url(self) -> str:
        """The stage's own queue."""
        return self.queue_urls[self.stage]


def _required(environment: Mapping[str, str], name: str, why: str) -> str:
    value = environment.get(name, "").strip()
    if not value:
        raise ConfigError(f"{name} is not set: {why}")
    return value


def _number(environment: Mapping[str, str], name: str, default: float, least: float, most: float) -> float:
    text = environment.get(name, "").strip()
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        raise ConfigError(f"{name}={text!r} is not a number; give one from {least:g} to {most:g}") from None
    if not least <= value <= most:
        raise ConfigError(f"{name}={text} is out of range; give a number from {least:g} to {most:g}")
    return value


def _private_hosts(environment: Mapping[str, str]) -> frozenset[str]:
    hosts = [host.strip().lower() for host in environment.get("TRAWLER_PRIVATE_HOSTS", "").split(",")]
    for host in filter(None, hosts):
        if not re.fullmatch(r"[^\s/@]+:\d{1,5}", host):
            raise ConfigError(f"TRAWLER_PRIVATE_HOSTS: {host!r} is not host:port")
    return frozenset(filter(None, hosts))


def shops_dir(environment: Mapping[str, str]) -> Path:
    """The folder of shop definitions: TRAWLER_SHOPS_DIR, else `shops/` beside the crawler."""
    given = environment.get("TRAWLER_SHOPS_DIR", "").strip()
    return Path(given) if given else _SHOPS


def read_settings(stage: Stage, environment: Mapping[str, str]) -> Settings:
    """Settings of one worker.

    Raises:
        ConfigError: a variable is missing or out of range; the text names it.
    """
    queues: dict[Stage, str] = {
        name: _required(
            environment, f"TRAWLER_{name.upper()}_QUEUE_URL", f"{stage} works with the {name} queue"
        )
        for name in _QUEUES[stage]
    }
    items = stage == "store"
    pages = stage in {"fetch", "parse"}
    return Settings(
        stage=stage,
        queue_urls=queues,
        dead_letter_queue_url=_required(
            environment, "TRAWLER_DEAD_LETTER_QUEUE_URL", f"poison of the {stage} queue ends there"
        ),
        frontier_table=frontier_table(environment),
        items_table=_required(environment, "TRAWLER_ITEMS_TABLE", "items are kept there") if items else "",
        pages_bucket=_required(environment, "TRAWLER_PAGES_BUCKET", "large pages travel through it")
        if pages
        else "",
        user_agent=_required(environment, "TRAWLER_USER_AGENT", "shops must be able to tell who asks")
        if stage == "fetch"
        else "",
        region=region(environment),
        shops_dir=shops_dir(environment),
        private_hosts=_private_hosts(environment),
        visibility_s=int(_number(environment, "TRAWLER_VISIBILITY_S", 60, 2, 43_200)),
        window=int(_number(environment, "TRAWLER_WINDOW", 20, 1, 10_000)),
        pump_interval_s=_number(environment, "TRAWLER_PUMP_INTERVAL_S", 2, 0, 900),
        resend_after_s=_number(environment, "TRAWLER_RESEND_AFTER_S", 60, 1, 86_400),
        max_attempts=int(_number(environment, "TRAWLER_MAX_ATTEMPTS", 4, 1, 100)),
        retry_base_s=_number(environment, "TRAWLER_RETRY_BASE_S", 1, 0, 900),
        hosts_at_once=int(_number(environment, "TRAWLER_HOSTS_AT_ONCE", 10, 1, 1_000)),
        wait_s=int(_number(environment, "TRAWLER_WAIT_S", 5, 0, 20)),
    )


def frontier_table(environment: Mapping[str, str]) -> str:
    """The frontier table's name.

    Raises:
        ConfigError: TRAWLER_FRONTIER_TABLE is not set.
    """
    return _required(environment, "TRAWLER_FRONTIER_TABLE", "the frontier is the crawl's truth")


def region(environment: Mapping[str, str]) -> str:
    """The AWS region.

    Raises:
        ConfigError: neither AWS_REGION nor AWS_DEFAULT_REGION is set.
    """
    given = environment.get("AWS_REGION", "").strip() or environment.get("AWS_DEFAULT_REGION", "").strip()
    if not given:
        raise ConfigError("AWS_REGION is not set: the queues and tables live in one region")
    return given
