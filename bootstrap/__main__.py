"""An account's preparation: read the settings, wire the components, export what the next steps need."""

from __future__ import annotations

import pulumi
from pulumi_aws import get_caller_identity

from bootstrap.errors import BootstrapError, SettingsError
from bootstrap.github import GitHub
from bootstrap.roles import Roles
from bootstrap.settings import FILE, load
from bootstrap.state import KEY_ALIAS, StateStore


def main() -> None:
    """Register every resource."""
    settings, region = load()
    actual = get_caller_identity().account_id
    if actual != settings.account:
        raise SettingsError(
            f"these credentials are of account {actual}, but {FILE} is for {settings.account}: "
            "take the credentials of that account, or correct the key 'account'"
        )
    state = StateStore(
        "state", settings.account, settings.state_bucket or f"trawler-state-{settings.account}-{region}"
    )
    github = GitHub("github", settings.account, create=settings.oidc_provider == "create")
    roles = Roles("roles", settings, region, state, github.provider_arn)

    pulumi.export("region", region)
    pulumi.export("repository", settings.repository)
    pulumi.export("backendUrl", state.url)
    pulumi.export("secretsProvider", f"awskms://{KEY_ALIAS}?region={region}")
    pulumi.export("previewRole", roles.preview.arn)
    pulumi.export("deployRoles", {stack: role.arn for stack, role in roles.deploy.items()})
    pulumi.export("adminRole", roles.admin.arn)
    pulumi.export("permissionsBoundary", roles.boundary_arn)


try:
    main()
except BootstrapError as e:
    # Shown as one diagnostic without a traceback: the text says what and where.
    raise pulumi.RunError(str(e)) from None
