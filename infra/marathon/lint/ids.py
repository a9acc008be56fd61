"""Names of apps, and how apps lean on each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from infra.marathon.lint.facts import Facts
from infra.marathon.lint.rule import App, AppRule, FolderRule, Found, Rule

_PATH_ID = "Marathon 1.11, PathId.scala"


def absolute(app_id: str) -> str:
    """The id as Marathon keeps it."""
    return app_id if app_id.startswith("/") else f"/{app_id}"


def _absolute(app: App, _: Facts) -> Iterator[Found]:
    if not app.id.startswith("/"):
        yield Found("/id", f"'{app.id}' is relative", f"write '{absolute(app.id)}'")


def _reserved(app: App, _: Facts) -> Iterator[Found]:
    last = app.id.rpartition("/")[2]
    if last in {"restart", "tasks", "versions"}:
        yield Found("/id", f"'{last}' at the end of an id is a route of the REST API", "choose another name")


def _once(apps: Sequence[App], _: Facts) -> Iterator[tuple[App, Found]]:
    first: dict[str, App] = {}
    for app in apps:
        other = first.setdefault(absolute(app.id), app)
        if other is not app:
            yield (
                app,
                Found("/id", f"{other.path.name} has the id {app.id} already", "give one of them another"),
            )


def _no_group(apps: Sequence[App], _: Facts) -> Iterator[tuple[App, Found]]:
    for app in apps:
        below = next((a for a in apps if absolute(a.id).startswith(f"{absolute(app.id)}/")), None)
        if below:
            what = f"{app.id} would be an app and, for {below.id} of {below.path.name}, a group"
            yield app, Found("/id", what, "give one of them another id")


def _known_dependencies(apps: Sequence[App], _: Facts) -> Iterator[tuple[App, Found]]:
    ids = {absolute(app.id) for app in apps}
    for app in apps:
        for i, other in enumerate(app.app.dependencies):
            needed = absolute(other)
            if needed not in ids and not any(each.startswith(f"{needed}/") for each in ids):
                yield (
                    app,
                    Found(
                        f"/dependencies/{i}", f"no app here is or is below {other}", "correct or remove it"
                    ),
                )


def _no_cycle(apps: Sequence[App], _: Facts) -> Iterator[tuple[App, Found]]:
    needs = {absolute(app.id): {absolute(other) for other in app.app.dependencies} for app in apps}

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        ahead = [start]
        while ahead:
            for needed in needs.get(ahead.pop(), set()):
                below = {each for each in needs if each == needed or each.startswith(f"{needed}/")}
                ahead.extend(below - seen)
                seen |= below
        return seen

    for app in apps:
        if absolute(app.id) in reached(absolute(app.id)):
            yield (
                app,
                Found("/dependencies", f"{app.id} waits for itself, through others", "break the circle"),
            )


RULES: tuple[Rule, ...] = (
    AppRule(
        id="id-absolute",
        severity="warning",
        what="An id begins with a slash.",
        why="Marathon puts a relative id below the root, so that the file and every answer name the app differently.",
        reference=_PATH_ID,
        reads=("id",),
        check=_absolute,
    ),
    AppRule(
        id="id-reserved",
        severity="error",
        what="An id does not end in `restart`, `tasks` or `versions`.",
        why="Its own URL would be another route, so Marathon refuses it (422).",
        reference=_PATH_ID,
        fixed=True,
        reads=("id",),
        check=_reserved,
    ),
    FolderRule(
        id="id-once",
        severity="error",
        what="No two files have one id.",
        why="Each deployment of the one would be an update of the other.",
        reference=_PATH_ID,
        fixed=True,
        reads=("id",),
        check=_once,
    ),
    FolderRule(
        id="id-not-a-group",
        severity="error",
        what="No app's id is a folder of another's.",
        why="An app cannot share its id with a group: Marathon refuses whichever comes second (422).",
        reference="Marathon 1.11, Group.scala",
        fixed=True,
        reads=("id",),
        check=_no_group,
    ),
    FolderRule(
        id="dependency-known",
        severity="error",
        what="A dependency is an app of this folder, or a group of them.",
        why="Marathon drops an unknown one in silence, and the order that was wanted is not kept.",
        reference="Marathon 1.11, RootGroup.scala, applicationDependencies",
        reads=("id", "dependencies"),
        check=_known_dependencies,
    ),
    FolderRule(
        id="dependency-cycle",
        severity="error",
        what="No app depends on itself, directly or through others.",
        why="Marathon refuses the last app of the circle (422), when the others have been changed already.",
        reference="Marathon 1.11, RootGroup.scala, hasNonCyclicDependencies",
        fixed=True,
        reads=("id", "dependencies"),
        check=_no_cycle,
    ),
)
