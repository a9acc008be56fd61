"""The roles of whoever previews, deploys and, once in a while, breaks the glass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from pulumi import ComponentResource, Output, ResourceOptions
from pulumi_aws import iam

from bootstrap import breaking, compute, reading, writing
from bootstrap.boundary import boundary
from bootstrap.scope import PROJECT, ROLES_PATH, Scope
from bootstrap.settings import Settings
from bootstrap.state import StateStore
from bootstrap.trust import people, workflows

POLICY_LIMIT = 6144
"""Characters of a managed policy, white space not counted (IAM User Guide, IAM and AWS STS quotas)."""

HOUR_S = 3600

Document = dict[str, Any] | Output[dict[str, Any]]


class Roles(ComponentResource):
    """The preview role, a deploy role for each stack, the administrator, and the environments' boundary.

    - `trawler-preview` reads: descriptions and the stacks' state. Pull requests of the repository and its main
      branch become it. Code of a pull request runs with it, so it reads no secret, message, item or page.
    - `trawler-deploy-<stack>` changes that stack, and deletes nothing that holds data. The workflows of the GitHub
      environment of the same name become it, after the approval which that environment asks for.
    - `trawler-admin` may all of that in every stack, and delete. People become it, with a second factor.

    Each is below a path which none of them can write to. Idle cost: none.
    """

    def __init__(
        self,
        name: str,
        settings: Settings,
        region: str,
        state: StateStore,
        provider_arn: Output[str],
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("trawler:bootstrap:Roles", name, {}, opts)
        self._name, self._state = name, state
        everything = Scope(settings.account, region, "*", settings.domain)
        self.boundary_arn: Output[str] | None = None
        known_boundary: str | None = None
        if settings.boundary:
            made = self._managed("boundary", f"{PROJECT}-boundary", boundary(everything))
            self.boundary_arn = made.arn
            # The same, known before it is made: policies can be read in a preview.
            known_boundary = f"arn:aws:iam::{settings.account}:policy{ROLES_PATH}{PROJECT}-boundary"
        describe = self._managed("describe", f"{PROJECT}-describe", reading.descriptions(everything))

        github = Output.from_input(provider_arn)
        self.preview = self._role(
            "preview",
            f"{PROJECT}-preview",
            github.apply(
                lambda arn: workflows(
                    settings, arn, ["pull_request", f"ref:refs/heads/{settings.main_branch}"]
                )
            ),
            {
                "describe": describe,
                **self._own("preview", {"state": self._on_state(reading.state, everything)}),
            },
        )
        self.deploy: dict[str, iam.Role] = {}
        for stack in settings.stacks:
            self.deploy[stack] = self._role(
                f"deploy-{stack}",
                f"{PROJECT}-deploy-{stack}",
                github.apply(lambda arn, stack=stack: workflows(settings, arn, [f"environment:{stack}"])),
                {
                    "describe": describe,
                    **self._own(
                        f"deploy-{stack}", self._deploy(replace(everything, stack=stack), known_boundary)
                    ),
                },
            )
        self.admin = self._role(
            "admin",
            f"{PROJECT}-admin",
            people(settings),
            {
                "describe": describe,
                **self._own(
                    "admin",
                    {
                        **self._deploy(everything, known_boundary),
                        "deletions": self._on_state(breaking.deletions, everything),
                    },
                ),
            },
        )
        self.register_outputs({"preview": self.preview.arn, "admin": self.admin.arn})

    def _deploy(self, scope: Scope, boundary_arn: str | None) -> dict[str, Document]:
        return {
            "making": compute.making(scope),
            "changing": compute.changing(scope),
            "balancing": writing.balancing(scope),
            "data": writing.data(scope),
            "roles": writing.roles(scope, boundary_arn),
            "state": self._on_state(writing.state, scope),
        }

    def _on_state(self, policy: Callable[[Scope, str, str], dict[str, Any]], scope: Scope) -> Document:
        return Output.all(self._state.bucket.arn, self._state.key.arn).apply(
            lambda arns: policy(scope, *arns)
        )

    def _own(self, role: str, documents: Mapping[str, Document]) -> dict[str, iam.Policy]:
        """A policy for each document: together they are longer than one may be."""
        return {
            part: self._managed(f"{role}-{part}", f"{PROJECT}-{role}-{part}", document)
            for part, document in documents.items()
        }

    def _managed(self, kind: str, physical_name: str, document: Document) -> iam.Policy:
        return iam.Policy(
            f"{self._name}-{kind}",
            name=physical_name,
            path=ROLES_PATH,
            policy=Output.json_dumps(document, separators=(",", ":")),
            opts=ResourceOptions(parent=self),
        )

    def _role(
        self, kind: str, physical_name: str, trust: Document, policies: Mapping[str, iam.Policy]
    ) -> iam.Role:
        # Named: workflows and stack files say the ARN.
        role = iam.Role(
            f"{self._name}-{kind}",
            name=physical_name,
            path=ROLES_PATH,
            assume_role_policy=Output.json_dumps(trust),
            # An update waits for machines; a preview waits for nothing.
            max_session_duration=HOUR_S if kind == "preview" else 2 * HOUR_S,
            opts=ResourceOptions(parent=self),
        )
        for part, policy in policies.items():
            iam.RolePolicyAttachment(
                f"{self._name}-{kind}-{part}",
                role=role.name,
                policy_arn=policy.arn,
                opts=ResourceOptions(parent=self),
            )
        return role
