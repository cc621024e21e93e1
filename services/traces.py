"""Spans of requests and of their stages, sent where OpenTelemetry's own variables say; elsewhere nothing is imported.

    OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318      or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, with its path

The others that the SDK knows hold too: OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER, OTEL_BSP_*. A
span's context travels as a `traceparent` (W3C): in HTTP's headers, in gRPC's metadata, and from the gateway to the
deployments as the argument `trace` of a call.
"""

import os
from collections.abc import Mapping
from typing import Any, Protocol

from ray import serve

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
SPOKEN = "http/protobuf"
TRACEPARENT = "traceparent"


class TracesUnavailable(Exception):
    """Traces are wanted, and cannot be sent the way they are wanted."""


class Span(Protocol):
    """One call of one part."""

    def end(self, *, failed: bool, **attributes: str | int | float) -> None:
        """It is over, and this is what is to be known of it."""


class Traces(Protocol):
    """Makes spans. A span that was begun is the current one of its task, whatever the task does after it."""

    def begin(self, name: str, *, parent: str | None, entry: bool = False) -> Span:
        """A span below the one that a `traceparent` names, or the first of a trace. entry: of the whole service."""

    def stage(self, name: str, ms: float) -> None:
        """A stage of the current span, which has taken so long and ends now."""

    def worked(self, asked_ns: int, ms: float) -> None:
        """Two of them: `compute`, which ends now, and before it `queue`, from `asked_ns` of the clock on."""

    def handle(self, handle: Any) -> Any:
        """A deployment's handle that tells the current span along with every call."""


class NoTraces:
    """Where nobody wants any."""

    def begin(self, name: str, *, parent: str | None, entry: bool = False) -> "NoTraces":
        """See `Traces`."""
        return self

    def end(self, *, failed: bool, **attributes: str | int | float) -> None:
        """See `Span`."""

    def stage(self, name: str, ms: float) -> None:
        """See `Traces`."""

    def worked(self, asked_ns: int, ms: float) -> None:
        """See `Traces`."""

    def handle(self, handle: Any) -> Any:
        """See `Traces`."""
        return handle


def wanted(environment: Mapping[str, str]) -> bool:
    """Whether these variables name somebody to send traces to."""
    off = (
        environment.get("OTEL_SDK_DISABLED", "").lower() == "true" or environment.get("OTEL_TRACES_EXPORTER") == "none"
    )
    return not off and any(environment.get(name) for name in ENDPOINTS)


def traces(environment: Mapping[str, str], *, deployment: str, replica: str) -> Traces:
    """As the variables have it. Raises TracesUnavailable."""
    if not wanted(environment):
        return NoTraces()
    for name in PROTOCOLS:
        if environment.get(name, SPOKEN) != SPOKEN:
            raise TracesUnavailable(f"{name} is {environment[name]}, but must be {SPOKEN}, or not be set")
    from services import spans  # here: who wants none pays for nothing

    try:
        return spans.sent(deployment=deployment, replica=replica)
    except ImportError as error:
        raise TracesUnavailable(f"traces are wanted, but {error.name} is missing: install '.[traces]'") from error


def replica_traces() -> Traces:
    """Those of this replica, as its environment has it. Raises TracesUnavailable."""
    replica = serve.get_replica_context()
    return traces(os.environ, deployment=replica.deployment, replica=replica.replica_tag)
