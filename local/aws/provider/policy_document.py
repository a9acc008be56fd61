"""aws.iam.get_policy_document: IAM policy JSON out of statements. Pure text work, no call to AWS.

Source: the data source aws_iam_policy_document of AWS's provider: element order, reverse alphabetical sets, one element
as plain text.
"""

from __future__ import annotations

import json
import zlib
from typing import Any

from local.aws.provider.wire import Props


def policy_document(args: Props) -> Props:
    """The outputs `json`, `minifiedJson` and `id` of the given statements, with the inputs."""
    version = args.get("version") or "2012-10-17"
    statements: list[dict[str, Any]] = []
    for text in args.get("sourcePolicyDocuments") or []:
        _merge(statements, _statements_of(text))
    _merge(statements, [_statement(entry) for entry in args.get("statements") or []])
    for text in args.get("overridePolicyDocuments") or []:
        _merge(statements, _statements_of(text))
    document: dict[str, Any] = {"Version": version}
    if args.get("policyId"):
        document["Id"] = args["policyId"]
    if statements:
        document["Statement"] = statements
    pretty = _escape(json.dumps(document, indent=2, ensure_ascii=False))
    return {
        **args,
        "version": version,
        "json": pretty,
        "minifiedJson": _escape(json.dumps(document, separators=(",", ":"), ensure_ascii=False)),
        "id": str(zlib.crc32(pretty.encode())),
    }


def _escape(text: str) -> str:
    # As Go's JSON writer does.
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _statements_of(text: str) -> list[dict[str, Any]]:
    found: Any = json.loads(text).get("Statement", []) if text else []
    return found if isinstance(found, list) else [found]


def _merge(into: list[dict[str, Any]], more: list[dict[str, Any]]) -> None:
    """Appends; a statement with the Sid of an earlier one takes its place."""
    for statement in more:
        same = (
            n for n, other in enumerate(into) if statement.get("Sid") and other.get("Sid") == statement["Sid"]
        )
        place = next(same, None)
        if place is None:
            into.append(statement)
        else:
            into[place] = statement


def _statement(entry: Props) -> dict[str, Any]:
    statement: dict[str, Any] = {}
    if entry.get("sid"):
        statement["Sid"] = entry["sid"]
    statement["Effect"] = entry.get("effect") or "Allow"
    for key, name in (("actions", "Action"), ("notActions", "NotAction")):
        if entry.get(key):
            statement[name] = _set(entry[key])
    for key, name in (("resources", "Resource"), ("notResources", "NotResource")):
        if entry.get(key):
            statement[name] = _set([_variables(text) for text in entry[key]])
    for key, name in (("principals", "Principal"), ("notPrincipals", "NotPrincipal")):
        if entry.get(key):
            statement[name] = _principals(entry[key])
    if entry.get("conditions"):
        statement["Condition"] = _conditions(entry["conditions"])
    return statement


def _set(values: list[str]) -> str | list[str]:
    unique = sorted(set(values), reverse=True)
    return unique[0] if len(unique) == 1 else unique


def _variables(text: str) -> str:
    return text.replace("&{", "${")


def _principals(entries: list[Props]) -> Any:
    grouped: dict[str, list[str]] = {}
    for entry in entries:
        grouped.setdefault(entry["type"], []).extend(_variables(text) for text in entry["identifiers"])
    if grouped == {"*": ["*"]}:
        return "*"
    return {kind: _set(grouped[kind]) for kind in sorted(grouped)}


def _conditions(entries: list[Props]) -> dict[str, Any]:
    grouped: dict[str, dict[str, list[str]]] = {}
    for entry in entries:
        values = [_variables(text) for text in entry["values"]]
        grouped.setdefault(entry["test"], {}).setdefault(entry["variable"], []).extend(values)
    return {
        test: {
            variable: values[0] if len(values) == 1 else values
            for variable, values in sorted(grouped[test].items())
        }
        for test in sorted(grouped)
    }
