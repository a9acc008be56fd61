"""A release: the workers' folder as one tarball, stored under its digest and never deleted by the program.

`pack` makes it, `history` reads what is stored, `resource` registers it with the engine.
"""

from infra.release.pack import LIMIT_BYTES, TOP, Packed, Stored, pack

__all__ = ["LIMIT_BYTES", "TOP", "Packed", "Stored", "pack"]
