"""Which file of `workers/` goes into a release: by rule, never by luck.

A file is source and goes in, or is of a kind that stays out, or is refused. Nothing is left out in silence because
nobody thought of it: a file of an unknown kind is refused until somebody says which it is.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from enum import Enum, auto
from fnmatch import translate
from pathlib import PurePosixPath

IGNORE_FILE = ".releaseignore"
"""In the folder that is packed: patterns of `.gitignore`'s kind for what stays out of its release."""

SUFFIXES = frozenset({".py", ".pyi", ".toml", ".json", ".txt", ".typed", ".csv", ".html", ".xml", ".xsd"})
"""What a worker is made of."""

OUT_FOLDERS = frozenset(
    {
        # made by tools, different on each machine
        "__pycache__", ".git", ".hg", ".venv", "venv", "node_modules", "build", "dist",
        ".mypy_cache", ".pytest_cache", ".ruff_cache", ".tox", ".nox", ".idea", ".vscode",
        # nothing that runs: a task never tests itself
        "test", "tests", "docs",
    }
)  # fmt: skip

OUT_FILES = (
    # what the image is made of, not the release
    "Dockerfile", "Dockerfile.*", ".dockerignore", "requirements*.in", "requirements*.lock", "requirements*.txt",
    # tests beside the source
    "test_*.py", "*_test.py", "conftest.py",
    # for people and tools
    "*.md", "*.rst", "LICENSE*", ".gitignore", ".gitattributes", ".editorconfig", IGNORE_FILE,
    # left behind by tools
    "*.pyc", "*.pyo", "*.swp", "*.swo", "*~", "*.orig", "*.rej", "*.log", ".DS_Store", ".coverage", ".coverage.*",
)  # fmt: skip

CREDENTIAL_FOLDERS = frozenset({".aws", ".ssh", ".gnupg", ".docker", ".kube", ".azure"})
CREDENTIAL_FILES = (
    ".env", ".env.*", "*.env", "*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx", "id_rsa*",
    "id_dsa*", "id_ecdsa*", "id_ed25519*", ".netrc", "_netrc", ".pgpass", ".npmrc", ".pypirc", ".dockercfg",
    ".htpasswd", "credentials", "credentials.json", "credentials.csv", "service-account*.json", "*.tfstate",
)  # fmt: skip
"""Names by which tools find credentials. Such a file is refused, not left out: it has no business there."""

ALLOWED = b"pragma: allowlist secret"
"""On the line of something that only looks like a credential; the mark that secret scanners share."""

_CREDENTIALS: tuple[tuple[str, tuple[bytes, ...], re.Pattern[bytes]], ...] = (
    ("an AWS access key id", (b"AKIA", b"ASIA"), re.compile(rb"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b")),
    (
        "an AWS secret access key",
        (b"secret_access_key", b"SECRET_ACCESS_KEY", b"SecretAccessKey"),
        re.compile(rb"secret_?access_?key['\"]?\s*[=:]\s*['\"]?[A-Za-z0-9/+]{40}\b", re.IGNORECASE),
    ),
    (
        "a private key",
        (b"PRIVATE KEY",),
        re.compile(rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"),
    ),
    (
        "a GitHub token",
        (b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_", b"github_pat_"),
        re.compile(rb"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})\b"),
    ),
    ("a Slack token", (b"xox",), re.compile(rb"\bxox[abeoprs]-[A-Za-z0-9-]{10,}")),
    ("a Google API key", (b"AIza",), re.compile(rb"\bAIza[0-9A-Za-z_-]{35}\b")),
    ("a Stripe key", (b"k_live_",), re.compile(rb"\b[rs]k_live_[0-9A-Za-z]{16,}\b")),
    (
        "a password in a URL",
        (b"://",),
        re.compile(rb"://[^\s/:@'\"{}<>$%]+:[^\s/:@'\"{}<>$%]+@[\w.-]"),
    ),
)
"""Kind, texts without one of which there is none, and the pattern: most files are done with the texts alone."""


class Verdict(Enum):
    """What becomes of a file."""

    IN = auto()
    OUT = auto()
    CREDENTIAL = auto()
    UNKNOWN = auto()


def folder_verdict(name: str) -> Verdict:
    """What becomes of a folder by its own name; `IN` for one that is looked into."""
    if name in CREDENTIAL_FOLDERS:
        return Verdict.CREDENTIAL
    return Verdict.OUT if name in OUT_FOLDERS or name.endswith(".egg-info") else Verdict.IN


def file_verdict(name: str) -> Verdict:
    """What becomes of a file by its own name."""
    if _HOLDS_CREDENTIALS(name.lower()):
        return Verdict.CREDENTIAL
    if _STAYS_OUT(name):
        return Verdict.OUT
    return Verdict.IN if PurePosixPath(name).suffix in SUFFIXES else Verdict.UNKNOWN


def credential_in(data: bytes) -> tuple[int, str] | None:
    """Line number and kind of the first thing in a file that looks like a credential; None where nothing does."""
    for kind, needles, pattern in _CREDENTIALS:
        if not any(needle in data for needle in needles):
            continue
        for match in pattern.finditer(data):
            start = data.rfind(b"\n", 0, match.start()) + 1
            end = data.find(b"\n", match.end())
            if ALLOWED not in data[start : end if end >= 0 else len(data)]:
                return data.count(b"\n", 0, match.start()) + 1, kind
    return None


def strange(name: str) -> str | None:
    """What is wrong with a file's name, if anything: some machine or archive could not hold it as it is."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return "is not UTF-8"
    if not name.isprintable():
        return "holds a control character or another that cannot be seen"
    if "\\" in name:
        return "holds a backslash"
    if not unicodedata.is_normalized("NFC", name):
        # The same name on a screen, other bytes in the tarball: file systems differ in which they keep.
        return "writes a letter and its accent as two characters (Unicode NFC has one)"
    return None


def one_of(patterns: Iterable[str]) -> re.Pattern[str]:
    """Patterns of a shell as one: thousands of names are held against dozens of them."""
    return re.compile("|".join(map(translate, patterns)))


_HOLDS_CREDENTIALS = one_of(CREDENTIAL_FILES).match
_STAYS_OUT = one_of(OUT_FILES).match
