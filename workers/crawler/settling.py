"""From an outcome to the effects the runner carries out. Pure."""

import asyncio
from dataclasses import dataclass, field, replace

from crawler.context import Context
from crawler.frontier.rows import Row, State
from crawler.messages import Message, next_attempt
from crawler.outcome import Dead, Done, Move, Outcome, Pause, Retry, Send, Write
from crawler.queues import Received

_OPEN: frozenset[State] = frozenset({"discovered", "queued", "fetched"})


@dataclass(frozen=True, slots=True)
class Delivery:
    """A received message, understood."""

    received: Received
    message: Message
    row: Row | None
    """Its URL's row, where it has one."""


@dataclass(slots=True)
class Settled:
    """What is left to do for one message (or for none: an idle worker's own idea)."""

    received: Received | None
    writes: tuple[Write, ...] = ()
    sends: tuple[Send, ...] = ()
    marks: tuple[Move, ...] = ()
    dead_letter: str | None = None
    """The reason, where a copy goes to the dead letter queue."""
    history: tuple[str, ...] = ()
    delete: bool = True
    stale: bool = False
    """Somebody else was first: no further effect, only the delete."""
    retries: int = 0
    committed: "asyncio.Future[bool] | None" = field(default=None, repr=False)
    """Set once the effects stand (True) or could not be had (False)."""


def settle(delivery: Delivery, outcome: Outcome, context: Context) -> Settled:
    """The effects of an outcome.

    A fetch is tried again from the frontier: its row is discovered once more under the next attempt, and the pump
    sends it. Another stage's message is tried again as a copy at its queue's tail.
    """
    message, row = delivery.message, delivery.row
    match outcome:
        case Done():
            return Settled(delivery.received, outcome.writes, outcome.sends, outcome.marks)
        case Pause():
            return Settled(delivery.received, marks=outcome.marks, delete=False)
        case Retry():
            return _retry(delivery, outcome, context)
        case Dead():
            return Settled(
                delivery.received,
                marks=_dead(row, outcome) if row else (),
                dead_letter=outcome.reason if outcome.poison else None,
                history=tuple(message.history),
            )


def _retry(delivery: Delivery, outcome: Retry, context: Context) -> Settled:
    message, row = delivery.message, delivery.row
    by_row = context.settings.stage == "fetch" and row is not None
    attempts = (row.attempts if by_row and row else message.attempt) + 1
    if attempts >= context.settings.max_attempts:
        dead = Dead(outcome.reason, poison=outcome.poison)
        return replace(settle(delivery, dead, context), writes=outcome.writes_at_limit)
    after_s = context.backoff(attempts - 1) if outcome.after_s is None else outcome.after_s
    if by_row and row:
        due_at = context.now() + after_s
        move = Move(row, "discovered", attempts=attempts, due_at=due_at, reason=outcome.reason)
        return Settled(delivery.received, marks=(move,))
    copy = Send(context.settings.stage, next_attempt(message, outcome.reason), delay_s=after_s)
    return Settled(delivery.received, sends=(copy,))


def _dead(row: Row, outcome: Dead) -> tuple[Move, ...]:
    if row.state not in _OPEN:
        return ()
    return (Move(row, "dead", also=_OPEN, reason=outcome.reason[:500], counters=outcome.counters),)
