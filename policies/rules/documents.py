"""Reading of IAM policy documents: statements, principals, conditions.

Source: IAM User Guide, "IAM JSON policy reference".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from .reading import listed, parsed

ANYONE = "*"


class NotADocumentError(ValueError):
    """A text that is no policy document; the message says so to whoever wrote it."""


@dataclass(frozen=True)
class Condition:
    """One comparison: `operator` of the value under `key` (lower case) with `values`."""

    operator: str
    key: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Statement:
    """One statement of a document."""

    sid: str
    effect: str
    actions: tuple[str, ...]
    not_actions: tuple[str, ...]
    resources: tuple[str, ...]
    not_resources: tuple[str, ...]
    principals: Mapping[str, tuple[str, ...]]
    """Kind (`AWS`, `Service`, `Federated`) → who. Everyone is `{"AWS": ("*",)}`."""

    not_principals: bool
    conditions: tuple[Condition, ...]

    @property
    def allows(self) -> bool:
        """Whether it gives rights."""
        return self.effect.lower() == "allow"

    @property
    def anyone(self) -> bool:
        """Whether it is about everyone, account or not."""
        return any(ANYONE in who for kind, who in self.principals.items() if kind != "Service")


def statements(text: str) -> list[Statement]:
    """The statements of a document; none of an empty text.

    Raises:
        NotADocumentError: the text is not JSON, or is no policy document.
    """
    if not text:
        return []
    document = parsed(text)
    if not isinstance(document, Mapping):
        raise NotADocumentError("the policy is not a JSON object")
    found = listed(cast("Mapping[str, object]", document).get("Statement"))
    if not found or not all(isinstance(s, Mapping) for s in found):
        raise NotADocumentError("the policy has no Statement")
    return [_statement(cast("Mapping[str, object]", s), i) for i, s in enumerate(found)]


def _statement(body: Mapping[str, object], index: int) -> Statement:
    return Statement(
        sid=str(body.get("Sid") or f"statement {index + 1}"),
        effect=str(body.get("Effect", "")),
        actions=_texts(body.get("Action")),
        not_actions=_texts(body.get("NotAction")),
        resources=_texts(body.get("Resource")),
        not_resources=_texts(body.get("NotResource")),
        principals=_principals(body.get("Principal")),
        not_principals="NotPrincipal" in body,
        conditions=tuple(_conditions(body.get("Condition"))),
    )


def _principals(value: object) -> dict[str, tuple[str, ...]]:
    if isinstance(value, Mapping):
        return {str(k): _texts(v) for k, v in cast("Mapping[str, object]", value).items()}
    return {"AWS": _texts(value)} if value is not None else {}


def _conditions(value: object) -> Iterator[Condition]:
    if not isinstance(value, Mapping):
        return
    for operator, compared in cast("Mapping[str, object]", value).items():
        if isinstance(compared, Mapping):
            for key, values in cast("Mapping[str, object]", compared).items():
                yield Condition(operator, key.lower(), _texts(values))


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(v) for v in listed(value))


def denies_plain_http(document: list[Statement]) -> bool:
    """Whether everyone is denied everything unless TLS is used."""
    return any(
        s.effect.lower() == "deny"
        and s.anyone
        and any(a == "*" or a.endswith(":*") for a in s.actions)
        and any(
            c.operator == "Bool" and c.key == "aws:securetransport" and c.values in (("false",), ("False",))
            for c in s.conditions
        )
        for s in document
    )
