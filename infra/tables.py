"""The two tables: the frontier (every URL of a crawl) and the items (what was found)."""

from __future__ import annotations

from pulumi import ComponentResource, ResourceOptions
from pulumi_aws import dynamodb

from infra.protection import stateful


class Tables(ComponentResource):
    """The frontier and items tables, billed on demand, encrypted, with point-in-time recovery.

    Frontier: `crawl` + `row`; index `pending` (`pending` + `due_at`) holds only rows that wait to be fetched;
    rows of old crawls expire by `expires_at`. Items: `shop` + `item`. Idle cost: storage only.
    A change of a key or name replaces the table and loses its rows.
    """

    def __init__(
        self, name: str, name_prefix: str, protect: bool, opts: ResourceOptions | None = None
    ) -> None:
        super().__init__("trawler:infra:Tables", name, {}, opts)
        kept = stateful(self, protect)
        self.frontier = dynamodb.Table(
            f"{name}-frontier",
            name=f"{name_prefix}-frontier",
            billing_mode="PAY_PER_REQUEST",
            hash_key="crawl",
            range_key="row",
            attributes=[
                {"name": "crawl", "type": "S"},
                {"name": "row", "type": "S"},
                {"name": "pending", "type": "S"},
                {"name": "due_at", "type": "N"},
            ],
            global_secondary_indexes=[
                {"name": "pending", "hash_key": "pending", "range_key": "due_at", "projection_type": "ALL"}
            ],
            ttl={"attribute_name": "expires_at", "enabled": True},
            point_in_time_recovery={"enabled": True},
            server_side_encryption={"enabled": True},
            deletion_protection_enabled=protect,
            opts=kept,
        )
        self.items = dynamodb.Table(
            f"{name}-items",
            name=f"{name_prefix}-items",
            billing_mode="PAY_PER_REQUEST",
            hash_key="shop",
            range_key="item",
            attributes=[{"name": "shop", "type": "S"}, {"name": "item", "type": "S"}],
            point_in_time_recovery={"enabled": True},
            server_side_encryption={"enabled": True},
            deletion_protection_enabled=protect,
            opts=kept,
        )
        self.register_outputs({"frontier": self.frontier.name, "items": self.items.name})
