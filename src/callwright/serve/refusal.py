"""What a request is refused with: OpenAI's error body, and a message that says where, what and what to do."""

from __future__ import annotations

from callwright.types import JsonObject

_KINDS = {401: "authentication_error", 404: "not_found_error", 408: "timeout_error", 429: "rate_limit_error"}
_INTERNAL = 500


class RefusalError(Exception):
    """An HTTP status with a message. param: the field of the body that is wrong."""

    def __init__(self, status: int, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code = status, message, param, code

    @property
    def body(self) -> JsonObject:
        """As OpenAI's clients read it."""
        kind = _KINDS.get(self.status, "server_error" if self.status >= _INTERNAL else "invalid_request_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}
