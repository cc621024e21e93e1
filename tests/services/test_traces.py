"""Spans: when they are wanted, what they continue, and how they lie below each other."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from services.spans import Spans
from services.traces import NoTraces, TracesUnavailable, traces, wanted

ROOT = Path(__file__).resolve().parents[2]
TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{CALLER}-01"
COLLECTOR = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def spans(exporter: InMemorySpanExporter) -> Iterator[Spans]:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield Spans(provider.get_tracer("tests"))
    provider.shutdown()


class Handle:
    """A deployment's handle that keeps what its methods are called with."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []

    def __getattr__(self, name: str) -> "Handle":
        return self

    def remote(self, *args: Any, **options: Any) -> None:
        self.told.append(options)

    def options(self, **options: Any) -> "Handle":
        self.told.append(options)
        return self


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, False),
        (COLLECTOR, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({**COLLECTOR, "OTEL_SDK_DISABLED": "true"}, False),
        ({**COLLECTOR, "OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_they_are_wanted_where_somebody_is_named(environment: dict[str, str], expected: bool) -> None:
    assert wanted(environment) is expected


def test_where_nobody_wants_them_nothing_of_them_is_loaded_or_handed_on() -> None:
    found = traces({}, deployment="Gateway", replica="r")
    handle = Handle()
    assert isinstance(found, NoTraces) and found.handle(handle) is handle
    program = (
        "import sys\n"
        "import services.application\n"
        "from services.traces import traces\n"
        "traces({}, deployment='d', replica='r')\n"
        "print('services.spans' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_what_cannot_be_spoken_is_refused() -> None:
    with pytest.raises(TracesUnavailable, match=r"OTEL_EXPORTER_OTLP_PROTOCOL is grpc, but must be http/protobuf"):
        traces({**COLLECTOR, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, deployment="d", replica="r")


def test_a_request_continues_its_callers_trace_and_hands_it_on(spans: Spans, exporter: InMemorySpanExporter) -> None:
    handle = Handle()

    async def request() -> None:
        span = spans.begin("design", parent=PARENT, entry=True)
        spans.handle(handle).design.remote("request")
        spans.handle(handle).watch.options(stream=True).remote("request")
        spans.handle(handle).release_id.remote()
        span.end(failed=False, outcome="ok", status=200)

    asyncio.run(request())
    (span,) = exporter.get_finished_spans()
    assert (f"{span.context.trace_id:032x}", f"{span.parent.span_id:016x}") == (TRACE, CALLER)
    assert span.attributes == {"atelier.outcome": "ok", "atelier.status": 200}
    handed = f"00-{TRACE}-{span.context.span_id:016x}-01"
    assert handle.told == [{"trace": handed}, {"stream": True}, {"trace": handed}, {}]


def test_stages_lie_below_the_span_of_their_own_task(spans: Spans, exporter: InMemorySpanExporter) -> None:
    async def call(name: str) -> None:
        span = spans.begin(name, parent=PARENT)
        await asyncio.sleep(0)
        spans.stage(f"{name} encodes", 5.0)
        await asyncio.sleep(0)
        span.end(failed=False)

    async def both() -> None:
        await asyncio.gather(call("one"), call("other"))

    asyncio.run(both())
    found = {span.name: span for span in exporter.get_finished_spans()}
    for name in ("one", "other"):
        stage = found[f"{name} encodes"]
        assert stage.parent.span_id == found[name].context.span_id
        assert stage.end_time - stage.start_time == 5_000_000


def test_what_was_not_computing_was_waiting(spans: Spans, exporter: InMemorySpanExporter) -> None:
    async def call() -> None:
        span = spans.begin("design", parent=None)
        spans.worked(time.time_ns() - 30_000_000, 10.0)
        span.end(failed=True)

    asyncio.run(call())
    found = {span.name: span for span in exporter.get_finished_spans()}
    queue, compute = found["queue"], found["compute"]
    assert queue.end_time == compute.start_time and compute.end_time - compute.start_time == 10_000_000
    assert queue.end_time - queue.start_time >= 20_000_000
    assert not found["design"].status.is_ok and found["design"].parent is None


@pytest.mark.parametrize("given", ["nonsense", "00-0-0-01", f"00-{TRACE}-{CALLER}"])
def test_a_caller_who_names_no_trace_begins_one(spans: Spans, exporter: InMemorySpanExporter, given: str) -> None:
    async def request() -> None:
        spans.begin("score", parent=given, entry=True).end(failed=False)

    asyncio.run(request())
    (span,) = exporter.get_finished_spans()
    assert span.parent is None and f"{span.context.trace_id:032x}" != TRACE


def test_a_caller_whose_trace_is_not_kept_has_none_kept_here(spans: Spans, exporter: InMemorySpanExporter) -> None:
    async def request() -> None:
        span = spans.begin("score", parent=f"00-{TRACE}-{CALLER}-00", entry=True)
        spans.stage("encode", 1.0)
        span.end(failed=False)

    asyncio.run(request())
    assert exporter.get_finished_spans() == ()


def test_outside_of_a_request_nothing_is_told(spans: Spans, exporter: InMemorySpanExporter) -> None:
    handle = Handle()

    async def probe() -> None:
        spans.handle(handle).design.remote()
        spans.stage("encode", 1.0)

    asyncio.run(probe())
    assert handle.told == [{}] and exporter.get_finished_spans() == ()
