"""Messages of neighbouring versions are understood; anything else says what is wrong with it."""

import msgspec
import pytest

from crawler.errors import InvalidMessageError
from crawler.messages import (
    HISTORY,
    VERSION,
    Fetch,
    Item,
    Message,
    Parse,
    Pump,
    Store,
    decode,
    encode,
    next_attempt,
)

URL = "https://shop.example/a"
MESSAGES: list[Message] = [
    Pump(crawl="c", shop="s", turn=3),
    Fetch(crawl="c", shop="s", url=URL, host="shop.example", kind="sitemap", depth=2, attempt=1),
    Parse(crawl="c", shop="s", url=URL, host="shop.example", body=b"\x00\xff", fetched_at=1.5),
    Store(crawl="c", shop="s", url=URL, host="shop.example", items=[Item(url=URL, name="é")], fetched_at=1.5),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_what_was_written_is_read(message: Message) -> None:
    assert decode(encode(message)) == message


@pytest.mark.parametrize("version", [VERSION - 1, VERSION + 1])
def test_a_neighbouring_version_with_unknown_fields_is_read(version: int) -> None:
    given = msgspec.json.decode(encode(MESSAGES[1]))
    body = msgspec.json.encode({**given, "v": version, "later": {"a": [1]}}).decode()
    assert decode(body) == msgspec.structs.replace(MESSAGES[1], v=version)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("", "not a message"),
        ("{", "not a message"),
        ("[1]", "not a message"),
        ('{"type": "fetch"}', "missing required field"),
        ('{"type": "dance", "crawl": "c"}', "dance"),
        ('{"type": "pump", "crawl": "c", "shop": "s", "turn": -1}', "turn"),
        ('{"type": "pump", "crawl": "", "shop": "s", "turn": 1}', "crawl"),
        ('{"type": "pump", "v": 9, "crawl": "c", "shop": "s", "turn": 1}', "version 9"),
        ('{"type": "pump", "crawl": "\\ud800", "shop": "s", "turn": 1}', "not a message"),
    ],
)
def test_an_unreadable_message_says_why(body: str, why: str) -> None:
    with pytest.raises(InvalidMessageError, match=why):
        decode(body)


def test_the_next_attempt_remembers_the_last_reasons() -> None:
    message: Message = MESSAGES[2]
    for number in range(HISTORY + 2):
        message = next_attempt(message, f"reason {number}")
    assert (message.attempt, len(message.history), message.history[-1]) == (HISTORY + 2, HISTORY, "reason 6")
