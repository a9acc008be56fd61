"""The settings of a stack read from its file, where no engine hands them over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import yaml

from infra.errors import SettingsError
from infra.settings import Settings, parse

PROJECT = "trawler"


def settings_of(stack: str, root: Path) -> Settings:
    """What `Pulumi.<stack>.yaml` says, checked as the program checks it.

    Args:
        stack: the stack's name.
        root: the folder of the stack files.

    Raises:
        SettingsError: the file is missing, is no stack file, or a key of it is wrong.
    """
    path = root / f"Pulumi.{stack}.yaml"
    try:
        document: Any = yaml.safe_load(path.read_text("utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"{path}: there is no such file; is '{stack}' the right stack?") from None
    except (OSError, UnicodeDecodeError) as e:
        raise SettingsError(f"{path}: cannot be read: {e}") from None
    except yaml.YAMLError as e:
        raise SettingsError(f"{path}: not YAML: {e}") from None
    config = cast("dict[str, Any]", document).get("config") if isinstance(document, dict) else None
    if not isinstance(config, dict):
        raise SettingsError(f"{path}: no `config:` in it; is it a stack file?")
    values = cast("dict[str, Any]", config)
    # As the engine does: structured values become JSON text.
    raw = {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}
    return parse(raw, PROJECT, stack)
