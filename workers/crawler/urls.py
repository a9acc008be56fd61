"""One page, one URL: canonical form, and which URLs of a shop are crawled at all."""

import re
from urllib.parse import parse_qsl, urlsplit, urlunsplit

import w3lib.url

from crawler.shops import Shop

LONGEST = 2_000
"""Characters of a URL; longer ones are traps, and no browser of the past took them."""

_TRACKING = re.compile(
    r"^(utm_\w+|gclid|gclsrc|gbraid|wbraid|dclid|fbclid|msclkid|yclid|mc_[ce]id|_ga|_gl|igshid"
    r"|phpsessid|jsessionid|aspsessionid\w*|cfid|cftoken|session_?id|osCsid|zenid)$",
    re.IGNORECASE,
)
# `sid` may also name a seller: only what looks like a random token goes.
_MAYBE_SESSION = re.compile(r"^(sid|s|session|sess)$", re.IGNORECASE)
_TOKEN = re.compile(r"^[0-9a-f-]{16,}$", re.IGNORECASE)
_PATH_SESSION = re.compile(r";(jsessionid|phpsessid|sid)=[^/?;]*", re.IGNORECASE)
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def canonical(url: str, strip_parameters: tuple[str, ...] = ()) -> str | None:
    """The one form under which a page is known: sorted query, no fragment, no tracking or session parameters.

    Args:
        url: an absolute URL.
        strip_parameters: further query parameters that name no other page.

    Returns:
        The canonical URL; None where it is not http(s), has no host, carries a password, or is too long.
    """
    url = url.strip()
    if len(url) > 2 * LONGEST:
        return None
    try:
        parts = urlsplit(url)
        scheme = parts.scheme.lower()
        if scheme not in _DEFAULT_PORTS or not parts.hostname or parts.username is not None:
            return None
        _ = parts.port  # raises where it is no number
        dropped = [
            name
            for name, value in parse_qsl(parts.query, keep_blank_values=True)
            if name in strip_parameters
            or _TRACKING.match(name)
            or (_MAYBE_SESSION.match(name) and _TOKEN.match(value))
        ]
        if dropped:
            url = w3lib.url.url_query_cleaner(url, dropped, remove=True, unique=False)
        url = _PATH_SESSION.sub("", w3lib.url.canonicalize_url(url))
        parts = urlsplit(url)
        netloc = parts.netloc.lower().removesuffix(_DEFAULT_PORTS[scheme]).removesuffix(".")
        url = urlunsplit((scheme, netloc, parts.path or "/", parts.query, ""))
    except (ValueError, UnicodeError):
        return None
    return url if len(url) <= LONGEST else None


def host_of(url: str) -> str:
    """The canonical URL's host, with its port where it is not the scheme's own."""
    return urlsplit(url).netloc


class Scope:
    """Which canonical URLs belong to a shop's crawl."""

    def __init__(self, shop: Shop) -> None:
        self.hosts = frozenset(shop.hosts)
        self._strip = shop.strip_parameters
        self._include = [re.compile(text) for text in shop.include]
        self._exclude = [re.compile(text) for text in shop.exclude]

    def canonical(self, url: str) -> str | None:
        """The canonical form under this shop's rules."""
        return canonical(url, self._strip)

    def holds(self, url: str, *, page: bool = True) -> bool:
        """Whether a canonical URL is on an allowed host and, for pages, named by include and not by exclude."""
        parts = urlsplit(url)
        if parts.netloc not in self.hosts:
            return False
        if not page:
            return True
        text = parts.path + (f"?{parts.query}" if parts.query else "")
        if self._include and not any(regex.search(text) for regex in self._include):
            return False
        return not any(regex.search(text) for regex in self._exclude)
