"""The running application watched from outside: what is scraped, what stands in the logs, what a collector is sent."""

import base64
import json
import re
import time
import urllib.request
import uuid
from collections.abc import Callable
from typing import Any

import grpc
import pytest

from services import metrics
from services.metrics import METRICS
from services.protos import atelier_pb2 as wire
from tests.services.collector import Collector, Span
from tests.services.conftest import RAY_FOLDER, Served, picture_of_somebody

KNOWN = {"user_id": "shopper-0"}
DESIGN = {"shopper": KNOWN, "category": "men-tops", "k": 1, "restarts": 4, "steps": 5}
PATIENCE_S = 300.0
SERIES = re.compile(r"^(\w+)\{(.*)\} (\S+)$", re.M)

Scraped = dict[str, list[tuple[dict[str, str], float]]]


def scraped(served: Served) -> Scraped:
    """Series by name: labels and value."""
    with urllib.request.urlopen(f"http://127.0.0.1:{served.settings.metrics_port}/metrics") as answer:
        text = answer.read().decode()
    found: Scraped = {}
    for name, labels, value in SERIES.findall(text):
        found.setdefault(name, []).append((dict(re.findall(r'(\w+)="([^"]*)"', labels)), float(value)))
    return found


def total(found: Scraped, name: str, **labels: str) -> float:
    return sum(value for known, value in found.get(name, []) if labels.items() <= known.items())


def until(served: Served, true: Callable[[Scraped], bool]) -> Scraped:
    """Scrape until something is so: a count is on its way for some seconds."""
    end = time.monotonic() + PATIENCE_S
    while not true(found := scraped(served)):
        assert time.monotonic() < end, {name: value for name, value in found.items() if "atelier" in name}
        time.sleep(1.0)
    return found


def dressed(**fields: Any) -> dict[str, Any]:
    """A request with a person's picture."""
    person = base64.b64encode(picture_of_somebody(80, 120)).decode()
    return {"person": {"data": person}, "worn": {"item_id": "item-03"}, **fields}


def serving(now: Scraped) -> set[tuple[str, str]]:
    """The release that each deployment serves, by its metrics."""
    return {(labels["deployment"], labels["release"]) for labels, value in now["ray_atelier_release_info"] if value}


def told_to_serve(served: Served) -> set[tuple[str, str]]:
    """The same as the service tells. It may be another one than at first: other tests promote theirs."""
    told = served.http.get("/v1/release").json()["deployments"]
    return {(name.title().replace("_", ""), release) for name, release in told.items()}


def test_every_metric_is_scraped(served: Served) -> None:
    http = served.http
    coat = {"category": "men-tops", "picture": dressed()["person"]}
    asked = [
        http.post("/v1/recommend", json={"shopper": KNOWN, "k": 3}),
        http.post("/v1/design", json=DESIGN),
        http.post("/v1/try-on", json=dressed(wanted={"item_id": "item-02"})),
        http.put("/v1/items/watched-coat", json=coat),
        http.delete("/v1/items/watched-coat"),
    ]
    assert {answer.status_code for answer in asked} == {200}
    assert http.post("/v1/score", content=b"x" * (4 * 2**20)).status_code == 413
    rare = {metrics.RETRIES, metrics.STORE_ERRORS}  # nothing of the kind has happened, or need have
    wanted = {name for metric in METRICS if metric not in rare for name in metric.series}
    found = until(served, lambda now: wanted <= now.keys() and serving(now) == told_to_serve(served))
    for metric in METRICS:
        for name in set(metric.series) & found.keys():
            labels, _ = found[name][0]
            assert {*metric.labels, *metrics.ADDED} <= labels.keys(), name
    assert total(found, "ray_atelier_engine_slots") == served.settings.designer_slots
    assert total(found, "ray_atelier_catalogue_items") > 0
    published = total(found, "ray_atelier_release_published_timestamp_seconds", deployment="Designer")
    assert time.time() - 24 * 3600 < published < time.time()


def test_what_is_asked_is_what_is_counted(served: Served) -> None:
    name, mine = "ray_atelier_requests_total", {"call": "score", "outcome": "unknown-shopper", "status": "404"}
    body = {"shopper": {"user_id": "nobody"}, "items": ["item-00"]}
    before = scraped(served)
    asked = {face: total(before, name, face=face, **mine) for face in ("http", "grpc")}
    for _ in range(3):
        assert served.http.post("/v1/score", json=body).status_code == 404
    with pytest.raises(grpc.RpcError):
        served.rpc("Score", wire.ScoreRequest(shopper={"user_id": "nobody"}, items=["item-00"]))
    until(served, lambda now: total(now, name, face="http", **mine) == asked["http"] + 3)
    until(served, lambda now: total(now, name, face="grpc", **mine) == asked["grpc"] + 1)


def test_a_histogram_adds_up(served: Served) -> None:
    mine = {"call": "recommend", "release": served.release}
    count = "ray_atelier_request_seconds_count"
    before = total(scraped(served), count, **mine)
    for _ in range(4):
        served.http.post("/v1/recommend", json={"shopper": KNOWN, "k": 1})
    found = until(served, lambda now: total(now, count, **mine) == before + 4)
    name = "ray_atelier_request_seconds_bucket"
    buckets = [total(found, name, le=f"{bound:g}", **mine) for bound in metrics.SECONDS]
    assert buckets == sorted(buckets)
    assert total(found, name, le="+Inf", **mine) == total(found, count, **mine) >= buckets[-1]
    assert total(found, "ray_atelier_request_seconds_sum", **mine) > 0
    scores = total(found, "ray_atelier_best_score_count", **mine)
    assert scores == total(found, count, **mine)


def lines(request_id: str) -> list[dict[str, Any]]:
    """What stands in any replica's log of a request, whatever the file."""
    found = []
    for path in RAY_FOLDER.glob("session_latest/logs/serve/replica_*.log"):
        found += [json.loads(line) for line in path.read_text().splitlines() if request_id in line]
    return found


def told(request_id: str, calls: set[tuple[str, str]]) -> list[dict[str, Any]]:
    """The lines of a request once all calls, each a deployment and its call, have one."""
    end = time.monotonic() + PATIENCE_S
    while True:
        found = [line for line in lines(request_id) if "outcome" in line]
        if calls <= {(line["deployment"].removeprefix("atelier_"), line["call"]) for line in found}:
            return found
        assert time.monotonic() < end, found
        time.sleep(0.5)


def test_one_id_finds_a_request_in_every_deployment(served: Served) -> None:
    request_id = uuid.uuid4().hex
    body = dressed(shopper=KNOWN, source="design", category="men-tops", k=1)
    answer = served.http.post("/v1/fitting", json=body, headers={"x-request-id": request_id})
    assert answer.status_code == 200 and answer.headers["x-request-id"] == request_id
    calls = {("Gateway", "fitting"), ("Recommender", "taste"), ("Designer", "design"), ("FittingRoom", "fit")}
    found = told(request_id, calls)
    for line in found:
        assert (line["request_id"], line["outcome"], line["release"]) == (request_id, "ok", served.release)
        assert line["seconds"] > 0 and line["replica"]
    (gateway,) = [line for line in found if line["deployment"] == "atelier_Gateway"]
    assert (gateway["face"], gateway["status"]) == ("http", 200)


def test_so_does_one_that_came_over_grpc(served: Served) -> None:
    request_id = uuid.uuid4().hex
    request = wire.DesignRequest(shopper=KNOWN, category="men-tops", k=1, restarts=1, steps=1)
    assert served.rpc("Design", request, x_request_id=request_id).request_id == request_id
    found = told(request_id, {("Gateway", "design"), ("Recommender", "taste"), ("Designer", "design")})
    assert {line["request_id"] for line in found} == {request_id}


def test_what_goes_wrong_says_so_where_it_went_wrong(served: Served) -> None:
    request_id = uuid.uuid4().hex
    body = {"shopper": {"user_id": "nobody"}, "category": "men-tops"}
    assert served.http.post("/v1/design", json=body, headers={"x-request-id": request_id}).status_code == 404
    found = told(request_id, {("Gateway", "design"), ("Recommender", "taste")})
    assert {line["outcome"] for line in found if line["deployment"] != "atelier_Designer"} == {"unknown-shopper"}


@pytest.fixture
def sent(served: Served, collector: Collector) -> Callable[[str, set[str]], dict[str, Span]]:
    """Waits for the spans of a trace, by deployment and name."""
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="atelier[traces] is not installed")

    def wait(trace: str, names: set[str]) -> dict[str, Span]:
        end = time.monotonic() + PATIENCE_S
        while True:
            found = {span.name: span for span in collector.of(trace)}
            if names <= found.keys():
                return found
            assert time.monotonic() < end, found
            time.sleep(0.5)

    return wait


def test_a_trace_goes_through_the_deployments(served: Served, sent: Callable[[str, set[str]], dict[str, Span]]) -> None:
    trace, caller = uuid.uuid4().hex, "b7ad6b7169203331"
    headers = {"traceparent": f"00-{trace}-{caller}-01", "x-request-id": trace}
    body = dressed(shopper=KNOWN, source="design", category="men-tops", k=1)
    assert served.http.post("/v1/fitting", json=body, headers=headers).status_code == 200
    below = {"Recommender.taste", "Recommender.item", "Designer.design", "FittingRoom.fit"}
    found = sent(trace, {"fitting", *below, "queue", "compute", "encode"})
    entry = found["fitting"]
    assert (entry.deployment, entry.parent) == ("Gateway", caller)
    assert entry.attributes["atelier.request_id"] == trace and entry.attributes["atelier.outcome"] == "ok"
    for name in below:
        assert (found[name].parent, found[name].deployment) == (entry.id, name.partition(".")[0])
    parents = {found[name].id for name in below}
    assert {found[stage].parent for stage in ("queue", "compute", "encode")} <= parents


def test_so_does_one_that_came_over_grpc_and_is_watched(
    served: Served, sent: Callable[[str, set[str]], dict[str, Span]]
) -> None:
    trace, caller = uuid.uuid4().hex, "b7ad6b7169203331"
    request = wire.DesignRequest(shopper=KNOWN, category="men-tops", k=1, restarts=4, steps=5)
    assert list(served.rpc("WatchDesign", request, traceparent=f"00-{trace}-{caller}-01"))
    found = sent(trace, {"design", "Designer.design"})
    assert found["design"].parent == caller and found["Designer.design"].parent == found["design"].id
