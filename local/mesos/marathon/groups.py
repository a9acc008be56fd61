"""Changes to groups: which apps there are below a group after an update of it (GroupConversion of Marathon 1.11).

A group that an update names is put together anew from it: a list that is given replaces what was there, one that is
left out stays. Apps are told apart from groups by the list they stand in, ids are relative to their group.
"""

import math
from dataclasses import dataclass, field
from typing import Any

from local.mesos.marathon import ids
from local.mesos.marathon.definition import App, Json
from local.mesos.marathon.errors import (
    ConflictError,
    Details,
    InvalidJsonError,
    InvalidObjectError,
    NotFoundError,
)
from local.mesos.marathon.reading import read_app
from local.mesos.marathon.state import State

_NOT_HERE = "is not emulated: leave it out"


@dataclass
class GroupChange:
    """What an update of a group comes to.

    Attributes:
        put: apps to create or replace.
        delete: ids of apps that go.
        added: groups that are there afterwards.
        removed: groups that are not.
    """

    put: list[App] = field(default_factory=list[App])
    delete: set[str] = field(default_factory=set[str])
    added: set[str] = field(default_factory=set[str])
    removed: set[str] = field(default_factory=set[str])


def check_new(state: State, group_id: str) -> None:
    """Raises ConflictError where a group or an app of that id exists."""
    if state.find(group_id) is not None:
        raise ConflictError(f"An app on path {group_id} already exists.")
    if group_id in state.groups and group_id != "/":
        raise ConflictError(f"Group {group_id} is already created. Use PUT to change this group.")


def known(state: State, group_id: str) -> str:
    """The id; raises NotFoundError where there is no such group."""
    if group_id not in state.groups:
        raise NotFoundError(f"Group '{group_id}' does not exist")
    return group_id


def apps_below(state: State, group_id: str) -> list[str]:
    return [app_id for app_id in state.apps() if ids.is_below(app_id, group_id)]


def removal(state: State, group_id: str) -> GroupChange:
    """Everything below a group goes, and the group; of the root only what is below."""
    known(state, group_id)
    groups = {each for each in state.groups if each == group_id or ids.is_below(each, group_id)} - {"/"}
    return GroupChange(delete=set(apps_below(state, group_id)), removed=groups)


def scaling(state: State, group_id: str, factor: Any) -> GroupChange:
    """The instances of every app below a group times ``factor``, rounded up.

    Raises:
        InvalidJsonError: the factor is no number, or negative.
    """
    known(state, group_id)
    if isinstance(factor, bool) or not isinstance(factor, int | float):
        raise InvalidJsonError({"/scaleBy": ["error.expected.jsnumber"]})
    if factor < 0 or not math.isfinite(factor):
        raise InvalidObjectError({"/scaleBy": ["must be at least 0"]})
    apps = [state.app(each).app for each in apps_below(state, group_id)]
    return GroupChange(
        put=[each.model_copy(update={"instances": math.ceil(each.instances * factor)}) for each in apps]
    )


def at_version(state: State, group_id: str, version: str) -> list[App]:
    """The apps below a group as they were at a version, those left out that came later.

    An app that was deleted since is not known any more.

    Raises:
        NotFoundError: nothing of the group is as old as that.
    """
    known(state, group_id)
    apps: list[App] = []
    for app_id in apps_below(state, group_id):
        older = [each for each in state.versions[app_id] if each.version <= version]
        if older:
            apps.append(older[-1].app)
    if not apps:
        raise NotFoundError(f"Group {group_id} not found in version {version}")
    return apps


def rollback(state: State, group_id: str, version: str) -> GroupChange:
    """Apps below a group as at a version; those that came later go. Raises NotFoundError as `at_version`."""
    put = at_version(state, group_id, version)
    return GroupChange(put=put, delete=set(apps_below(state, group_id)) - {each.id for each in put})


def update(state: State, group_id: str, document: Json) -> GroupChange:
    """A group, new or there already, put together from a GroupUpdate.

    Raises:
        InvalidJsonError, InvalidObjectError: it, or an app in it, is none.
    """
    change = GroupChange()
    _update(state, group_id, document, change, "")
    change.delete -= {each.id for each in change.put}
    change.removed -= change.added
    return change


def _update(state: State, group_id: str, document: Json, change: GroupChange, at: str) -> None:
    if problems := ids.problems(group_id) if group_id != "/" else []:
        raise InvalidObjectError({f"{at}/id": problems})
    for key in ("dependencies", "pods"):
        if document.get(key):
            raise InvalidObjectError({f"{at}/{key}": [_NOT_HERE]})
    change.added |= {group_id, *ids.parents(group_id)} if group_id != "/" else set()
    own = {each for each in state.apps() if ids.parents(each)[0] == group_id}
    if (apps := _objects(document, "apps", at)) is not None:
        change.delete |= own
        for index, each in enumerate(apps):
            path = f"{at}/apps({index})"
            app_id = _absolute(group_id, each, path)
            try:
                change.put.append(read_app(each, app_id=app_id))
            except (InvalidJsonError, InvalidObjectError) as error:
                raise type(error)(_below(path, error.details)) from None
    if (groups := _objects(document, "groups", at)) is not None:
        inner = {each for each in state.groups if each != "/" and ids.parents(each)[0] == group_id}
        for gone in inner:
            going = removal(state, gone)
            change.delete |= going.delete
            change.removed |= going.removed
        for index, each in enumerate(groups):
            path = f"{at}/groups({index})"
            inner_id = _absolute(group_id, each, path)
            if inner_id in inner:  # what its update leaves out stays
                kept = removal(state, inner_id)
                change.delete -= kept.delete
                change.removed -= kept.removed
            _update(state, inner_id, each, change, path)


def _objects(document: Json, key: str, at: str) -> list[Json] | None:
    value = document.get(key)
    if value is None:
        return None
    if not isinstance(value, list):
        raise InvalidJsonError({f"{at}/{key}": ["error.expected.jsarray"]})
    for index, each in enumerate(value):
        if not isinstance(each, dict):
            raise InvalidJsonError({f"{at}/{key}({index})": ["error.expected.jsobject"]})
    return value


def _absolute(group_id: str, document: Json, at: str) -> str:
    given = document.get("id")
    if not isinstance(given, str):
        raise InvalidJsonError(
            {f"{at}/id": ["error.path.missing" if given is None else "error.expected.jsstring"]}
        )
    found = ids.canonical(given if given.startswith("/") else f"{group_id}/{given}")
    if found == "/" or ids.parents(found)[0] != group_id:
        raise InvalidObjectError(
            {f"{at}/id": [f"identifier {given} is not child of {group_id}. Hint: use relative paths."]}
        )
    document["id"] = found
    return found


def _below(at: str, details: Details) -> Details:
    return {at + path: errors for path, errors in details.items()}
