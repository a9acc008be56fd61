"""What an agent fetches into the sandbox before a task starts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from infra.marathon.app_fields import PLACEHOLDER, Fetch
from infra.marathon.lint.facts import Facts
from infra.marathon.lint.rule import App, AppRule, Found, Rule

_FETCHER = "Apache Mesos, docs/fetcher.md"
_ARCHIVES = (".tar", ".tgz", ".tar.gz", ".tbz2", ".tar.bz2", ".txz", ".tar.xz", ".zip", ".gz")
_DIGEST = re.compile(r"[0-9a-f]{12,}")


def _stored_name(fetch: Fetch) -> str:
    """The name under which the file lies in the sandbox: after the last slash, a query and all."""
    return fetch.destPath or fetch.uri.rpartition("/")[2]


def _query(app: App, _: Facts) -> Iterator[Found]:
    for i, fetch in enumerate(app.app.fetch):
        if "?" in fetch.uri or "#" in fetch.uri:
            sign = "a query string" if "?" in fetch.uri else "a fragment"
            yield Found(
                f"/fetch/{i}/uri", f"has {sign}", "use a plain URL that needs none, as ${release_uri} is"
            )


def _scheme(app: App, _: Facts) -> Iterator[Found]:
    for i, fetch in enumerate(app.app.fetch):
        where = f"/fetch/{i}/uri"
        if "\\" in fetch.uri or "'" in fetch.uri:
            yield Found(
                where, "has a backslash or a quotation mark, which the fetcher refuses", "leave it out"
            )
        elif PLACEHOLDER.match(fetch.uri):
            continue
        elif not re.match(r"https?://[^/]", fetch.uri):
            what = f"'{fetch.uri.partition(':')[0]}' is nothing that every agent can fetch"
            yield Found(where, what, "write an https URL")


def _encrypted(app: App, _: Facts) -> Iterator[Found]:
    for i, fetch in enumerate(app.app.fetch):
        if fetch.uri.startswith("http://"):
            what = "comes over plain HTTP, and the fetcher checks no digest"
            yield Found(f"/fetch/{i}/uri", what, "write an https URL")


def _extract(app: App, _: Facts) -> Iterator[Found]:
    for i, fetch in enumerate(app.app.fetch):
        name = _stored_name(fetch)
        if fetch.executable and fetch.extract and "extract" in _raw(app, i):
            what = "is true beside executable, and what is executable is never unpacked"
            yield Found(f"/fetch/{i}/extract", what, "keep one of the two")
        elif fetch.extract and not fetch.executable and not name.endswith(_ARCHIVES):
            if PLACEHOLDER.search(name):
                continue
            what = f"'{name}' has no ending that the fetcher unpacks, so it stays as it is"
            yield Found(f"/fetch/{i}", what, "write extract: false, or fetch an archive (.tar.gz, .zip, …)")


def _mutable(app: App, _: Facts) -> Iterator[Found]:
    for i, fetch in enumerate(app.app.fetch):
        if fetch.cache and not _DIGEST.search(fetch.uri) and not PLACEHOLDER.search(fetch.uri):
            what = "cached under a URI that says nothing of the content"
            yield Found(
                f"/fetch/{i}/cache", what, "put the content's digest into the URI, or write cache: false"
            )


def _pinned(app: App, _: Facts) -> Iterator[Found]:
    for i, fetch in enumerate(app.app.fetch):
        if not fetch.cache and not _DIGEST.search(fetch.uri) and not PLACEHOLDER.search(fetch.uri):
            what = "names a place, not a content: tasks started at two times may run two contents"
            yield Found(f"/fetch/{i}/uri", what, "put the content's digest into the URI")


def _dest_path(app: App, _: Facts) -> Iterator[Found]:
    seen: set[str] = set()
    for i, fetch in enumerate(app.app.fetch):
        if fetch.destPath and (fetch.destPath.startswith("/") or ".." in fetch.destPath.split("/")):
            what = f"{fetch.destPath} is not inside the sandbox, and the fetch fails"
            yield Found(f"/fetch/{i}/destPath", what, "write a relative path")
        elif (
            fetch.destPath and "/" in fetch.destPath and fetch.extract and fetch.destPath.endswith(_ARCHIVES)
        ):
            what = f"the archive lands in {fetch.destPath}, but it is unpacked into the sandbox's root all the same"
            yield Found(f"/fetch/{i}/destPath", what, "give the archive a top folder of that name instead")
        name = _stored_name(fetch)
        if name in seen:
            yield Found(
                f"/fetch/{i}", f"is stored as '{name}' over an earlier one", "give it a destPath of its own"
            )
        seen.add(name)


def _password(app: App, _: Facts) -> Iterator[Found]:
    for i, fetch in enumerate(app.app.fetch):
        try:
            parts = urlsplit(fetch.uri)
        except ValueError as e:
            yield Found(f"/fetch/{i}/uri", f"is no URI: {e}", "correct it")
            continue
        if parts.username or parts.password:
            what = "has a user name or password in it"
            yield Found(f"/fetch/{i}/uri", what, "serve it where the agents need none")


def _raw(app: App, i: int) -> dict[str, object]:
    return app.document["fetch"][i]


RULES: tuple[Rule, ...] = (
    AppRule(
        id="uri-query",
        severity="error",
        what="A URI has no query string and no fragment.",
        why="The fetcher takes it into the file's name, no longer sees an archive, and leaves it packed; a signature "
        "in it expires, and then no task can start.",
        reference=_FETCHER,
        reads=("fetch",),
        check=_query,
    ),
    AppRule(
        id="uri-scheme",
        severity="error",
        what="A URI is one that every agent can fetch: http or https.",
        why="Other schemes go through a Hadoop client that no agent has; Marathon checks none, and each task fails.",
        reference=_FETCHER,
        reads=("fetch",),
        check=_scheme,
    ),
    AppRule(
        id="uri-encrypted",
        severity="warning",
        what="A URI written in a manifest is https.",
        why="Whoever is on the way can put other code into every task.",
        reference=_FETCHER,
        reads=("fetch",),
        check=_encrypted,
    ),
    AppRule(
        id="uri-credential",
        severity="error",
        what="A URI holds no user name or password.",
        why="Everyone who reads Marathon reads it, and the fetcher writes it into the sandbox's log.",
        reference="RFC 3986, 3.2.1",
        reads=("fetch",),
        check=_password,
    ),
    AppRule(
        id="fetch-extract",
        severity="error",
        what="What is to be unpacked has an ending that the fetcher unpacks.",
        why="Anything else is kept as it is, with a warning in the sandbox that nobody reads.",
        reference="Apache Mesos, src/launcher/fetcher.cpp, extract",
        reads=("fetch",),
        check=_extract,
    ),
    AppRule(
        id="fetch-cache",
        severity="error",
        what="What is cached has its content's digest in the URI.",
        why="A cache entry is never refreshed: a changed object is served stale for as long as the agent lives.",
        reference=_FETCHER,
        reads=("fetch",),
        check=_mutable,
    ),
    AppRule(
        id="fetch-pinned",
        severity="warning",
        what="What is fetched has its content's digest in the URI.",
        why="A changed object is no change to Marathon: some tasks run the old content, restarted ones the new.",
        reference="Marathon 1.11, AppDefinition.scala, isUpgrade",
        reads=("fetch",),
        check=_pinned,
    ),
    AppRule(
        id="fetch-place",
        severity="error",
        what="Each file has a place of its own inside the sandbox, and an archive its top folder.",
        why="A path outside fails every task; a second file of one name replaces the first; an archive is unpacked "
        "into the sandbox's root wherever it lies.",
        reference="Apache Mesos, src/launcher/fetcher.cpp",
        reads=("fetch",),
        check=_dest_path,
    ),
)
