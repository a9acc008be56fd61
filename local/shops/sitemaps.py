"""The sitemaps of a shop that has them: an index that names gzip files, as sitemaps.org describes both."""

import gzip
from collections.abc import Collection, Iterable
from typing import Final
from xml.sax.saxutils import escape

from local.shops.answer import Answer
from local.shops.model import Shop

INDEX_PATH: Final = "/sitemap_index.xml"
#: URLs a sitemap: small, so that every shop has several.
SITEMAP_SIZE: Final = 40

_NAMESPACE: Final = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'


def files(shop: Shop, base: str, moved: Collection[str]) -> dict[str, Answer]:
    """Path → answer, for the index and the sitemaps it names.

    They hold every product but the `moved` ones (SKUs), those linked nowhere among them, and besides a page
    that is gone and one that robots.txt disallows: a sitemap is no permission.
    """
    root = base.rstrip("/")
    paths = ["/", "/about", "/gone/listed", shop.forbidden[0].path]
    paths += [product.path for product in shop.products if product.sku not in moved]
    parts = [paths[start : start + SITEMAP_SIZE] for start in range(0, len(paths), SITEMAP_SIZE)]
    names = [f"/sitemaps/produkty-{number}.xml.gz" for number in range(1, len(parts) + 1)]
    made = {
        name: Answer(body=_sitemap(root, part), content_type="application/x-gzip")
        for name, part in zip(names, parts, strict=True)
    }
    made[INDEX_PATH] = Answer(
        body=_document("sitemapindex", "sitemap", (root + name for name in names)),
        content_type="application/xml; charset=utf-8",
    )
    return made


def _sitemap(root: str, paths: Iterable[str]) -> bytes:
    return gzip.compress(_document("urlset", "url", (root + path for path in paths)), mtime=0)


def _document(root: str, entry: str, urls: Iterable[str]) -> bytes:
    # Whitespace around the address, as many generators leave it.
    entries = "\n".join(
        f"  <{entry}>\n    <loc>\n      {escape(url)}\n    </loc>\n  </{entry}>" for url in urls
    )
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} {_NAMESPACE}>\n{entries}\n</{root}>\n'.encode()
