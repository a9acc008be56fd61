"""The stack's configuration as the engine hands it over, turned into `Settings` or into one clear text.

Every key lives in the project's namespace (`trawler:`). A key that is not declared is refused with the nearest
real one, since Pulumi itself keeps a misspelt key in silence.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import pulumi
from pulumi.runtime.config import CONFIG, get_config_env
from pydantic import BaseModel, ValidationError

from infra.errors import SettingsError
from infra.settings.rules import violations
from infra.settings.stack import Settings


def load() -> Settings:
    """Settings of the stack that is being deployed.

    Raises:
        SettingsError: a key is unknown, missing or wrong; every such key is named in one text.
    """
    return parse(raw_config(), project=pulumi.get_project(), stack=pulumi.get_stack())


def raw_config() -> dict[str, str]:
    """Every configuration value of the stack, of all namespaces, as the engine hands them over."""
    return {**get_config_env(), **CONFIG.get()}


def parse(config: Mapping[str, str], project: str, stack: str) -> Settings:
    """Settings from raw configuration.

    Args:
        config: full key (`trawler:fleet`) → text; structured values are JSON text.
        project: namespace of the keys that are ours.
        stack: name of the stack, for defaults and messages.

    Raises:
        SettingsError: see `load`.
    """
    values: dict[str, Any] = {"namePrefix": f"{project}-{stack}"}
    for key, text in config.items():
        namespace, _, name = key.partition(":")
        if namespace == project:
            values[name] = _decoded(text)
    try:
        settings = Settings.model_validate(values)
    except ValidationError as e:
        raise _refused(
            stack, [_explained(dict(error), project) for error in e.errors(include_url=False)]
        ) from None
    region = config.get("aws:region")
    if not region:
        raise _refused(stack, ["aws:region: missing; set it with `pulumi config set aws:region us-east-1`"])
    broken = violations(settings, region)
    if broken:
        raise _refused(stack, [f"{project}:{rule.key}: {rule.text}" for rule in broken])
    return settings


def _refused(stack: str, lines: Iterable[str]) -> SettingsError:
    return SettingsError(f"Pulumi.{stack}.yaml is not valid:\n" + "\n".join(f"  {line}" for line in lines))


def _decoded(text: str) -> Any:
    """Structured values arrive as JSON text, plain ones as they are."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _explained(error: Mapping[str, Any], project: str) -> str:
    path: tuple[str | int, ...] = error["loc"]
    model, keys = _followed(path)
    key = f"{project}:" + ".".join(keys)
    match error["type"]:
        case "extra_forbidden":
            return f"{key}: unknown key{_nearest(keys[-1], _keys(model))}"
        case "missing":
            return f"{key}: missing; set it with `pulumi config set --path '{key}' VALUE`"
        case "union_tag_not_found":
            return f"{key}.mode: missing; one of {error['ctx']['discriminator'] and _tags(path)}"
        case "union_tag_invalid":
            return f"{key}.mode: '{error['ctx']['tag']}' is not one of {error['ctx']['expected_tags']}"
        case "value_error":
            return f"{key}: {error['ctx']['error']}"
        case _:
            return f"{key}: {error['msg']} (given: {error['input']!r})"


def _nearest(given: str, known: Iterable[str]) -> str:
    known = sorted(known)
    close = difflib.get_close_matches(given, known, n=1, cutoff=0.5)
    return f"; did you mean '{close[0]}'?" if close else f"; the keys here are {', '.join(known)}"


def _followed(path: tuple[str | int, ...]) -> tuple[type[BaseModel], list[str]]:
    """The section that holds the last part of an error's path, and the path as keys of the stack file.

    pydantic puts the tag of a union ("managed") between the key and what is below it; no file has it.
    """
    model: type[BaseModel] = Settings
    keys: list[str] = []
    options: dict[str, type[BaseModel]] = {}
    for i, part in enumerate(path):
        if options and part in options:
            model, options = options[str(part)], {}
            continue
        keys.append(str(part))
        if i == len(path) - 1:
            break
        field = next((f for f in model.model_fields.values() if f.alias == part), None)
        found = list(sections_of(field.annotation)) if field else []
        if len(found) > 1:
            options = {tag_of(section): section for section in found}
        elif found:
            model = found[0]
    return model, keys


def _tags(path: tuple[str | int, ...]) -> str:
    field = next(f for f in Settings.model_fields.values() if f.alias == path[-1])
    return ", ".join(f"'{tag_of(section)}'" for section in sections_of(field.annotation))


def _keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def sections_of(annotation: Any) -> Iterable[type[BaseModel]]:
    """The sections that a field's annotation names, in order: none, one, or the options of a union."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in {Union, UnionType, Annotated, list, dict}:
        for inner in get_args(annotation):
            yield from sections_of(inner)


def tag_of(section: type[BaseModel]) -> str:
    """The `mode` by which a stack file chooses this option of a union."""
    return get_args(section.model_fields["mode"].annotation)[0]
