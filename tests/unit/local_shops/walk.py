"""A crawl without manners, for tests: every page of a shop that its links and sitemaps lead to."""

import gzip
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, urldefrag, urlencode, urljoin, urlsplit

import requests
from lxml import html

from local.shops.truth import ShopTruth

PATIENCE = 4
LOC = re.compile(r"<loc>\s*(\S+)\s*</loc>")


def canonical(url: str) -> str:
    parts = urlsplit(urldefrag(url)[0])
    query = [(k, v) for k, v in parse_qsl(parts.query) if not k.startswith("utm_") and k != "sid"]
    return parts._replace(query=urlencode(query)).geturl()


def get(session: requests.Session, url: str) -> requests.Response:
    """The answer, after as many tries as the corners want; waits for nobody."""
    for _ in range(PATIENCE):
        try:
            answer = session.get(url, allow_redirects=False, timeout=10)
        except requests.exceptions.RequestException:
            continue
        if answer.status_code not in {429, 500, 502, 503}:
            return answer
    raise AssertionError(f"{url} never behaves")


def sitemap_urls(session: requests.Session, base: str) -> list[str]:
    robots = get(session, base + "robots.txt").text
    urls: list[str] = []
    for index in re.findall(r"^Sitemap: (\S+)$", robots, re.MULTILINE):
        for sitemap in LOC.findall(get(session, index).text):
            urls += LOC.findall(gzip.decompress(get(session, sitemap).content).decode())
    return urls


def walk(truth: ShopTruth, *, sitemaps: bool = True) -> Mapping[str, requests.Response]:
    """URL → answer for every HTML page with status 200 that robots.txt allows; calendars and orders left out."""
    pages: dict[str, requests.Response] = {}
    with requests.Session() as session:
        todo = [truth.base, *(sitemap_urls(session, truth.base) if sitemaps else [])]
        seen: set[str] = set()
        while todo:
            url = canonical(todo.pop())
            path = "/" + url.removeprefix(truth.base)
            skipped = "/calendar/" in url or "sort=" in url or path.startswith(truth.disallowed)
            if url in seen or not url.startswith(truth.base) or skipped or url.endswith(".pdf"):
                continue
            seen.add(url)
            answer = get(session, url)
            if answer.is_redirect:
                todo.append(urljoin(url, answer.headers["Location"]))
            elif answer.ok and answer.headers["Content-Type"].startswith("text/html"):
                pages[url] = answer
                todo += links(url, answer.content)
    return pages


def links(url: str, page: bytes) -> list[str]:
    document = html.fromstring(page)
    base = urljoin(url, next(iter(document.xpath("//base/@href")), ""))
    found: list[str] = []
    for href in document.xpath("//a/@href"):
        try:
            found.append(urljoin(base, href))
        except ValueError:  # "http://[broken": every shop has such a link
            continue
    return found
