"""Examples of the rules on a file's form, on names and on commands."""

from __future__ import annotations

from tests.unit.infra.lint.example import ABSENT, Breaks, Examples, Keeps, app, breaks, container, keeps

EXAMPLES: Examples = {
    "json": (
        [
            Breaks("", ['{"id": "/a",\n  oops}'], "line 2"),
            Breaks("", ['{"id": "/a", "cmd": "exec a", "cmd": "exec b"}'], "'cmd' stands twice"),
            Breaks("", ['{"id": "/a", "cpus": NaN}'], "NaN is not a value of JSON"),
            Breaks("", ["[" * 100_000], "not JSON"),
        ],
        [keeps()],
    ),
    "one-app": (
        [
            Breaks("", [[app()]], "is a list"),
            Breaks("", [{"apps": [app()]}], "has no `id`"),
            Breaks("", ["3"]),
        ],
        [keeps()],
    ),
    "unknown-field": (
        [
            breaks("/instnaces", "did you mean 'instances'?", instnaces=1),
            breaks("/container/dokcer", container={**container(), "dokcer": {}}),
            Breaks("/a~1b", [{**app(), "a/b": 1}]),
        ],
        [keeps(killSelection="OLDEST_FIRST")],
    ),
    "legacy-field": (
        [
            breaks("/uris", "write `fetch`", uris=["https://shop.invalid/a.tar.gz"]),
            breaks("/container/docker/network", container=container(network="HOST")),
        ],
        [keeps(networks=[{"mode": "host"}])],
    ),
    "read-only-field": (
        [breaks("/version", version="2026-01-01T00:00:00.000Z"), breaks("/tasksRunning", tasksRunning=1)],
        [keeps(labels={"version": "3"})],
    ),
    "unused-field": (
        [
            breaks("/readinessChecks", readinessChecks=[]),
            breaks(
                "/container/volumes/0/persistent",
                container=container(
                    volumes=[
                        {"containerPath": "a", "hostPath": "app", "mode": "RW", "persistent": {"size": 1}}
                    ]
                ),
            ),
        ],
        [keeps(executor="")],
    ),
    "missing-field": (
        [
            breaks("/container/docker/image", container={"type": "DOCKER", "docker": {}}),
            breaks(
                "/container/volumes/0/hostPath",
                "add `hostPath`",
                container=container(volumes=[{"containerPath": "/var/app", "mode": "RO"}]),
            ),
        ],
        [keeps(labels=ABSENT)],
    ),
    "wrong-type": (
        [
            breaks("/cpus", "'much' is not a number", cpus="much"),
            breaks("/cpus", "'0.5' is not a number", cpus="0.5"),
            breaks("/instances", "2.0 is not a whole number", instances=2.0),
            breaks("/instances", "True is not a whole number", instances=True),
            breaks("/env/A", "1 is not a text", env={"A": 1}),
            breaks("/env/A", "'${fetch_instances}' is a number", env={"A": "${fetch_instances}"}),
            breaks("/instances", "'${queue_url}' is a text", instances="${queue_url}"),
            breaks("/constraints/0/2", "3 is not a text", constraints=[["zone", "MAX_PER", 3]]),
            breaks("/container", "'none' is not an object", container="none", cmd="exec a"),
        ],
        [keeps(instances="${fetch_instances}"), keeps(cpus=1), keeps(env={"A": "${fetch_instances} tasks"})],
    ),
    "out-of-range": (
        [
            breaks("/cmd", "at least 2 characters", cmd="x"),
            breaks("/instances", "0 or more", instances=-1),
            breaks("/backoffFactor", backoffFactor=0.5),
            breaks("/fetch/0/uri", fetch=[{"uri": "https://a.invalid/" + "a" * 1024}]),
            breaks("/constraints/0", "at least 2 entries", constraints=[["zone"]]),
            breaks("/killSelection", killSelection="RANDOM"),
            breaks(
                "/upgradeStrategy/maximumOverCapacity",
                upgradeStrategy={"minimumHealthCapacity": 0, "maximumOverCapacity": 2},
            ),
        ],
        [keeps(cmd=":;exec a"), keeps(instances=0)],
    ),
    "id-grammar": (
        [breaks("/id", id=i) for i in ("/Crawler", "/a_b", "/a//b", "/-a", "/a/", "/a/../b", "", "/a\n")],
        [keeps(id="/shop-1/a.b-2")],
    ),
    "placeholder-unknown": (
        [
            breaks("/env/QUEUE", "did you mean 'queue_url'?", env={"QUEUE": "${queue}"}),
            breaks("/cmd", "write $HOME", cmd="exec a ${HOME}"),
            breaks("/instances", instances="${instances}"),
        ],
        [keeps(cmd="exec a $HOME")],
    ),
    "placeholder-form": (
        [
            breaks("/env/QUEUE", env={"QUEUE": "${queue-url}"}),
            breaks("/env/QUEUE", env={"QUEUE": "${queue_url"}),
            breaks("/labels/${image}", labels={"${image}": "a"}),
        ],
        [keeps(env={"QUEUE": "$queue_url", "B": "a ${queue_url} b"}), keeps(cmd="exec a ${HOME:-/}")],
    ),
    "id-absolute": ([breaks("/id", "write '/crawler/fetch'", id="crawler/fetch")], [keeps(id="/fetch")]),
    "id-reserved": ([breaks("/id", id="/crawler/tasks")], [keeps(id="/tasks/crawler")]),
    "id-once": (
        [Breaks("/id", [app(), app()], "a.json has the id /crawler/fetch already")],
        [Keeps([app(), app(id="/crawler/parse")])],
    ),
    "id-not-a-group": (
        [Breaks("/id", [app(id="/crawler/fetch"), app(id="/crawler")])],
        [Keeps([app(id="/crawler/fetch"), app(id="/craw")])],
    ),
    "dependency-known": (
        [Breaks("/dependencies/0", [app(dependencies=["/crawler/plan"])])],
        [
            Keeps([app(dependencies=["/crawler/plan"]), app(id="/crawler/plan")]),
            Keeps([app(dependencies=["/base"]), app(id="/base/plan")]),
        ],
    ),
    "dependency-cycle": (
        [
            Breaks("/dependencies", [app(dependencies=["/b"]), app(id="/b", dependencies=["/crawler"])]),
            breaks("/dependencies", dependencies=["/crawler/fetch"]),
        ],
        [Keeps([app(dependencies=["/b", "/c"]), app(id="/b", dependencies=["/c"]), app(id="/c")])],
    ),
    "cmd-or-args": (
        [
            breaks("/args", args=["python"]),
            breaks("/cmd", cmd=ABSENT, container=ABSENT),
        ],
        [keeps(cmd=ABSENT, args=["python", "-m", "crawler"]), keeps(cmd=ABSENT)],
    ),
    "cmd-exec": (
        [
            breaks("/cmd", cmd=line)
            for line in (
                "python -m crawler fetch",
                "cd /a && python -m crawler",
                "exec a | tee log",
                "a | exec tee log",
                "exec a &",
                "(exec a)",
                "exec a; b",
                "exec a && b",
                "exec",
                "while true; do exec a; done",
                "echo 'exec a'",
                "exec >log",
                "exec > log 2>&1",
                "python\n",
                "echo 'open",
            )
        ],
        [
            keeps(cmd=line)
            for line in (
                "cd /var/app && exec python -m crawler fetch",
                "export A=b; exec a",
                "set -e\nexec a --name 'x && y'",
                "exec a || exit 1",
                "exec a;",
                "exec a > log 2>&1",
                "exec 2>&1; exec a",
                "exec 2> log a",
                "A=b exec a",
                'exec sh -c "a; b"',
            )
        ],
    ),
    "kill-grace": (
        [
            breaks("/taskKillGracePeriodSeconds", "is 9 s", taskKillGracePeriodSeconds=9),
            breaks("/taskKillGracePeriodSeconds", "is absent", taskKillGracePeriodSeconds=ABSENT),
        ],
        [keeps(taskKillGracePeriodSeconds=10)],
    ),
    "kill-grace-kept": (
        [breaks("/taskKillGracePeriodSeconds", taskKillGracePeriodSeconds=46)],
        [keeps(taskKillGracePeriodSeconds=45)],
    ),
}
