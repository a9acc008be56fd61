"""GitHub Actions as an identity provider of the account."""

from __future__ import annotations

from pulumi import ComponentResource, Output, ResourceOptions
from pulumi_aws import iam

from bootstrap.trust import AUDIENCE, ISSUER


class GitHub(ComponentResource):
    """GitHub's identity provider: made, or the one that the account has.

    AWS checks GitHub's certificate by its own trust store, so no thumbprint is given (IAM User Guide, Create an
    OpenID Connect identity provider). Which workflows get in is each role's trust policy. Idle cost: none.
    """

    def __init__(self, name: str, account: str, create: bool, opts: ResourceOptions | None = None) -> None:
        super().__init__("trawler:bootstrap:GitHub", name, {}, opts)
        if create:
            provider = iam.OpenIdConnectProvider(
                f"{name}-provider",
                url=f"https://{ISSUER}",
                client_id_lists=[AUDIENCE],
                opts=ResourceOptions(parent=self),
            )
            self.provider_arn = provider.arn
        else:
            self.provider_arn = Output.from_input(f"arn:aws:iam::{account}:oidc-provider/{ISSUER}")
        self.register_outputs({"providerArn": self.provider_arn})
