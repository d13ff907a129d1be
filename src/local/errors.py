"""What can go wrong in the local workspace.

LocalError
├── StartError            the server could not be started, found or stopped
│   ├── FolderError       the state folder cannot be used: unwritable, full, damaged, written by a newer version
│   ├── ServerDied        it ended before it was ready; carries the last lines of its log
│   └── StartDeadline     it was not ready in time
└── Refusal               an answer other than success, as the service would word it
    ├── Invalid           400
    ├── Unauthorized      401
    ├── Forbidden         403
    ├── NotFound          404
    ├── Conflict          409
    ├── TooLarge          413
    └── Unsupported       501, naming the operation
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any


class LocalError(Exception):
    """Base of every error of the local workspace."""


class StartError(LocalError):
    """The server could not be started, found or stopped."""


class FolderError(StartError):
    """The state folder cannot be used."""


class ServerDied(StartError):
    """The server ended before it was ready."""


class StartDeadline(StartError):
    """The server was not ready in time."""


class Refusal(LocalError):
    """An answer other than success.

    `code` and `message` are what the service puts at the top of the error; `detail` is the (code, message)
    of the single entry in its details.
    """

    status = 500
    code = "ServiceError"

    def __init__(self, message: str, *, code: str | None = None, detail: tuple[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.detail = detail

    def to_json(self) -> dict[str, Any]:
        """Return the error body in the shape that Azure Resource Manager sends."""
        details = [
            {"code": code, "message": message, "details": [], "additionalInfo": []}
            for code, message in ([self.detail] if self.detail else [])
        ]
        info = [
            {"type": "ComponentName", "info": {"value": "local-workspace"}},
            {"type": "Environment", "info": {"value": "local"}},
            {"type": "Location", "info": {"value": "local"}},
            {"type": "Time", "info": {"value": datetime.now(UTC).isoformat()}},
        ]
        error = {"code": self.code, "message": self.message, "details": details, "additionalInfo": info}
        return {"error": error}


class Invalid(Refusal):
    """The request breaks a rule."""

    status = 400
    code = "UserError"


class Unauthorized(Refusal):
    """No token, or not the right one."""

    status = 401
    code = "InvalidAuthenticationToken"


class Forbidden(Refusal):
    """The request comes from where it must not."""

    status = 403
    code = "AuthorizationFailed"


class NotFound(Refusal):
    """The resource does not exist."""

    status = 404
    code = "UserError"

    def __init__(self, kind: str, message: str) -> None:
        super().__init__("The specified resource was not found.", detail=(f"{kind}NotFound", message))

    def __str__(self) -> str:
        return self.detail[1] if self.detail else self.message


class Conflict(Refusal):
    """The resource exists with other content, is busy, or was damaged."""

    status = 409
    code = "UserError"


class TooLarge(Refusal):
    """The body is over the limit."""

    status = 413
    code = "RequestBodyTooLarge"


class Unsupported(Refusal):
    """The service does this; the local workspace does not."""

    status = 501
    code = "NotImplemented"

    def __init__(self, operation: str) -> None:
        super().__init__(f"The local workspace does not do {operation}")
