"""Where in a file a JSON pointer points, for editors."""

from __future__ import annotations

from pathlib import Path

import yaml

from infra.marathon.placeholders import steps


def line_of(path: Path, pointer: str) -> int:
    """The line of what a JSON pointer names, or of the innermost thing around it that is there; from 1."""
    try:
        # JSON is YAML, and PyYAML's nodes know their place.
        node = yaml.compose(path.read_text("utf-8"), Loader=yaml.SafeLoader)
    except (yaml.YAMLError, OSError, UnicodeDecodeError, RecursionError):
        return 1
    line = 1
    for key in steps(pointer):
        match node:
            case yaml.MappingNode():
                pairs = [(k, v) for k, v in node.value if k.value == key]
                if not pairs:
                    return line
                line, node = pairs[-1][0].start_mark.line + 1, pairs[-1][1]
            case yaml.SequenceNode() if key.isdigit() and int(key) < len(node.value):
                node = node.value[int(key)]
                line = node.start_mark.line + 1
            case _:
                return line
    return line
