"""Checks of what runs on the environment: Marathon, its apps, and a crawl."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from infra.marathon.client import MarathonError
from ops.smoke.findings import FailedCheck, NotHere
from ops.smoke.site import Site
from ops.stack_file import ROOT

CALL_TIMEOUT_S = 120.0


def marathon_answers(site: Site) -> str:
    """Marathon is reached, with the credentials of the stack."""
    try:
        apps = site.marathon.apps()
    except MarathonError as e:
        raise FailedCheck(
            str(e), "aws ssm start-session to a master: systemctl status marathon; see docs/cluster.md"
        ) from None
    return f"{len(apps)} apps"


def apps_run(site: Site) -> str:
    """Every app of the stack has all of its tasks running, which takes agents that registered and could fetch."""
    wanted: list[str] = site.output("apps")

    def look() -> list[dict[str, Any]] | None:
        apps = [site.marathon.app(name) for name in wanted]
        return apps if all(app["tasksRunning"] >= app["instances"] for app in apps) else None

    apps = site.pace.until(look, site.timeout_s)
    if apps is None:
        short = [
            f"{app['id']} {app['tasksRunning']} of {app['instances']}{_failure(app)}"
            for app in (site.marathon.app(name) for name in wanted)
            if app["tasksRunning"] < app["instances"]
        ]
        raise FailedCheck(
            "; ".join(short), "no offers: do agents register? else the sandbox of the last failure"
        )
    hosts = {task["host"] for app in apps for task in app.get("tasks", [])}
    return f"{sum(app['tasksRunning'] for app in apps)} tasks on {len(hosts)} agents"


def a_crawl_ends(site: Site) -> str:
    """A crawl of one shop comes to its end, and pages were done."""
    if site.shop is None:
        raise NotHere("no shop was named: --shop NAME crawls one, which asks its pages of whoever runs it")
    before = _status(site)
    _crawler(site, "start", site.shop)

    def look() -> dict[str, Any] | None:
        now = _status(site)
        new = now is not None and (before is None or now["crawl"] != before["crawl"])
        return now if new and now and now["finished_at"] is not None else None

    crawl = site.pace.until(look, site.timeout_s)
    if crawl is None:
        raise FailedCheck(
            f"the crawl of {site.shop} has not ended after {site.timeout_s:.0f} s: {_status(site)}",
            "a large shop takes longer; else the workers' logs",
        )
    if not crawl.get("done"):
        raise FailedCheck(f"no page was done: {crawl}", "the fetch worker's log says what the shop answered")
    return f"{crawl['crawl']}: {crawl['done']} pages done, {crawl.get('dead', 0)} dead"


def _failure(app: dict[str, Any]) -> str:
    failure = app.get("lastTaskFailure")
    return f" (last failure: {failure['message']})" if failure else ""


def _status(site: Site) -> dict[str, Any] | None:
    return json.loads(_crawler(site, "status")).get(site.shop)


def _crawler(site: Site, *arguments: str) -> str:
    """The crawler's own command line, on the stack's frontier."""
    environment = {
        **os.environ,
        "TRAWLER_FRONTIER_TABLE": site.output("frontierTable"),
        "TRAWLER_SHOPS_DIR": str((ROOT / site.file.setting("shops", "workers/shops")).resolve()),
        "AWS_REGION": site.file.connection.region,
        "AWS_DEFAULT_REGION": site.file.connection.region,
    }
    if site.file.connection.profile:
        environment["AWS_PROFILE"] = site.file.connection.profile
    try:
        answer = subprocess.run(
            [sys.executable, "-m", "crawler", *arguments],
            cwd=ROOT / "workers",
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=CALL_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise FailedCheck(
            f"crawler {arguments[0]}: not done in {CALL_TIMEOUT_S:.0f} s", "try again"
        ) from None
    if answer.returncode != 0:
        raise FailedCheck(
            f"crawler {' '.join(arguments)}: {answer.stderr.strip()[-500:]}", "see what it says"
        )
    return answer.stdout
