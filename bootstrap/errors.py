"""What can go wrong before the first resource, told to the administrator."""

from __future__ import annotations


class BootstrapError(Exception):
    """The bootstrap cannot be done as asked. Its text says where, what, and what to do."""


class SettingsError(BootstrapError):
    """Raised before any resource is registered, for a key or value of `Pulumi.main.yaml` or for the wrong account."""
