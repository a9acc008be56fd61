"""What an operation reads in `Pulumi.<stack>.yaml`, and the copy in which it sets something for one run."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from infra.aws_connection import AwsConnection
from ops.errors import MisuseError

ROOT = Path(__file__).resolve().parents[1]
"""Where `Pulumi.yaml` is."""

PROJECT = "trawler"


@dataclass(frozen=True)
class StackFile:
    """A stack's configuration, as it stands in its file. The file itself is never changed."""

    stack: str
    path: Path
    document: Mapping[str, Any]

    @classmethod
    def read(cls, stack: str, path: Path | None = None) -> StackFile:
        """The file of that stack.

        Args:
            stack: the stack's name.
            path: another file than `Pulumi.<stack>.yaml`.

        Raises:
            MisuseError: it is missing, or no stack file.
        """
        path = (path or ROOT / f"Pulumi.{stack}.yaml").resolve()
        try:
            document: Any = yaml.safe_load(path.read_text())
        except FileNotFoundError:
            raise MisuseError(f"{path}: there is no such file; is '{stack}' the right stack?") from None
        except (OSError, UnicodeDecodeError) as e:
            raise MisuseError(f"{path}: cannot be read: {e}") from None
        except yaml.YAMLError as e:
            raise MisuseError(f"{path}: not YAML: {e}") from None
        if not isinstance(document, dict) or not isinstance(cast(Any, document).get("config"), dict):
            raise MisuseError(f"{path}: no `config:` in it; is it a stack file?")
        return cls(stack, path, cast(dict[str, Any], document))

    def setting(self, key: str, default: Any = None) -> Any:
        """A setting of the project's namespace, such as `fleet.minCapacity`; the default where it is not set."""
        first, *rest = key.split(".")
        found: Any = self.document["config"].get(f"{PROJECT}:{first}")
        for part in rest:
            found = found.get(part) if isinstance(found, dict) else None
        return default if found is None else found

    @property
    def protected(self) -> bool:
        """Whether the settings protect what holds data or work."""
        return str(self.setting("protect", True)).lower() == "true"

    @property
    def connection(self) -> AwsConnection:
        """How the stack's account is reached."""
        return AwsConnection.from_config(self.document["config"].get)

    @property
    def is_local(self) -> bool:
        """Whether the stack stands on the stand-ins of one machine: it sets endpoints of its own."""
        return bool(self.connection.endpoints)

    @property
    def managed_cluster(self) -> bool:
        """Whether the masters are the stack's own."""
        return self.setting("cluster.mode") == "managed"

    @contextmanager
    def with_fleet(self, **settings: Any) -> Generator[Path]:
        """A copy of the file with these settings of the fleet, for as long as the context lasts.

        Args:
            settings: keys below `trawler:fleet`.
        """
        config = dict(self.document["config"])
        config[f"{PROJECT}:fleet"] = {**(config.get(f"{PROJECT}:fleet") or {}), **settings}
        with tempfile.TemporaryDirectory(prefix="trawler-") as folder:
            path = Path(folder) / self.path.name
            path.write_text(yaml.safe_dump({**self.document, "config": config}, sort_keys=False))
            yield path
