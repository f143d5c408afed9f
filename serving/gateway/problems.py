"""Every error that a client can get, in one list; `docs/api.md` has a section for each."""

from collections.abc import Sequence

import msgspec

from artifacts.errors import IrisError
from serving.gateway.schema import FieldError, ProblemDetails

PAGE = "docs/api.md"


class ProblemType(msgspec.Struct, frozen=True):
    """One kind of problem. `retry_after_s` stands for: the same request may succeed later."""

    name: str
    status: int
    title: str
    retry_after_s: int | None = None

    @property
    def uri(self) -> str:
        """The stable identifier of the kind, and the page that explains it."""
        return f"{PAGE}#{self.name}"


INVALID_HTTP = ProblemType("invalid-http", 400, "The request is not HTTP/1.1")
INVALID_HEADER = ProblemType("invalid-header", 400, "A header has no valid value")
INVALID_JSON = ProblemType("invalid-json", 400, "The body is not JSON")
UNAUTHORIZED = ProblemType("unauthorized", 401, "The API key is missing or unknown")
NOT_FOUND = ProblemType("not-found", 404, "There is nothing at this path")
METHOD_NOT_ALLOWED = ProblemType("method-not-allowed", 405, "The path has no such method")
BODY_TIMEOUT = ProblemType("body-timeout", 408, "The request did not arrive in time")
BODY_TOO_LARGE = ProblemType("body-too-large", 413, "The body is too large")
WRONG_CONTENT_TYPE = ProblemType("wrong-content-type", 415, "The body must be application/json")
INVALID_ROWS = ProblemType("invalid-rows", 422, "The request holds faults")
HEAD_TOO_LARGE = ProblemType("head-too-large", 431, "The headers are too large")
INTERNAL_ERROR = ProblemType("internal-error", 500, "The gateway has a defect")
INFERENCE_FAILED = ProblemType("inference-failed", 502, "The inference service failed", 1)
NOT_READY = ProblemType("not-ready", 503, "No inference instance is ready", 2)
OVERLOADED = ProblemType("overloaded", 503, "There is more work than can be done in time", 1)
DEADLINE_EXCEEDED = ProblemType("deadline-exceeded", 504, "The answer did not come in time", 1)

PROBLEM_TYPES = (
    INVALID_HTTP,
    INVALID_HEADER,
    INVALID_JSON,
    UNAUTHORIZED,
    NOT_FOUND,
    METHOD_NOT_ALLOWED,
    BODY_TIMEOUT,
    BODY_TOO_LARGE,
    WRONG_CONTENT_TYPE,
    INVALID_ROWS,
    HEAD_TOO_LARGE,
    INTERNAL_ERROR,
    INFERENCE_FAILED,
    NOT_READY,
    OVERLOADED,
    DEADLINE_EXCEEDED,
)

# What is counted apart, though the client is told one kind of problem.
QUEUE_FULL = "queue-full"
WOULD_BE_LATE = "would-be-late"
WAS_LATE = "was-late"
CALL_REASONS = tuple(
    kind.name for kind in (NOT_READY, OVERLOADED, INFERENCE_FAILED, DEADLINE_EXCEEDED)
)
"""What may come of a call that gives no answer."""
REASONS = (QUEUE_FULL, WOULD_BE_LATE, WAS_LATE, *CALL_REASONS, INTERNAL_ERROR.name)
"""Why a request gets no answer though it is none to refuse."""


class Problem(IrisError):
    """A request that gets no answer but the reason why."""

    def __init__(
        self,
        kind: ProblemType,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Sequence[tuple[str, str]] = (),
        reason: str = "",
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.reason = reason or kind.name
        """What it is counted by: one of `REASONS`, where it is a 5xx."""
        self.errors = list(errors)
        self.headers = list(headers)
        if kind.retry_after_s is not None:
            self.headers.append(("retry-after", str(kind.retry_after_s)))

    def body(self, request_id: str) -> bytes:
        """Return the problem as RFC 9457 writes it."""
        kind = self.kind
        details = ProblemDetails(
            kind.uri, kind.title, kind.status, self.message, request_id, self.errors
        )
        return msgspec.json.encode(details)
