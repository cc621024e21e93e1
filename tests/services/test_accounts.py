"""What is told of every request, over both faces: what is counted, and the line in the log."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from typing import Any

import grpc
import pytest
from fastapi.testclient import TestClient

from services import messages, metrics
from services.accounts import Accounts, best_score
from services.errors import DeadlineExceeded, Overloaded, RateLimited, UnknownShopper
from services.http_face import call_of
from services.meters import Meters
from services.metrics import Metric
from services.protos import atelier_pb2 as wire
from services.protos.atelier_pb2_grpc import AtelierStub
from tests.services.near import HERE, Face, faced, grpc_served

TIMINGS = messages.Timings(queue=4, compute=30, encode=6)
PICTURE = messages.Picture(media_type="image/png", data=b"p")
RECOMMEND = {"shopper": {"user_id": "u"}, "k": 2}
EVENTS = {"accept": "text/event-stream"}
DESIGN = {"shopper": {"user_id": "u"}, "category": "c"}


def item(score: float) -> messages.ScoredItem:
    return messages.ScoredItem(item_id="i", category="c", picture=PICTURE, score=score)


def design(score: float | None) -> messages.Design:
    return messages.Design(design_id=None, category="c", score=score, realism=1.0, picture=PICTURE)


class Told:
    """A core that gives what it is told to."""

    def __init__(self) -> None:
        self.fault: Exception | None = None
        self.events: list[Any] = []

    def within(self, timeout_s: float | None) -> "Told":
        return self

    async def recommend(self, request: Any, request_id: str) -> messages.RecommendAnswer:
        if self.fault:
            raise self.fault
        return messages.RecommendAnswer(items=[item(2.5), item(-1.0)], **facts(request_id))

    async def watch(self, request: Any, request_id: str) -> AsyncIterator[Any]:
        for each in self.events:
            if isinstance(each, Exception):
                raise each
            yield each


def facts(request_id: str) -> dict[str, Any]:
    return {"release": "r1", "request_id": request_id, "timings": TIMINGS}


@pytest.fixture
def core() -> Told:
    return Told()


@pytest.fixture
def meters() -> Meters:
    return Meters()


@pytest.fixture
def accounts(meters: Meters) -> Accounts:
    return Accounts(logger=logging.getLogger("accounts"), meters=meters, lines=True)


@pytest.fixture
def http(core: Told, accounts: Accounts) -> Iterator[TestClient]:
    app = faced(core, accounts=accounts, permits=1)
    with TestClient(app, client=HERE, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def rpc(core: Told, accounts: Accounts) -> Iterator[AtelierStub]:
    with grpc_served(Face(core, accounts=accounts)) as port, grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield AtelierStub(channel)


def counted(meters: Meters, metric: Metric) -> dict[tuple[str, ...], float]:
    return {labels: value for found, value, labels in meters.readings() if found is metric}


def observed(meters: Meters, metric: Metric) -> dict[tuple[str, ...], tuple[float, float]]:
    """Sum and count by labels."""
    found: dict[tuple[str, ...], dict[str, float]] = {}
    for name, labels, value in meters.buckets():
        part = name.removeprefix(metric.name)
        if part in ("_sum", "_count"):
            found.setdefault(tuple(labels[label] for label in metric.labels), {})[part] = value
    return {labels: (parts["_sum"], parts["_count"]) for labels, parts in found.items()}


def test_an_answer_is_counted_with_its_stages_and_its_best_score(http: TestClient, meters: Meters) -> None:
    assert http.post("/v1/recommend", json=RECOMMEND).status_code == 200
    assert counted(meters, metrics.REQUESTS) == {("recommend", "http", "ok", "200", "r1"): 1}
    (seconds, count), *rest = observed(meters, metrics.REQUEST_SECONDS).values()
    assert seconds > 0 and count == 1 and not rest
    stages = observed(meters, metrics.STAGE_SECONDS)
    assert stages == {
        ("recommend", "queue"): (pytest.approx(0.004), 1),
        ("recommend", "compute"): (pytest.approx(0.030), 1),
        ("recommend", "encode"): (pytest.approx(0.006), 1),
    }
    assert observed(meters, metrics.BEST_SCORE) == {("recommend", "r1"): (2.5, 1)}


def test_both_faces_count_alike(http: TestClient, rpc: AtelierStub, meters: Meters) -> None:
    http.post("/v1/recommend", json=RECOMMEND)
    rpc.Recommend(wire.RecommendRequest(shopper={"user_id": "u"}, k=2))
    found = counted(meters, metrics.REQUESTS)
    assert found == {("recommend", face, "ok", "200", "r1"): 1 for face in ("http", "grpc")}
    assert observed(meters, metrics.BEST_SCORE) == {("recommend", "r1"): (5.0, 2)}


@pytest.mark.parametrize(
    ("fault", "outcome", "status", "limit"),
    [
        (UnknownShopper("nobody"), "unknown-shopper", "404", None),
        (DeadlineExceeded("late"), "deadline-exceeded", "504", None),
        (Overloaded("rows", full="rows"), "overloaded", "429", "rows"),
        (RateLimited("often"), "rate-limited", "429", "rate"),
        (ZeroDivisionError("ours"), "internal", "500", None),
    ],
    ids=lambda value: str(value),
)
def test_errors_are_counted_by_their_type(
    http: TestClient,
    rpc: AtelierStub,
    core: Told,
    meters: Meters,
    fault: Exception,
    outcome: str,
    status: str,
    limit: str | None,
) -> None:
    core.fault = fault
    assert http.post("/v1/recommend", json=RECOMMEND).status_code == int(status)
    with pytest.raises(grpc.RpcError):
        rpc.Recommend(wire.RecommendRequest(shopper={"user_id": "u"}))
    found = counted(meters, metrics.REQUESTS)
    assert found == {("recommend", face, outcome, status, "none"): 1 for face in ("http", "grpc")}
    assert counted(meters, metrics.REFUSED) == ({} if limit is None else {("recommend", limit): 2})
    assert observed(meters, metrics.REQUEST_SECONDS) == {}


def test_what_is_refused_before_the_core_is_counted_too(http: TestClient, meters: Meters) -> None:
    http.post("/v1/recommend", json={"k": -1})
    http.post("/v1/recommend", content=b"x", headers={"content-length": "99999999"})
    http.get("/v1/nothing")
    http.get("/openapi.json")
    http.get("/healthz")
    assert counted(meters, metrics.REQUESTS) == {
        ("recommend", "http", "bad-input", "400", "none"): 1,
        ("recommend", "http", "too-large", "413", "none"): 1,
        ("other", "http", "refused", "404", "none"): 1,
        ("other", "http", "ok", "200", "none"): 1,
    }
    assert counted(meters, metrics.REFUSED) == {("recommend", "bytes"): 1}


def test_permits_that_are_used_up_are_a_limit_of_their_own(core: Told, accounts: Accounts, meters: Meters) -> None:
    app = faced(core, accounts=accounts, permits=0)
    with TestClient(app, client=HERE) as client:
        assert client.post("/v1/recommend", json=RECOMMEND).status_code == 429
    assert counted(meters, metrics.REFUSED) == {("recommend", "permits"): 1}


ANSWER = messages.DesignAnswer(designs=[design(7.0)], seed=1, **facts("q"))


def test_a_watched_request_has_one_account(http: TestClient, core: Told, meters: Meters) -> None:
    core.events = [messages.Accepted(), ANSWER]
    assert http.post("/v1/design", json=DESIGN, headers=EVENTS).status_code == 200
    core.events = [messages.Accepted(), DeadlineExceeded("late")]
    assert http.post("/v1/design", json=DESIGN, headers=EVENTS).status_code == 200
    assert counted(meters, metrics.REQUESTS) == {
        ("design", "http", "ok", "200", "r1"): 1,
        ("design", "http", "deadline-exceeded", "504", "none"): 1,
    }


def test_so_has_one_over_grpc(rpc: AtelierStub, core: Told, meters: Meters) -> None:
    core.events = [messages.Accepted(), ANSWER]
    assert len(list(rpc.WatchDesign(wire.DesignRequest(shopper={"user_id": "u"}, category="c")))) == 2
    assert counted(meters, metrics.REQUESTS) == {("design", "grpc", "ok", "200", "r1"): 1}
    assert observed(meters, metrics.BEST_SCORE) == {("design", "r1"): (7.0, 1)}


def test_who_leaves_is_told_as_such(accounts: Accounts, meters: Meters) -> None:
    async def leaving() -> None:
        with accounts.of("design", "http", request_id="q"):
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(leaving())
    assert counted(meters, metrics.REQUESTS) == {("design", "http", "left", "499", "none"): 1}


def test_a_request_is_a_line_with_its_facts(
    http: TestClient, rpc: AtelierStub, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "accounts"):
        http.post("/v1/recommend", json=RECOMMEND, headers={"x-request-id": "by-http"})
        metadata = [("x-request-id", "by-grpc")]
        rpc.Recommend(wire.RecommendRequest(shopper={"user_id": "u"}), metadata=metadata)
        http.post("/v1/recommend", json={"k": -1}, headers={"x-request-id": "bad"})
    names = ("request_id", "call", "face", "outcome", "status", "release")
    lines = [tuple(getattr(record, name) for name in names) for record in caplog.records if record.name == "accounts"]
    assert lines == [
        ("by-http", "recommend", "http", "ok", 200, "r1"),
        ("by-grpc", "recommend", "grpc", "ok", 200, "r1"),
        ("bad", "recommend", "http", "bad-input", 400, "none"),
    ]


def test_lines_are_written_where_they_are_wanted(core: Told, caplog: pytest.LogCaptureFixture) -> None:
    accounts = Accounts(logger=logging.getLogger("accounts"))
    with caplog.at_level(logging.INFO, "accounts"), ExitStack() as stack:
        client = stack.enter_context(TestClient(faced(core, accounts=accounts), client=HERE))
        client.post("/v1/recommend", json=RECOMMEND)
    assert [record for record in caplog.records if record.name == "accounts"] == []


@pytest.mark.parametrize(
    ("method", "path", "call"),
    [
        ("POST", "/v1/try-on", "try_on"),
        ("PUT", "/v1/items/a/b", "put_item"),
        ("DELETE", "/v1/items/a", "delete_item"),
        ("GET", "/v1/items/a", "item"),
        ("PATCH", "/v1/items/a", "other"),
        ("GET", "/v1/release", "release"),
        ("GET", "/etc/passwd", "other"),
    ],
)
def test_calls_are_few_whatever_is_asked_for(method: str, path: str, call: str) -> None:
    assert call_of({"method": method, "path": path}) == call


def test_the_best_score_is_of_what_is_offered() -> None:
    fitted = messages.FittingOffer.model_construct
    offers = [fitted(item=None, design=design(3.0)), fitted(item=None, design=design(4.0))]
    assert best_score(messages.FittingAnswer.model_construct(fittings=offers)) == 4.0
    alter = messages.AlterAnswer(reconstruction=design(9.0), stages=[design(1.0), design(2.0)], seed=1, **facts("q"))
    assert best_score(alter) == 2.0
    assert best_score(messages.DesignAnswer(designs=[design(None)], seed=1, **facts("q"))) is None
    assert best_score(messages.ScoreAnswer(scores=[], **facts("q"))) is None
