"""Examples of the rules on images, volumes, fetching and variables."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.infra.lint.example import ABSENT, FACTS, Examples, breaks, container, keeps, volume

RELEASE = {"uri": "${release_uri}"}
DIGEST = "0123456789abcdef" * 4
WORKDIR = {"key": "workdir", "value": "/var/app"}

EXAMPLES: Examples = {
    "container-image": (
        [
            breaks("/container", container=ABSENT),
            breaks("/container/docker", container={"type": "DOCKER"}),
            breaks("/container/type", container={"type": "MESOS", "docker": {"image": "${image}"}}),
        ],
        [keeps()],
    ),
    "image-tag": (
        [
            breaks(
                "/container/docker/image", "has the tag latest", container=container(image="python:latest")
            ),
            breaks("/container/docker/image", "python has no tag", container=container(image="python")),
            breaks(
                "/container/docker/image",
                "has no tag",
                container=container(image="registry.invalid:5000/python"),
            ),
        ],
        [
            keeps(container=container(image="registry.invalid:5000/python:3.11")),
            keeps(container=container(image=f"python@sha256:{DIGEST}")),
        ],
    ),
    "image-pull": (
        [breaks("/container/docker/forcePullImage", container=container(forcePullImage=True))],
        [keeps(container=container(forcePullImage=False))],
    ),
    "container-privileged": (
        [breaks("/container/docker/privileged", container=container(privileged=True))],
        [keeps(container=container(privileged=False))],
    ),
    "docker-parameter": (
        [
            breaks(
                "/container/docker/parameters/1/key",
                says,
                container=container(parameters=[WORKDIR, {"key": key, "value": "x"}]),
            )
            for key, says in (("--init", "write 'init'"), ("memory", "Mesos itself"), ("cap-add", "walls"))
        ],
        [keeps(container=container(parameters=[WORKDIR, {"key": "init", "value": "true"}]))],
    ),
    "workdir": (
        [
            breaks("/container/docker/parameters", '"value": "/var/app"', container=container(parameters=[])),
            breaks(
                "/container/docker/parameters/0/value",
                container=container(parameters=[{"key": "workdir", "value": "/var/application"}]),
            ),
        ],
        [
            keeps(container=container(parameters=[{"key": "workdir", "value": "/var/app/crawler"}])),
            keeps(container=container(parameters=[], volumes=[])),
        ],
    ),
    "host-path": (
        [
            breaks("/container/volumes/0/hostPath", container=container(volumes=[volume("/etc")])),
            breaks("/container/volumes/0/hostPath", container=container(volumes=[volume("app/../..")])),
        ],
        [keeps(container=container(volumes=[volume("app/crawler")]))],
    ),
    "host-path-fetched": (
        [
            breaks(
                "/container/volumes/0/hostPath", "write app", container=container(volumes=[volume("code")])
            ),
            breaks("/container/volumes/0/hostPath", "nothing is fetched", fetch=ABSENT),
        ],
        [keeps(container=container(volumes=[], parameters=[]), fetch=ABSENT)],
    ),
    "container-path": (
        [
            breaks(
                "/container/volumes/0/containerPath",
                "both paths are relative",
                container=container(volumes=[volume("app", "code")]),
            ),
            breaks(
                "/container/volumes/1/containerPath",
                "mounted twice",
                container=container(volumes=[volume(), volume("app/a", "/var/app/")]),
            ),
            breaks(
                "/container/volumes/0/containerPath",
                container=container(volumes=[volume("app", "/mnt/mesos/sandbox")]),
            ),
        ],
        [keeps(container=container(volumes=[volume(), volume("app/a", "/var/a")]))],
    ),
    "uri-query": (
        [
            breaks(
                "/fetch/1/uri",
                "a query string",
                fetch=[RELEASE, {"uri": f"https://a.invalid/{DIGEST}.zip?X-Amz=1"}],
            ),
            breaks("/fetch/0/uri", "a fragment", fetch=[{"uri": f"https://a.invalid/{DIGEST}.zip#a"}]),
        ],
        [keeps(fetch=[{"uri": f"https://a.invalid/{DIGEST}.zip"}])],
    ),
    "uri-scheme": (
        [
            breaks("/fetch/0/uri", "'s3'", fetch=[{"uri": f"s3://bucket/{DIGEST}.zip"}]),
            breaks("/fetch/0/uri", fetch=[{"uri": f"/srv/{DIGEST}.zip"}]),
            breaks("/fetch/0/uri", "quotation mark", fetch=[{"uri": f"https://a.invalid/it's/{DIGEST}.zip"}]),
        ],
        [keeps()],
    ),
    "uri-encrypted": (
        [breaks("/fetch/0/uri", fetch=[{"uri": f"http://a.invalid/{DIGEST}.zip"}])],
        [keeps(fetch=[{"uri": f"https://a.invalid/{DIGEST}.zip"}])],
    ),
    "uri-credential": (
        [breaks("/fetch/0/uri", fetch=[{"uri": f"https://me:secret@a.invalid/{DIGEST}.zip"}])],
        [keeps(fetch=[{"uri": f"https://a.invalid/@me/{DIGEST}.zip"}])],
    ),
    "fetch-extract": (
        [
            breaks(
                "/fetch/1", "'model.rar'", fetch=[RELEASE, {"uri": f"https://a.invalid/{DIGEST}/model.rar"}]
            ),
            breaks(
                "/fetch/1",
                "'m.bin'",
                fetch=[RELEASE, {"uri": f"https://a.invalid/{DIGEST}.zip", "destPath": "m.bin"}],
            ),
            breaks(
                "/fetch/1/extract",
                fetch=[
                    RELEASE,
                    {"uri": f"https://a.invalid/{DIGEST}/a.zip", "executable": True, "extract": True},
                ],
            ),
        ],
        [
            keeps(fetch=[RELEASE, {"uri": f"https://a.invalid/{DIGEST}/model.rar", "extract": False}]),
            keeps(fetch=[RELEASE, {"uri": f"https://a.invalid/{DIGEST}", "destPath": "a.tar.xz"}]),
            keeps(fetch=[RELEASE, {"uri": f"https://a.invalid/{DIGEST}/tool", "executable": True}]),
        ],
    ),
    "fetch-cache": (
        [breaks("/fetch/1/cache", fetch=[RELEASE, {"uri": "https://a.invalid/newest.zip", "cache": True}])],
        [keeps(fetch=[{**RELEASE, "cache": True}])],
    ),
    "fetch-pinned": (
        [breaks("/fetch/1/uri", fetch=[RELEASE, {"uri": "https://a.invalid/newest.zip"}])],
        [keeps(fetch=[RELEASE, {"uri": f"https://a.invalid/{DIGEST}.zip"}])],
    ),
    "fetch-place": (
        [
            breaks("/fetch/0/destPath", "not inside", fetch=[{**RELEASE, "destPath": "/srv/a.zip"}]),
            breaks("/fetch/0/destPath", "root all the same", fetch=[{**RELEASE, "destPath": "data/a.zip"}]),
            breaks(
                "/fetch/1",
                "over an earlier one",
                fetch=[
                    {"uri": f"https://a.invalid/{DIGEST}/a.zip"},
                    {"uri": f"https://b.invalid/{DIGEST}/a.zip"},
                ],
            ),
        ],
        [
            keeps(
                fetch=[
                    {"uri": f"https://a.invalid/{DIGEST}/a.zip"},
                    {"uri": f"https://b.invalid/{DIGEST}/a.zip", "destPath": "b.zip"},
                ]
            ),
            keeps(
                fetch=[
                    RELEASE,
                    {"uri": f"https://a.invalid/{DIGEST}/a", "extract": False, "destPath": "data/a"},
                ]
            ),
        ],
    ),
    "env-name": (
        [
            breaks("/env/A=B", env={"A=B": "c"}),
            breaks("/env/a~1b", env={"a/b": "c"}),
            breaks("/env/1A", env={"1A": ""}),
        ],
        [keeps(env={"_a1": "b=c"})],
    ),
    "env-reserved": (
        [
            breaks(f"/env/{name}", env={name: "a"})
            for name in ("MESOS_SANDBOX", "MARATHON_APP_ID", "PORT0", "HOST")
        ],
        [keeps(env={"HOSTS": "a", "TRAWLER_PORT": "1", "MESOSPHERE": "a"})],
    ),
    "credential": (
        [
            breaks("/env/DB_PASSWORD", env={"DB_PASSWORD": "hunter22"}),
            breaks("/env/AWS_ACCESS_KEY_ID", env={"AWS_ACCESS_KEY_ID": "x"}),
            breaks("/env/A", env={"A": "AKIA" + "ABCDEFGHIJKLMNOP"}),
            breaks("/env/A", env={"A": "amqp://me:hunter22@mq.invalid/"}),
            breaks("/labels/token", labels={"token": "hunter22"}),
            breaks("/cmd", cmd="exec a --key '-----BEGIN RSA " + "PRIVATE KEY-----'"),
        ],
        [
            keeps(
                env={"DB_PASSWORD": "${queue_url}", "DB_PASSWORD_FILE": "/run/a", "TOKEN": "", "KEYS": "a"}
            ),
            keeps(env={"SECRET_NAME": "trawler/prod/db", "PROXY": "http://proxy.invalid:3128/"}),
        ],
    ),
    "secrets-feature": (
        [breaks("/secrets", secrets={"db": {"source": "db"}}, env={"A": {"secret": "db"}})],
        [
            keeps(
                replace(FACTS, secrets=None),
                secrets={"db": {"source": "db"}},
                env={"DB_PASSWORD": {"secret": "db"}},
            )
        ],
    ),
    "secret-reference": (
        [
            breaks("/env/A", "'db' is no key", env={"A": {"secret": "db"}}),
            breaks("/secrets/db", facts=replace(FACTS, secrets=True), secrets={"db": {"sauce": "db"}}),
        ],
        [keeps(replace(FACTS, secrets=True), secrets={"db": {"source": "db"}}, env={"A": {"secret": "db"}})],
    ),
}
