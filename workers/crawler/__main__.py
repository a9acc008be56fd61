"""`python -m crawler`: a worker of one stage, or a small command about shops and crawls."""

import argparse
import json
import os
import sys
import time
from pathlib import Path

from crawler.errors import ConfigError
from crawler.settings import STAGES, Settings, Stage, frontier_table, read_settings, region, shops_dir

_STAGES: dict[str, Stage] = {stage: stage for stage in STAGES}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m crawler", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for stage, text in (
        ("plan", "start crawls that are due and feed the fetch queue"),
        ("fetch", "request pages"),
        ("parse", "read links and items from pages"),
        ("store", "keep items"),
    ):
        commands.add_parser(stage, help=f"run a worker: {text}")
    check = commands.add_parser("check", help="check the shop definitions")
    check.add_argument("--shops", type=Path, default=None, help="their folder (default: TRAWLER_SHOPS_DIR)")
    start = commands.add_parser("start", help="make crawls due now")
    start.add_argument("shop", nargs="+")
    commands.add_parser("status", help="the last crawl of each shop, as JSON")
    return parser


def _check(folder: Path) -> int:
    from crawler.shops import read_shop  # noqa: PLC0415 - a worker's stage decides what is imported

    paths = sorted(folder.glob("*.toml"))
    if not paths:
        raise ConfigError(
            f"{folder}: no shop definitions (*.toml) there; set TRAWLER_SHOPS_DIR or give --shops"
        )
    faults: list[str] = []
    for path in paths:
        try:
            read_shop(path)
        except ConfigError as error:
            faults.append(str(error))
    for fault in faults:
        print(fault, file=sys.stderr)
    if not faults:
        print(f"{len(paths)} shop definitions are right")
    return 2 if faults else 0


def _start(names: list[str]) -> int:
    from crawler.shops import read_shops  # noqa: PLC0415
    from crawler.worker import Clients, crawls_of  # noqa: PLC0415

    shops = read_shops(shops_dir(os.environ), selectors=False)
    unknown = [name for name in names if name not in shops]
    if unknown:
        raise ConfigError(f"no shop named {unknown[0]!r}; known are {', '.join(shops) or 'none'}")
    crawls = crawls_of(Clients(region(os.environ)), frontier_table(os.environ))
    schedules = crawls.schedules(names)
    for name in names:
        crawl = schedules[name].crawl
        crawls.request(name, time.time())
        busy = crawl is not None and crawl.finished_at is None
        print(f"{name}: due {f'as soon as {crawl.id} is finished' if busy and crawl else 'now'}")
    return 0


def _status() -> int:
    from crawler.shops import read_shops  # noqa: PLC0415
    from crawler.worker import Clients, crawls_of  # noqa: PLC0415

    shops = read_shops(shops_dir(os.environ), selectors=False)
    crawls = crawls_of(Clients(region(os.environ)), frontier_table(os.environ))
    answer: dict[str, object] = {}
    for name, schedule in crawls.schedules(shops).items():
        crawl = schedule.crawl
        answer[name] = crawl and {
            "crawl": crawl.id,
            "started_at": crawl.started_at,
            "finished_at": crawl.finished_at,
            **crawl.counters,
        }
    print(json.dumps(answer, indent=2))
    return 0


def _work(settings: Settings) -> int:
    from crawler import log, worker  # noqa: PLC0415

    log.configure(settings.stage)
    worker.main(settings)
    return 0


def main(arguments: list[str] | None = None) -> int:
    """The exit code: 0 done, 1 failed, 2 misused."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "check":
            return _check(options.shops or shops_dir(os.environ))
        if options.command == "start":
            return _start(options.shop)
        if options.command == "status":
            return _status()
        return _work(read_settings(_STAGES[options.command], os.environ))
    except ConfigError as error:
        print(f"crawler {options.command}: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
