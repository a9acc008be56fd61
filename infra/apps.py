"""The Marathon apps of `marathon_apps/`, filled with what the stack knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pulumi
from pulumi import ComponentResource, Output, ResourceOptions

from infra.marathon import manifest as manifests
from infra.marathon.resource import MarathonApp
from infra.settings import ClusterSettings


class Apps(ComponentResource):
    """One Marathon app for each file of `marathon_apps/`, running the release and the image they are given."""

    def __init__(
        self,
        name: str,
        files: Mapping[str, manifests.Manifest],
        values: Mapping[str, pulumi.Input[Any]],
        cluster: ClusterSettings,
        marathon_urls: Sequence[pulumi.Input[str]],
        depends_on: Sequence[pulumi.Resource],
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("trawler:infra:Apps", name, {}, opts)
        self.apps = {
            app: MarathonApp(
                f"{name}-{app}",
                marathon_urls,
                cluster.credentials_secret,
                # No more than it asks for: what is known only after an update makes a whole manifest unknown.
                Output.all(**{name: values[name] for name in manifests.placeholders(manifest)}).apply(
                    lambda known, m=manifest: manifests.fill(m, known)
                ),
                cluster.deploy_timeout_s,
                cluster.ready_timeout_s,
                # What keeps agents and release alive goes after the apps do.
                ResourceOptions(parent=self, depends_on=list(depends_on)),
            )
            for app, manifest in files.items()
        }
        self.register_outputs({})


def read_all(folder: Path, known: frozenset[str]) -> dict[str, manifests.Manifest]:
    """Every app of a folder by its file's name, checked before anything is deployed.

    Raises:
        ManifestError: a file is not a valid manifest, or has a placeholder outside `known`.
    """
    found: dict[str, manifests.Manifest] = {}
    for path in sorted(folder.glob("*.json")):
        found[path.stem] = manifests.read(path)
        manifests.check_placeholders(path, found[path.stem], known)
    return found
