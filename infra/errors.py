"""What can go wrong before or during a deployment, told to the person who asked for it.

InfraError
├── SettingsError    the stack's configuration says something that cannot be
├── ReleaseError     the workers' folder cannot be packed, or the bucket holds something else
├── ManifestError    an app's JSON cannot be what Marathon would run
├── ImageError       the workers' image is not where the agents would pull it
└── BootError        a machine's user data or image cannot be made of what was given
"""


class InfraError(Exception):
    """A mistake in what the program was given. Its text says where, what, and what to do."""


class SettingsError(InfraError):
    """Raised before any resource is registered, for a key or value of the stack file."""


class ReleaseError(InfraError):
    """Raised while the workers' folder is packed, or when the stored release differs from it."""


class ManifestError(InfraError):
    """Raised for files of `marathon_apps/` that break a rule of docs/app-lint.md; lists every finding."""


class ImageError(InfraError):
    """Raised at preview for an image whose registry was asked and lacks the tag."""


class BootError(InfraError):
    """Raised for user data that EC2 would refuse, and for an image recipe with a part whose checksum is not known."""
