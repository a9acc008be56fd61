"""OpenID Connect providers that IAM roles trust.

Source: the IAM API reference.
"""

from __future__ import annotations

from local.aws.provider.declaration import Resource, inputs, tag_list, tag_map
from local.aws.provider.session import Operation
from local.aws.provider.wire import Props


def _create(op: Operation, props: Props) -> str:
    answer = op.client().create_open_id_connect_provider(
        Url=props["url"],
        ClientIDList=props["clientIdLists"],
        ThumbprintList=props.get("thumbprintLists") or [],
        Tags=tag_list(props["tagsAll"]),
    )
    return str(answer["OpenIDConnectProviderArn"])


def _read(op: Operation, arn: str, state: Props) -> Props | None:
    found = op.client().get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    url = str(state.get("url") or f"https://{found['Url']}")
    return {
        "arn": arn,
        # IAM answers without the scheme.
        "url": url if url.removeprefix("https://").rstrip("/") == found["Url"] else f"https://{found['Url']}",
        "clientIdLists": found.get("ClientIDList", []),
        "thumbprintLists": found.get("ThumbprintList", []),
        "tagsAll": tag_map(found.get("Tags")),
    }


def _update(op: Operation, arn: str, old: Props, new: Props) -> None:
    client = op.client()
    if set(old["clientIdLists"]) != set(new["clientIdLists"]):
        # moto can neither add nor remove one: the provider is made anew, its ARN follows from its URL (oidc-clients).
        client.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)
        _create(op, new)
    elif new.get("thumbprintLists") and old.get("thumbprintLists") != new["thumbprintLists"]:
        client.update_open_id_connect_provider_thumbprint(
            OpenIDConnectProviderArn=arn, ThumbprintList=new["thumbprintLists"]
        )


def _tag(op: Operation, arn: str, tags: dict[str, str], removed: list[str]) -> None:
    client = op.client()
    if removed:
        client.untag_open_id_connect_provider(OpenIDConnectProviderArn=arn, TagKeys=removed)
    if tags:
        client.tag_open_id_connect_provider(OpenIDConnectProviderArn=arn, Tags=tag_list(tags))


OPEN_ID_CONNECT_PROVIDER = Resource(
    kind="aws:iam/openIdConnectProvider:OpenIdConnectProvider",
    service="iam",
    create=_create,
    read=_read,
    update=_update,
    delete=lambda op, arn, _: op.client().delete_open_id_connect_provider(OpenIDConnectProviderArn=arn),
    tag=_tag,
    implements=inputs("clientIdLists thumbprintLists url"),
)

RESOURCES = (OPEN_ID_CONNECT_PROVIDER,)
