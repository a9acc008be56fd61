"""What a protected stack does with resources that hold data or work."""

from __future__ import annotations

from pulumi import Resource, ResourceOptions


def stateful(parent: Resource, protect: bool) -> ResourceOptions:
    """Options of a resource that holds data or work.

    In a protected stack the engine refuses to delete or replace it, also in a preview; and should it leave the
    program after all (unprotected by hand), it leaves the state only: nothing of AWS is deleted.

    Args:
        parent: the component it belongs to.
        protect: the stack's setting.
    """
    return ResourceOptions(parent=parent, protect=protect, retain_on_delete=protect)
