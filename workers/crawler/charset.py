"""From bytes to text: a page's declared charset is a claim, not a fact."""

import re

from charset_normalizer import from_bytes
from w3lib.encoding import html_body_declared_encoding, http_content_type_encoding, read_bom, resolve_encoding

_SINGLE_BYTE = {"cp1252", "iso8859-1", "latin-1", "ascii", "iso8859-15"}


def decode_html(body: bytes, content_type: str = "") -> str:
    """The page's text, by byte order mark, then what the bytes prove, then header, meta, and detection.

    Bytes that are valid UTF-8 with multi-byte characters are UTF-8 whatever a header says: by chance no other
    encoding looks like it, and servers with a wrong default header are common. Undecodable bytes become U+FFFD.
    """
    encoding, mark = read_bom(body)
    if encoding is not None and mark is not None:
        return body[len(mark) :].decode(encoding, "replace")
    if not body.isascii():
        try:
            return body.decode("utf-8")
        except UnicodeDecodeError as error:
            # A page cut off at the size limit may end inside a character.
            if error.start >= len(body) - 4 and error.reason == "unexpected end of data":
                return body.decode("utf-8", "replace")
    for declared in (
        http_content_type_encoding(content_type or None),
        html_body_declared_encoding(body[:4_096]),
    ):
        encoding = resolve_encoding(declared) if declared else None
        if encoding is None:
            continue
        try:
            text = body.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
        if not (encoding in _SINGLE_BYTE and re.search("[\x80-\x9f]", text)):
            return text
    if body.isascii():
        return body.decode("ascii")
    best = from_bytes(body[:65_536]).best()
    return body.decode(best.encoding if best else "cp1252", "replace")
