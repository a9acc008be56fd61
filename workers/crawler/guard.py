"""No request to private addresses, whatever a page, a redirect or the DNS says (server-side request forgery)."""

import ipaddress
import socket
from collections.abc import Iterable

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from crawler.errors import RefusedError

_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Whether an IP address is reachable on the open internet.

    Loopback, link-local (the metadata service), private, shared and reserved ranges are not; nor are IPv6 forms that
    carry such an IPv4 address (mapped, 6to4, Teredo, NAT64).
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if not ip.is_global or ip.is_multicast or ip.is_reserved:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
        if ip in _NAT64:
            inner.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
        return all(is_public(str(v4)) for v4 in inner if v4 is not None)
    return True


class Guard:
    """Decides by address, after the name was resolved.

    Args:
        private_hosts: `host:port` that may be private; empty in production.
    """

    def __init__(self, private_hosts: Iterable[str] = ()) -> None:
        self._private_hosts = frozenset(private_hosts)

    def lets_through(self, host: str, port: int) -> bool:
        """Whether host and port are on the explicit list."""
        return f"{host.lower()}:{port}" in self._private_hosts

    def check_url(self, url: URL) -> None:
        """Nothing, for a URL that may be tried; names are judged once they are resolved.

        Raises:
            RefusedError: no http(s) URL, or its host is an address that is not public.
        """
        if url.scheme not in {"http", "https"} or not url.host or not url.port:
            raise RefusedError(f"not an http(s) URL: {url}")
        try:
            public = is_public(url.host)
        except ValueError:
            return  # a name: the resolver judges it
        if not public and not self.lets_through(url.host, url.port):
            raise RefusedError(f"private address {url.host}")


class GuardedResolver(AbstractResolver):
    """A resolver that only answers public addresses, so that what was checked is what is connected to."""

    def __init__(self, guard: Guard, inner: AbstractResolver | None = None) -> None:
        self._guard = guard
        self._inner = inner or ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The public addresses of a name.

        Raises:
            RefusedError: it has none.
        """
        answers = await self._inner.resolve(host, port, family)
        if self._guard.lets_through(host, port):
            return answers
        public = [answer for answer in answers if is_public(answer["host"])]
        if not public:
            raise RefusedError(f"{host} resolves to private addresses only")
        return public

    async def close(self) -> None:
        """The inner resolver is closed."""
        await self._inner.close()
