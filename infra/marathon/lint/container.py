"""The image, and what of the machine and the sandbox the container sees."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from infra.marathon.app_fields import PLACEHOLDER, Docker, Volume
from infra.marathon.lint.facts import RELEASE_FOLDER, Facts
from infra.marathon.lint.rule import App, AppRule, Found, Rule

SANDBOX = "/mnt/mesos/sandbox"
"""Where every container sees its sandbox (Apache Mesos, Agent Configuration, --sandbox_directory)."""

_DOCKER = "Apache Mesos, src/docker/docker.cpp, Docker::RunOptions::create"
_RIGHTS = frozenset(
    {
        *("privileged", "cap-add", "security-opt", "group-add", "runtime", "device", "device-cgroup-rule"),
        *("pid", "ipc", "uts", "userns", "cgroupns", "cgroup-parent", "volume", "v", "mount", "volumes-from"),
    }
)
"""Options that give a container a part of the machine."""

_MARATHONS = frozenset(
    {
        *("name", "net", "network", "publish", "p", "entrypoint", "env-file", "label", "l"),
        *("cpu-shares", "c", "memory", "m"),
    }
)
"""Options that Mesos makes of an app's other fields."""


def _docker(app: App) -> Docker | None:
    return app.app.container.docker if app.app.container else None


def _image(app: App, _: Facts) -> Iterator[Found]:
    container = app.app.container
    if container is None:
        yield Found("/container", "there is no container", "name an image below `container`")
    elif container.type == "MESOS":
        yield Found("/container/type", "is MESOS, but the agents run Docker containers only", "write DOCKER")
    elif container.docker is None:
        yield Found("/container/docker", "is missing", "name an image in it")


def _tag(app: App, _: Facts) -> Iterator[Found]:
    docker = _docker(app)
    if docker is None or PLACEHOLDER.search(docker.image) or "@sha256:" in docker.image:
        return
    name, colon, tag = docker.image.rpartition(":")
    if not colon or "/" in tag:
        name, tag = docker.image, "latest"
    if tag == "latest":
        what = f"{name} has " + (
            "the tag latest" if colon and "/" not in docker.image.rpartition(":")[2] else "no tag"
        )
        yield Found("/container/docker/image", what, "write ${image}, or a tag or digest that is never moved")


def _pull(app: App, _: Facts) -> Iterator[Found]:
    docker = _docker(app)
    if docker and docker.forcePullImage:
        what = "asks the registry at every start, though a tag's content never changes"
        yield Found("/container/docker/forcePullImage", what, "write false")


def _privileged(app: App, _: Facts) -> Iterator[Found]:
    docker = _docker(app)
    if docker and docker.privileged:
        yield Found("/container/docker/privileged", "gives the task the whole machine", "write false")


def _parameters(app: App, _: Facts) -> Iterator[Found]:
    docker = _docker(app)
    for i, parameter in enumerate(docker.parameters if docker else []):
        key, where = parameter.key, f"/container/docker/parameters/{i}"
        if key.startswith("-"):
            yield Found(f"{where}/key", f"'{key}' would become --{key}", f"write '{key.lstrip('-')}'")
        elif key in _MARATHONS:
            yield Found(f"{where}/key", f"'{key}' is what Mesos itself sets from other fields", "remove it")
        elif key in _RIGHTS:
            yield Found(f"{where}/key", f"'{key}' takes the container's walls down", "remove it")


def _workdir(app: App, _: Facts) -> Iterator[Found]:
    container = app.app.container
    if container is None or container.docker is None:
        return
    mounts = [v.containerPath for v in container.volumes if not v.hostPath.startswith("/")]
    folders = [(i, p.value) for i, p in enumerate(container.docker.parameters) if p.key in {"workdir", "w"}]
    if mounts and not folders:
        what = "no `workdir`: the task would start in the image's own folder, not where its code is mounted"
        yield Found("/container/docker/parameters", what, f'add {{"key": "workdir", "value": "{mounts[0]}"}}')
    for i, folder in folders:
        if mounts and not any(_within(folder, mount) for mount in [*mounts, SANDBOX]):
            where = f"/container/docker/parameters/{i}/value"
            yield Found(where, f"{folder} is not where the code is mounted", f"write {mounts[0]}")


def _host_paths(app: App, _: Facts) -> Iterator[Found]:
    for i, volume in enumerate(_volumes(app)):
        where = f"/container/volumes/{i}/hostPath"
        if volume.hostPath.startswith("/"):
            what = (
                f"{volume.hostPath} is a folder of the machine, which may go at any time and is nobody's here"
            )
            yield Found(where, what, "write a path relative to the sandbox")
        elif ".." in volume.hostPath.split("/"):
            yield Found(where, f"{volume.hostPath} leaves the sandbox", "write a path inside it")


def _host_path_fetched(app: App, _: Facts) -> Iterator[Found]:
    released = any("${release_uri}" in str(each.get("uri")) for each in _raw_fetches(app))
    for i, volume in enumerate(_volumes(app)):
        top = volume.hostPath.partition("/")[0]
        where = f"/container/volumes/{i}/hostPath"
        if not top or top == "..":
            continue
        if not app.app.fetch:
            what = f"nothing is fetched that could be {volume.hostPath}"
            yield Found(where, what, 'add `fetch`: [{"uri": "${release_uri}"}]')
        elif released and len(app.app.fetch) == 1 and top != RELEASE_FOLDER:
            what = f"the release has the folder {RELEASE_FOLDER}, and no {top}"
            yield Found(where, what, f"write {RELEASE_FOLDER}")


def _container_paths(app: App, _: Facts) -> Iterator[Found]:
    seen: set[str] = set()
    for i, volume in enumerate(_volumes(app)):
        where = f"/container/volumes/{i}/containerPath"
        path = posixpath.normpath(volume.containerPath)
        if not path.startswith("/"):
            if not volume.hostPath.startswith("/"):
                what = (
                    "both paths are relative: the sandbox holds the folder already, and Mesos fails the task"
                )
                yield Found(where, what, "write where the container shall see it, /var/app")
            continue
        if path in {"/", SANDBOX}:
            yield Found(where, f"{path} is taken by the image or the sandbox", "choose another folder")
        elif path in seen:
            yield Found(
                where, f"{path} is mounted twice, and Docker refuses to start", "choose another folder"
            )
        seen.add(path)


def _volumes(app: App) -> list[Volume]:
    return app.app.container.volumes if app.app.container else []


def _raw_fetches(app: App) -> list[dict[str, object]]:
    fetches = app.document.get("fetch")
    return [each for each in fetches if isinstance(each, dict)] if isinstance(fetches, list) else []


def _within(folder: str, mount: str) -> bool:
    return (
        re.fullmatch(rf"{re.escape(posixpath.normpath(mount))}(/.*)?", posixpath.normpath(folder)) is not None
    )


RULES: tuple[Rule, ...] = (
    AppRule(
        id="container-image",
        severity="error",
        what="The task runs in a Docker image.",
        why="The agents have the Docker containerizer alone: whatever else Marathon accepts fails at each start.",
        reference="Apache Mesos, Agent Configuration, --containerizers; Marathon 1.11, AppValidation.scala",
        reads=("container",),
        check=_image,
    ),
    AppRule(
        id="image-tag",
        severity="error",
        what="The image is named by a tag that is never moved, or by digest.",
        why="A moved tag is no change to Marathon, and an agent that has the image keeps its old content.",
        reference="Marathon 1.11, AppDefinition.scala, isUpgrade",
        reads=("container",),
        check=_tag,
    ),
    AppRule(
        id="image-pull",
        severity="warning",
        what="`forcePullImage` is false.",
        why="Each start would wait for the registry, and no task could start while it is away.",
        reference="Marathon 1.11, appContainer.raml",
        reads=("container",),
        check=_pull,
    ),
    AppRule(
        id="container-privileged",
        severity="error",
        what="Containers are not privileged.",
        why="Whoever takes over a worker by a page it crawls would own the machine and the agent's credentials.",
        reference="Docker, docker run, --privileged",
        reads=("container",),
        check=_privileged,
    ),
    AppRule(
        id="docker-parameter",
        severity="error",
        what="A Docker parameter is an option by its name, not one that Mesos sets, nor one that opens the machine.",
        why="Options given twice contradict each other when the task starts, and options that give rights undo the "
        "container.",
        reference=_DOCKER,
        reads=("container",),
        check=_parameters,
    ),
    AppRule(
        id="workdir",
        severity="error",
        what="With code mounted from the sandbox there is a `workdir` parameter that names that folder.",
        why="Mesos passes no working directory: the task starts in the image's, where its code is not.",
        reference=_DOCKER,
        reads=("container",),
        check=_workdir,
    ),
    AppRule(
        id="host-path",
        severity="error",
        what="`hostPath` is relative and stays in the sandbox.",
        why="A machine's own folder is another on each machine, gone with it, and shared with what else runs there.",
        reference="Apache Mesos, src/docker/docker.cpp, volumes",
        reads=("container",),
        check=_host_paths,
    ),
    AppRule(
        id="host-path-fetched",
        severity="error",
        what=f"A relative `hostPath` is a folder that `fetch` brings: `{RELEASE_FOLDER}` of the release.",
        why="Where it is missing Docker makes an empty folder, and the task finds no code.",
        reference="Docker, docker run, --volume; Apache Mesos, docs/fetcher.md",
        reads=("container", "fetch"),
        check=_host_path_fetched,
    ),
    AppRule(
        id="container-path",
        severity="error",
        what="`containerPath` is absolute, its own, and neither `/` nor the sandbox.",
        why="The task would fail at each start, long after Marathon has accepted the app.",
        reference=_DOCKER,
        reads=("container",),
        check=_container_paths,
    ),
)
