"""Sitemaps: XML, gzip or not, indexes, and plain lists of URLs. Source: sitemaps.org protocol."""

import io
import zlib
from urllib.parse import urljoin

from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]

MOST_URLS = 50_000
"""The protocol's own bound for one file."""
_LARGEST = 50 * 1024 * 1024


def read_sitemap(body: bytes, url: str) -> tuple[list[str], list[str]]:
    """The page URLs and the sitemap URLs a sitemap names, in order.

    Entities are not resolved and no network is used; a file cut off or broken in its middle gives what stands before.

    Args:
        body: as served; gzip is recognised by its first bytes.
        url: where it was found; relative URLs (which the protocol forbids) are resolved against it.
    """
    if body[:2] == b"\x1f\x8b":
        try:
            body = zlib.decompressobj(31).decompress(body, _LARGEST)
        except zlib.error:
            return [], []
    if body.lstrip()[:1] != b"<" and not body.startswith(b"\xef\xbb\xbf<"):
        lines = body.decode("utf-8", "replace").split()
        return [line for line in lines if line.startswith(("http://", "https://"))][:MOST_URLS], []
    pages: list[str] = []
    sitemaps: list[str] = []
    try:
        events = etree.iterparse(
            io.BytesIO(body),
            events=("end",),
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=False,
            recover=True,
        )
        for _, element in events:
            name = etree.QName(element.tag).localname if isinstance(element.tag, str) else ""
            if name == "loc" and element.text:
                parent = element.getparent()
                above = etree.QName(parent.tag).localname if parent is not None else ""
                if above in {"url", "sitemap"}:
                    (pages if above == "url" else sitemaps).append(urljoin(url, element.text.strip()))
            elif name in {"url", "sitemap"}:
                element.clear()
                while element.getprevious() is not None:  # or the tree grows with the file
                    del element.getparent()[0]
            if len(pages) + len(sitemaps) >= MOST_URLS:
                break
    except etree.XMLSyntaxError:
        pass  # what was read before the fault counts
    return pages, sitemaps
