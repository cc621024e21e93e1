"""Everything that can go wrong with a request: one list, mapped once to HTTP and once to gRPC.

Each class states its HTTP status, the name of its gRPC code and its type; `facts` are what a program may
want to read beside the sentence for people. Errors travel between deployments, so they pickle whole.
"""

from http import HTTPStatus
from typing import Any, ClassVar

SHOWN = 80  # characters of a refused value that are repeated to the caller


class ServiceError(Exception):
    """Base of all errors that a caller is meant to see."""

    status: ClassVar[int] = 500
    grpc: ClassVar[str] = "INTERNAL"
    type: ClassVar[str] = "internal"
    title: ClassVar[str] = "Unexpected error"
    release: str | None = None  # on trial, which failed so

    def __init__(self, detail: str, *, retry_after_s: int | None = None, **facts: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after_s = retry_after_s
        self.facts = facts

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.detail, self.retry_after_s, self.facts)


class BadInput(ServiceError):
    """A field has a value outside what it may be."""

    status, grpc, type, title = 400, "INVALID_ARGUMENT", "bad-input", "Bad input"


class Unauthenticated(ServiceError):
    """No key came along, or one that is not known, or not any more."""

    status, grpc, type, title = 401, "UNAUTHENTICATED", "unauthenticated", "No valid key"


class Forbidden(ServiceError):
    """The key is known, and may not do this; or nobody may, the way the call came."""

    status, grpc, type, title = 403, "PERMISSION_DENIED", "forbidden", "Forbidden"


class UnknownShopper(ServiceError):
    """No shopper of that id in the release."""

    status, grpc, type, title = 404, "NOT_FOUND", "unknown-shopper", "Unknown shopper"


class UnknownItem(ServiceError):
    """No item of that id in the release."""

    status, grpc, type, title = 404, "NOT_FOUND", "unknown-item", "Unknown item"


class UnknownDesign(ServiceError):
    """No design of that id in the bucket."""

    status, grpc, type, title = 404, "NOT_FOUND", "unknown-design", "Unknown design"


class UnknownRelease(ServiceError):
    """No release of that id in the bucket."""

    status, grpc, type, title = 404, "NOT_FOUND", "unknown-release", "Unknown release"


class UnknownService(ServiceError):
    """No gRPC service of that name, whose health is asked for."""

    status, grpc, type, title = 404, "NOT_FOUND", "unknown-service", "Unknown service"


class SlowBody(ServiceError):
    """A body that did not arrive in time."""

    status, grpc, type, title = 408, "DEADLINE_EXCEEDED", "slow-body", "Body too slow"


class TooLarge(ServiceError):
    """A body or picture beyond what is read or decoded."""

    status, grpc, type, title = 413, "INVALID_ARGUMENT", "too-large", "Too large"


class UnsupportedMedia(ServiceError):
    """A body that is neither JSON nor, where pictures go in, multipart/form-data."""

    status, grpc, type, title = 415, "INVALID_ARGUMENT", "unsupported-media", "Unsupported media type"


class Overloaded(ServiceError):
    """More is waiting than will be served in time: come back after `retry_after_s`."""

    status, grpc, type, title = 429, "RESOURCE_EXHAUSTED", "overloaded", "Overloaded"


class RateLimited(ServiceError):
    """The key has asked for more than it may in that time: come back after `retry_after_s`."""

    status, grpc, type, title = 429, "RESOURCE_EXHAUSTED", "rate-limited", "Too many requests"


class Unavailable(ServiceError):
    """A part of the service, or the store, cannot be reached for now."""

    status, grpc, type, title = 503, "UNAVAILABLE", "unavailable", "Unavailable"


class NoRelease(ServiceError):
    """Nothing has been published yet, or no release is loaded yet."""

    status, grpc, type, title = 503, "UNAVAILABLE", "no-release", "No release"


class TurningRelease(Unavailable):
    """Two deployments are at different releases for a moment: the next try should find them at one.

    The fact `serves` tells the release of the one that refused, which the other may have kept.
    """

    title = "Release being changed"


class DeadlineExceeded(ServiceError):
    """The answer was not ready in time; work on it has been cancelled."""

    status, grpc, type, title = 504, "DEADLINE_EXCEEDED", "deadline-exceeded", "Deadline exceeded"


class Unexpected(ServiceError):
    """A fault of ours: its stack trace is in the log under the request id and never in the answer."""


def fault(error: Exception) -> Unexpected:
    """What is told of an error that is not on the list."""
    told = Unexpected("something went wrong on our side; the request id finds it in our log")
    told.release = getattr(error, "release", None)
    return told


def bad_input(field: str, value: Any, limit: str) -> BadInput:
    """The error for `field` being `value` where `limit` says what it may be."""
    shown = show(value)
    return BadInput(f"{field} is {shown}, but must be {limit}", field=field, value=shown, limit=limit)


def too_large(field: str, size: str, limit: str) -> TooLarge:
    """The error for something of `size` where `limit` is the most."""
    return TooLarge(f"{field} is {size}, but at most {limit} is read", field=field, value=size, limit=limit)


def show(value: Any) -> str:
    """A refused value as it is repeated to the caller: short, never a picture, always valid JSON."""
    if isinstance(value, bytes | bytearray):
        return f"{len(value)} bytes"
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}… ({len(text)} characters)"


def problem(error: ServiceError, *, instance: str, request_id: str) -> dict[str, Any]:
    """The problem details of RFC 9457 for an error, with its facts as extension members, and when to come back."""
    again = {} if error.retry_after_s is None else {"retry_after_s": error.retry_after_s}
    return {
        "type": error.type if ":" in error.type else f"urn:atelier:problem:{error.type}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "instance": instance,
        "request_id": request_id,
        **again,
        **error.facts,
    }


def http_problem(status: int, detail: str) -> ServiceError:
    """An error for what the web framework itself refuses: an unknown path, a method that is not served."""
    error = ServiceError(detail)
    error.status, error.type, error.title = status, "about:blank", HTTPStatus(status).phrase  # type: ignore[misc]
    return error


def _restore(kind: type[ServiceError], detail: str, retry_after_s: int | None, facts: dict[str, Any]) -> ServiceError:
    return kind(detail, retry_after_s=retry_after_s, **facts)
