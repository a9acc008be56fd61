"""What an app says in the open: variables, labels, secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator

from infra.marathon.app_fields import PLACEHOLDER, Secret
from infra.marathon.lint.facts import Facts
from infra.marathon.lint.rule import App, AppRule, Found, Rule
from infra.marathon.placeholders import pointer, texts

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECRET_NAME = re.compile(
    r"(^|[_.-])(PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|CREDENTIALS?|PRIVATE_?KEY|ACCESS_?KEY(_ID)?|SECRET_?KEY|API_?KEY)$",
    re.IGNORECASE,
)
_SECRET_VALUE = re.compile(
    r"\b(AKIA|ASIA)[0-9A-Z]{16}\b"  # AWS access keys
    r"|-----BEGIN [A-Z ]*PRIVATE KEY"
    r"|\bgh[pousr]_[A-Za-z0-9]{30,}|\bgithub_pat_\w{30,}"
    r"|\bxox[abprs]-[A-Za-z0-9-]{10,}"
    r"|\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\."
    r"|://[^/\s:@]+:[^/\s@]+@"
)
_TASKS_OWN = re.compile(r"(MESOS|MARATHON)_\w+|HOST|PORTS|PORT\w*")


def _names(app: App, _: Facts) -> Iterator[Found]:
    for name in app.app.env:
        where = pointer("/env", name)
        if not _NAME.fullmatch(name):
            yield Found(where, f"'{name}' is no name of a variable", "write letters, digits and underscores")


def _reserved(app: App, _: Facts) -> Iterator[Found]:
    for name in app.app.env:
        if _TASKS_OWN.fullmatch(name):
            what = f"{name} is set by Marathon and Mesos for every task"
            yield Found(pointer("/env", name), what, "choose another name")


def _open(app: App, _: Facts) -> Iterator[Found]:
    do = "keep it in Secrets Manager, and let the worker read it there by its role"
    for field in ("env", "labels"):
        for name, value in getattr(app.app, field).items():
            if (
                _SECRET_NAME.search(name)
                and isinstance(value, str)
                and value
                and not PLACEHOLDER.search(value)
            ):
                yield Found(pointer(f"/{field}", name), "looks like a credential by its name", do)
    for where, text in texts(app.document):
        # Never the value: findings end in logs.
        if _SECRET_VALUE.search(text) and not where.startswith("/fetch/"):
            yield Found(where, "looks like a credential by its value", do)


def _secrets(app: App, facts: Facts) -> Iterator[Found]:
    if app.app.secrets and facts.secrets is False:
        what = "the cluster's Marathon has no secrets: it was started without that feature"
        yield Found(
            "/secrets", what, "keep it in Secrets Manager, and let the worker read it there by its role"
        )


def _references(app: App, _: Facts) -> Iterator[Found]:
    for name, value in app.app.env.items():
        if isinstance(value, Secret) and value.secret not in app.app.secrets:
            what = f"'{value.secret}' is no key of `secrets`"
            yield Found(pointer("/env", name), what, f'add it: {{"{value.secret}": {{"source": …}}}}')
    for name, secret in app.app.secrets.items():
        if set(secret) != {"source"}:
            yield Found(pointer("/secrets", name), "has no `source`, or more than it", 'write {"source": …}')


RULES: tuple[Rule, ...] = (
    AppRule(
        id="env-name",
        severity="error",
        what="A variable's name is letters, digits and underscores.",
        why="A shell cannot read another one, and an equals sign moves the border of name and value.",
        reference="POSIX, XBD 8.1",
        reads=("env",),
        check=_names,
    ),
    AppRule(
        id="env-reserved",
        severity="error",
        what="No variable has a name that Marathon and Mesos set themselves.",
        why="`MESOS_…` never arrives, since Mesos sets its own last; the others hide what the task is told of itself.",
        reference="Marathon 1.11, EnvironmentHelper.scala, TaskBuilder.scala",
        reads=("env",),
        check=_reserved,
    ),
    AppRule(
        id="credential",
        severity="error",
        what="A manifest holds no credential.",
        why="Everyone who may read Marathon reads it, in every version it keeps; so does who reads the repository.",
        reference="Marathon 1.11, environmentVariable.raml",
        reads=("env", "labels"),
        check=_open,
    ),
    AppRule(
        id="secrets-feature",
        severity="error",
        what="`secrets` are used only where Marathon has the feature and a plugin for it.",
        why="Any other Marathon refuses the app (422).",
        reference="Marathon 1.11, AppValidation.scala, Features.SECRETS",
        reads=("secrets",),
        check=_secrets,
    ),
    AppRule(
        id="secret-reference",
        severity="error",
        what="A variable's secret is a key of `secrets`, and that names its source.",
        why="Marathon refuses the app (422).",
        reference="Marathon 1.11, EnvVarValidation.scala, SecretValidation.scala",
        fixed=True,
        reads=("env", "secrets"),
        check=_references,
    ),
)
