"""The part of the Pulumi engine that a provider sees: it checks, diffs, and then makes or changes."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import Any

import grpc
from pulumi.runtime.proto import provider_pb2 as rpc
from pulumi.runtime.proto import provider_pb2_grpc

from local.aws.provider.wire import Props, from_struct, plain, to_struct


class CheckFailed(Exception):  # noqa: N818 - what Check answered
    """Check refused the inputs: {property: reason}."""

    def __init__(self, failures: dict[str, str]) -> None:
        super().__init__(failures)
        self.failures = failures


@dataclass
class Resource:
    """A resource in state."""

    token: str
    name: str
    id: str = ""
    inputs: Props = field(default_factory=dict)
    outputs: Props = field(default_factory=dict)

    @property
    def urn(self) -> str:
        """Under a component, as most are."""
        return f"urn:pulumi:t::p::trawler:x:Part${self.token}::{self.name}"


class Engine:
    """Talks to one provider."""

    def __init__(self, channel: grpc.Channel, config: dict[str, Any]) -> None:
        self.provider: Any = provider_pb2_grpc.ResourceProviderStub(channel)
        texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
        self.provider.Configure(rpc.ConfigureRequest(args=to_struct(texts), acceptSecrets=True))

    def check(self, token: str, name: str, news: Props, olds: Props | None = None, **more: Any) -> Props:
        """Checked inputs; raises CheckFailed."""
        urn = Resource(token, name).urn
        request = rpc.CheckRequest(
            urn=urn, news=to_struct(news), olds=to_struct(olds or {}), randomSeed=os.urandom(32), **more
        )
        answer = self.provider.Check(request)
        if answer.failures:
            raise CheckFailed({failure.property: failure.reason for failure in answer.failures})
        return from_struct(answer.inputs)

    def diff(self, resource: Resource, inputs: Props) -> Any:
        """The provider's DiffResponse for other checked inputs."""
        return self.provider.Diff(
            rpc.DiffRequest(
                id=resource.id,
                urn=resource.urn,
                olds=to_struct(resource.outputs),
                old_inputs=to_struct(resource.inputs),
                news=to_struct(inputs),
            )
        )

    def preview(self, token: str, name: str, news: Props) -> Resource:
        """A resource as a preview would show it."""
        inputs = self.check(token, name, news)
        resource = Resource(token, name, "", inputs)
        request = rpc.CreateRequest(urn=resource.urn, properties=to_struct(inputs), preview=True)
        resource.outputs = from_struct(self.provider.Create(request).properties)
        return resource

    def create(self, token: str, name: str, news: Props) -> Resource:
        """Makes a resource."""
        inputs = self.check(token, name, news)
        resource = Resource(token, name, "", inputs)
        answer = self.provider.Create(rpc.CreateRequest(urn=resource.urn, properties=to_struct(inputs)))
        resource.id, resource.outputs = answer.id, from_struct(answer.properties)
        return resource

    def change(self, resource: Resource, news: Props, *, preview: bool = False) -> list[str]:
        """Updates in place; the changed paths. Fails when the provider wants a replacement."""
        inputs = self.check(resource.token, resource.name, news, resource.inputs)
        found = self.diff(resource, inputs)
        assert not found.replaces, f"replaces because of {list(found.replaces)}"
        if found.changes == rpc.DiffResponse.DIFF_SOME:
            answer = self.provider.Update(
                rpc.UpdateRequest(
                    id=resource.id,
                    urn=resource.urn,
                    olds=to_struct(resource.outputs),
                    old_inputs=to_struct(resource.inputs),
                    news=to_struct(inputs),
                    preview=preview,
                )
            )
            resource.outputs = from_struct(answer.properties)
            resource.inputs = inputs
        return sorted(found.detailedDiff)

    def drift(self, resource: Resource, news: Props) -> list[str] | None:
        """Paths in which what is there differs from the program; None when it is gone. State follows, as on refresh."""
        answer = self.provider.Read(
            rpc.ReadRequest(
                id=resource.id,
                urn=resource.urn,
                properties=to_struct(resource.outputs),
                inputs=to_struct(resource.inputs),
            )
        )
        if not answer.id:
            return None
        resource.inputs, resource.outputs = from_struct(answer.inputs), from_struct(answer.properties)
        inputs = self.check(resource.token, resource.name, news, resource.inputs)
        return sorted(self.diff(resource, inputs).detailedDiff)

    def adopt(self, token: str, name: str, identity: str) -> Resource | None:
        """What `pulumi import` gets for an id; None when nothing is there."""
        resource = Resource(token, name, identity)
        answer = self.provider.Read(rpc.ReadRequest(id=identity, urn=resource.urn))
        resource.inputs, resource.outputs = from_struct(answer.inputs), from_struct(answer.properties)
        return resource if answer.id else None

    def delete(self, resource: Resource) -> None:
        """Deletes a resource."""
        self.provider.Delete(
            rpc.DeleteRequest(id=resource.id, urn=resource.urn, properties=to_struct(resource.outputs))
        )

    def invoke(self, token: str, args: Props) -> Props:
        """A function's outputs; raises CheckFailed."""
        answer = self.provider.Invoke(rpc.InvokeRequest(tok=token, args=to_struct(args)))
        if answer.failures:
            raise CheckFailed({failure.property: failure.reason for failure in answer.failures})
        return plain(from_struct(getattr(answer, "return")))


def in_state(engine: Engine, token: str, news: Props) -> Resource:
    """A resource as if it had been made with these inputs."""
    resource = engine.preview(token, "thing", news)
    resource.id = "id"
    return resource


def changes(engine: Engine, token: str, before: Props, after: Props) -> dict[str, str]:
    """{path: kind} of going from one program to another."""
    resource = in_state(engine, token, before)
    inputs = engine.check(token, "thing", after, resource.inputs)
    kinds = ("ADD", "ADD_REPLACE", "DELETE", "DELETE_REPLACE", "UPDATE", "UPDATE_REPLACE")
    return {path: kinds[entry.kind] for path, entry in engine.diff(resource, inputs).detailedDiff.items()}
