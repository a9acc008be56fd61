"""A stack's configuration, turned into what the same program needs on this machine."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from local.stack.processes import StackError

Config = dict[str, Any]

_ACCOUNT_KEYS = ("aws:profile", "aws:allowedAccountIds", "aws:forbiddenAccountIds", "aws:assumeRoles")
"""Ways to an account: nothing on this machine has one."""

_SECRETS_KEYS = ("secretsprovider", "encryptedkey", "encryptionsalt")
_GENERATED = "build/"
_BUNDLED_SHOPS = "workers/shops"


@dataclass(frozen=True)
class Place:
    """Where the stand-ins of one local stack listen."""

    endpoints: Mapping[str, str]
    """Service → URL, for the `aws` provider."""

    marathon_port: int

    @property
    def marathon(self) -> str:
        """Marathon's base URL."""
        return f"http://127.0.0.1:{self.marathon_port}"


def read(path: Path) -> Config:
    """A stack file.

    Raises:
        StackError: it is missing or no YAML mapping; says which stacks the folder has.
    """
    try:
        document: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        stacks = sorted(p.name.split(".")[1] for p in path.parent.glob("Pulumi.*.yaml"))
        known = f"the stacks there are {', '.join(stacks)}" if stacks else "there is no stack at all"
        raise StackError(f"{path}: no such stack file; {known}") from None
    except (OSError, yaml.YAMLError) as e:
        raise StackError(f"{path}: cannot be read: {e}") from None
    if not isinstance(document, dict) or not isinstance(document.get("config"), dict):
        raise StackError(f"{path}: not a stack file: it has no `config:` with keys below it")
    return cast(Config, document)


def localised(stack_file: Mapping[str, Any], place: Place) -> Config:
    """The stack's configuration for stand-ins on this machine; everything not named here is as it was.

    - `aws:endpoints` leads every service to the stand-ins; profile, account ids and roles to assume are dropped.
    - The secrets provider is dropped: the engine asks for the passphrase of the local stack instead.
    - Marathon is the local one: by its URL (`existing`), or as if a tunnel led there (`managed`).
    - A release at which the stack is held is let go of: no stand-in has it.
    - Shop definitions that are made at run time are those of the checkout, so that any checkout has them.

    Args:
        stack_file: the document of a `Pulumi.<stack>.yaml`.
        place: where the stand-ins listen.

    Raises:
        StackError: a value is encrypted, and so cannot be read here.
    """
    document = copy.deepcopy(dict(stack_file))
    for key in _SECRETS_KEYS:
        document.pop(key, None)
    config: Config = document["config"]
    for key in _encrypted(config):
        raise StackError(
            f"{key} is encrypted in the stack file, so nobody without its key can preview it: "
            "name an entry of Secrets Manager instead"
        )
    for key in _ACCOUNT_KEYS:
        config.pop(key, None)
    config["aws:endpoints"] = [dict(place.endpoints)]
    config.pop("trawler:release", None)
    cluster = config.get("trawler:cluster")
    if isinstance(cluster, dict):
        if cluster.get("mode") == "managed":
            cluster["access"] = {"via": "tunnel", "port": place.marathon_port}
        else:
            cluster["marathonUrls"] = [place.marathon]
    if str(config.get("trawler:shops", "")).startswith(_GENERATED):
        config["trawler:shops"] = _BUNDLED_SHOPS
    return document


def secret_names(config: Mapping[str, Any]) -> dict[str, str]:
    """Setting → name of the Secrets Manager entry it stands for: every key of the cluster that ends in `Secret`."""
    return dict(_secrets(config.get("config", {}).get("trawler:cluster", {})))


def _secrets(node: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        if isinstance(value, str) and str(key).endswith("Secret"):
            yield str(key), value
        else:
            yield from _secrets(value)


def _encrypted(node: Any, path: str = "") -> Iterator[str]:
    """Keys whose value the engine would have to decrypt: a mapping of the one key `secure`."""
    if isinstance(node, dict):
        if set(node) == {"secure"}:
            yield path
            return
        for key, value in node.items():
            yield from _encrypted(value, f"{path}.{key}" if path else str(key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _encrypted(value, f"{path}[{index}]")


def project_name(checkout: Path) -> str:
    """The project's name, of which the configuration's own keys are the namespace.

    Raises:
        StackError: the folder holds no Pulumi project.
    """
    path = checkout / "Pulumi.yaml"
    try:
        return str(yaml.safe_load(path.read_text(encoding="utf-8"))["name"])
    except (OSError, yaml.YAMLError, TypeError, KeyError):
        raise StackError(f"{path}: no Pulumi project is there") from None
