"""Items into the items table; with them their page is done."""

from crawler.context import Context
from crawler.frontier.rows import Row
from crawler.messages import Message, Store
from crawler.outcome import Dead, Done, KeepItems, Move, Outcome


class StoreStage:
    """The store stage."""

    async def handle(self, message: Message, row: Row | None, context: Context) -> Outcome:  # noqa: ARG002
        """The page's items are to be kept, unless its row has moved on."""
        if not isinstance(message, Store):
            return Dead("not a store message", poison=True)
        if row is None:
            return Done(note="row unknown")
        if row.state not in {"queued", "fetched"}:
            return Done(note="already settled")
        keep = KeepItems(message.crawl, message.shop, message.row, tuple(message.items), message.fetched_at)
        mark = Move(row, "done", also=frozenset({"queued", "fetched"}))
        return Done(writes=(keep,), marks=(mark,), note="stored")
