"""How operations talk: progress and questions on standard error, results on standard output."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape

from ops.errors import ConsentError


class Talk:
    """What a person sees of an operation.

    Args:
        yes: questions are answered yes.
        as_json: the result goes to standard output as JSON rather than as text.
    """

    def __init__(self, *, yes: bool = False, as_json: bool = False) -> None:
        self.as_json = as_json
        self._yes = yes
        self._err = Console(stderr=True, highlight=False, soft_wrap=True)

    def say(self, text: str) -> None:
        """A line of progress."""
        self._err.print(escape(text))

    def show(self, renderable: Any) -> None:
        """Something that rich renders, among the progress."""
        self._err.print(renderable)

    def agree(self, question: str) -> None:
        """Return when a person said yes.

        Raises:
            ConsentError: they said no, or nobody can be asked.
        """
        if self._yes:
            return
        if not sys.stdin.isatty():
            raise ConsentError(f"{question} Nobody can be asked here: say yes with --yes")
        answer = self._err.input(f"{escape(question)} [y/N] ")
        if answer.strip().lower() not in {"y", "yes"}:
            raise ConsentError("nothing was done")

    def result(self, data: Mapping[str, Any], text: str) -> None:
        """What came of it: `data` as JSON where that was asked for, else `text`."""
        print(json.dumps(data, indent=2) if self.as_json else text, flush=True)
