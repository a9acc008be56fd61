"""Run inside an image that was just built: does it hold what it must, and nothing that it must not?

Its arguments are the names of the packages that the workers ask for. Prints one JSON object; needs nothing but Python.
"""

import importlib
import importlib.metadata
import importlib.util
import json
import os
import re
import sys


def canonical(name: str) -> str:
    """A package's name as its index writes it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def faults(wanted: list[str]) -> list[str]:
    """What is wrong, a sentence each."""
    found: list[str] = []
    if os.getuid() == 0:
        found.append("it runs as root")
    modules: dict[str, list[str]] = {}
    for module, packages in importlib.metadata.packages_distributions().items():
        for package in packages:
            modules.setdefault(canonical(package), []).append(module)
    for package in wanted:
        names = [name for name in modules.get(canonical(package), []) if name.isidentifier()]
        public = [name for name in names if not name.startswith("_")] or names
        if not public:
            found.append(f"{package} is not installed")
        for name in public:
            try:
                importlib.import_module(name)
            except Exception as e:  # noqa: BLE001  whatever it is, a worker would meet it
                found.append(f"import {name}, of {package}: {type(e).__name__}: {e}")
    found += [
        f"it holds the source of `{name}`" for name in ("crawler", "scaler") if importlib.util.find_spec(name)
    ]
    if os.path.isdir("/var/app") and os.listdir("/var/app"):  # noqa: PTH112, PTH208
        found.append("/var/app, where the release is mounted, is not empty")
    if importlib.util.find_spec("pip"):
        found.append("it holds pip")
    return found


if __name__ == "__main__":
    print(
        json.dumps(
            {
                "python": "{}.{}".format(*sys.version_info[:2]),
                "machine": os.uname().machine,
                "faults": faults(sys.argv[1:]),
            }
        )
    )
