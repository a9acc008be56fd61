"""What Marathon refuses, as the status and body its clients get.

MarathonError
 ├─ InvalidJsonError      400/422  the document cannot be read, or a field has the wrong type or range
 ├─ InvalidObjectError    422      the document breaks a rule
 ├─ BadRequestError       400      a pair of arguments that excludes itself
 ├─ NotFoundError         404
 ├─ ConflictError         409      the id exists
 └─ AppLockedError        409      another deployment holds the app

Source: MarathonExceptionMapper of Marathon 1.11.
"""

from typing import Any

Details = dict[str, list[str]]


class MarathonError(Exception):
    """A request that is answered with ``status`` and ``{"message": …}``."""

    status = 500

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        if status is not None:
            self.status = status

    def body(self) -> dict[str, Any]:
        return {"message": self.message}


class BadRequestError(MarathonError):
    status = 400


class IllegalArgumentError(MarathonError):
    """A selector, timestamp or id that does not parse."""

    status = 422


class NotFoundError(MarathonError):
    status = 404


class ConflictError(MarathonError):
    status = 409


class _DetailedError(MarathonError):
    status = 422

    def __init__(self, message: str, details: Details) -> None:
        super().__init__(message)
        self.details = details

    def body(self) -> dict[str, Any]:
        details = [{"path": path, "errors": errors} for path, errors in self.details.items()]
        return {"message": self.message, "details": details}


class InvalidJsonError(_DetailedError):
    def __init__(self, details: Details) -> None:
        super().__init__("Invalid JSON", details)


class InvalidObjectError(_DetailedError):
    def __init__(self, details: Details) -> None:
        super().__init__("Object is not valid", details)


class UnreadableJsonError(MarathonError):
    """The body is no JSON at all; ``details`` is the parser's text, a string."""

    status = 400

    def __init__(self, message: str, details: str) -> None:
        super().__init__(message)
        self.details = details

    def body(self) -> dict[str, Any]:
        return {"message": self.message, "details": self.details}


class AppLockedError(MarathonError):
    status = 409

    def __init__(self, deployment_ids: list[str]) -> None:
        super().__init__(
            "App is locked by one or more deployments. Override with the option '?force=true'. "
            "View details at '/v2/deployments/<DEPLOYMENT_ID>'."
        )
        self.deployment_ids = deployment_ids

    def body(self) -> dict[str, Any]:
        return {"message": self.message, "deployments": [{"id": each} for each in self.deployment_ids]}
