"""The spans of `services.traces` by OpenTelemetry's SDK, which reads its variables itself and comes along with Ray."""

import os
import time
from contextvars import ContextVar
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from services.traces import TRACEPARENT

SERVICE = "atelier"  # where OTEL_SERVICE_NAME says nothing else
UNTOLD = frozenset({"release_id"})  # asked by probes more often than by anybody else

_current: ContextVar[trace.Span | None] = ContextVar("current", default=None)
_propagator = TraceContextTextMapPropagator()


class Spans:
    """See `services.traces.Traces`. Serve gives every request a task, so that its span stays the current one there."""

    def __init__(self, tracer: trace.Tracer) -> None:
        self._tracer = tracer

    def begin(self, name: str, *, parent: str | None, entry: bool = False) -> "OneSpan":
        """See `Traces`."""
        context = Context() if parent is None else _propagator.extract({TRACEPARENT: parent}, Context())
        kind = trace.SpanKind.SERVER if entry else trace.SpanKind.INTERNAL
        span = self._tracer.start_span(name, context, kind)
        _current.set(span)
        return OneSpan(span)

    def stage(self, name: str, ms: float) -> None:
        """See `Traces`."""
        now = time.time_ns()
        self._stage(name, now - int(ms * 1e6), now)

    def worked(self, asked_ns: int, ms: float) -> None:
        """See `Traces`."""
        now = time.time_ns()
        began = max(asked_ns, now - int(ms * 1e6))
        self._stage("queue", asked_ns, began)
        self._stage("compute", began, now)

    def handle(self, handle: Any) -> Any:
        """See `Traces`."""
        return TracedHandle(handle)

    def _stage(self, name: str, began_ns: int, ended_ns: int) -> None:
        current = _current.get()
        if current is not None and current.is_recording():
            context = trace.set_span_in_context(current, Context())
            self._tracer.start_span(name, context, start_time=began_ns).end(ended_ns)


class OneSpan:
    """See `services.traces.Span`."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def end(self, *, failed: bool, **attributes: str | int | float) -> None:
        """See `Span`."""
        self._span.set_attributes({f"atelier.{name}": value for name, value in attributes.items()})
        if failed:
            self._span.set_status(trace.StatusCode.ERROR)
        self._span.end()


class TracedHandle:
    """A handle whose methods are told who calls."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._handle, name)
        return method if name in UNTOLD else TracedMethod(method)


class TracedMethod:
    """A handle's method that is told who calls, where somebody is known."""

    def __init__(self, method: Any) -> None:
        self._method = method

    def remote(self, *args: Any, **options: Any) -> Any:
        """See Ray Serve's `DeploymentHandle.remote`."""
        span = _current.get()
        if span is not None:
            carrier: dict[str, str] = {}
            _propagator.inject(carrier, trace.set_span_in_context(span, Context()))
            options["trace"] = carrier.get(TRACEPARENT)
        return self._method.remote(*args, **options)

    def options(self, **options: Any) -> "TracedMethod":
        """See Ray Serve's `DeploymentHandle.options`."""
        return TracedMethod(self._method.options(**options))


def sent(*, deployment: str, replica: str) -> Spans:
    """Spans of one replica, sent in batches from a thread of their own. Raises ImportError without atelier[traces]."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    named = {"service.name": os.environ.get("OTEL_SERVICE_NAME", SERVICE), "service.instance.id": replica}
    resource = Resource.create({**named, "atelier.deployment": deployment})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Spans(provider.get_tracer("atelier"))
