"""The Marathon apps of `marathon_apps/`, filled with what the stack knows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pulumi
from pulumi import ComponentResource, Output, ResourceOptions

from infra.errors import ManifestError
from infra.marathon import manifest as manifests
from infra.marathon.lint import Facts, check
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
        *,
        scaled: Collection[str] = (),
    ) -> None:
        """Register the apps.

        Args:
            name: logical name; an app's is `<name>-<app>`.
            files: app → its JSON, placeholders still in it.
            values: placeholder → what fills it.
            cluster: how Marathon is reached and waited for.
            marathon_urls: its base URLs.
            depends_on: what an app's tasks need before they start.
            opts: resource options.
            scaled: apps whose `instances` belong to the scaler.
        """
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
                scaled=app in scaled,
                # The engine starts program and providers in the program's folder, one below the root.
                ca_file=f"../{cluster.ca_file}" if cluster.ca_file else None,
                agent_port=cluster.agent_port,
                settle_s=cluster.settle_s,
                crash_limit=cluster.crash_limit,
            )
            for app, manifest in files.items()
        }
        self.register_outputs({})


def read_all(
    folder: Path, known: frozenset[str], facts: Facts | None = None
) -> dict[str, manifests.Manifest]:
    """Every app of a folder by its file's name, checked before anything is deployed.

    Args:
        folder: one JSON an app.
        known: placeholders that the stack fills.
        facts: what the stack's settings say; without them nothing is judged that depends on the fleet.

    Raises:
        ManifestError: a rule of docs/app-lint.md is broken; one line for each place, all files at once.
    """
    files = sorted(folder.glob("*.json"))
    report = check(files, facts or replace(Facts.without_stack(), names=known))
    for warning in report.warnings:
        pulumi.log.warn(str(warning))
    if report.errors:
        lines = "\n".join(f"  {error}" for error in report.errors)
        raise ManifestError(f"the apps cannot be deployed as they are written:\n{lines}")
    return {path.stem: manifests.load(path).document for path in files}
