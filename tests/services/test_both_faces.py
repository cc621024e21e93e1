"""Every call over both faces of the running application: the same answers, and the same refusals."""

import base64
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status

from cluster.keys import KeyStore
from cluster.object_store import open_store
from services.protos import atelier_pb2 as wire
from tests.services.conftest import Served, picture_of_somebody
from tests.services.test_served_life import until

KNOWN = {"user_id": "shopper-0"}
NEW = {"likes": ["item-02", "item-04"]}
QUICK = {"restarts": 2, "steps": 2, "seed": 1}
PERSON = {"data": base64.b64encode(picture_of_somebody(8, 12)).decode()}
DESIGN = {"shopper": KNOWN, "category": "men-tops", "k": 1, **QUICK}
WORDS = {"starts": "STARTS_{}", "format": "FORMAT_{}", "source": "SOURCE_{}"}

CALLS = [
    ("Score", "/v1/score", {"shopper": KNOWN, "items": ["item-03", "item-01"]}),
    ("Recommend", "/v1/recommend", {"shopper": NEW, "category": "men-tops", "k": 3, "exclude_bought": False}),
    ("Recommend", "/v1/recommend", {"shopper": KNOWN, "k": 2, "inline": True, "filters": {"exclude": ["item-01"]}}),
    ("Design", "/v1/design", {**DESIGN, "k": 2, "starts": "blind", "realism": 0.5}),
    ("Alter", "/v1/alter", {"shopper": KNOWN, "picture": {"item_id": "item-03"}, "stages": 2, **QUICK}),
    ("Variations", "/v1/variations", {"picture": PERSON, "category": "men-tops", "n": 2, "radius": 0.25, **QUICK}),
    ("TryOn", "/v1/try-on", {"person": PERSON, "worn": PERSON, "wanted": {"item_id": "item-05"}, "format": "png"}),
    ("Fitting", "/v1/fitting", {"shopper": KNOWN, "person": PERSON, "k": 2, "format": "png"}),
    ("Fitting", "/v1/fitting", {**DESIGN, "person": PERSON, "source": "design", "format": "png"}),
]


def request_of(call: str, fields: dict[str, Any]) -> Any:
    """The request as protobuf, its words as enums."""
    named = {k: WORDS[k].format(v.upper()) if k in WORDS else v for k, v in fields.items()}
    method = wire.DESCRIPTOR.services_by_name["Atelier"].methods_by_name[call]
    return ParseDict(named, getattr(wire, method.input_type.name)())


def plain(answer: Any) -> Any:
    """An answer of gRPC as the JSON of HTTP says it, without what differs from one call to the next."""
    return comparable(MessageToDict(answer, preserving_proto_field_name=True))


def comparable(value: Any) -> Any:
    if isinstance(value, dict):
        left_out = ("request_id", "timings", "url", "expires_at")
        return {name: comparable(each) for name, each in value.items() if name not in left_out}
    if isinstance(value, list):
        return [comparable(each) for each in value]
    if isinstance(value, str) and re.fullmatch(r"\d+", value):
        return int(value)  # of 64 bits: text in protobuf's JSON
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return pytest.approx(value, abs=1e-4) if number else value


@pytest.mark.parametrize(("call", "path", "fields"), CALLS, ids=lambda each: each if isinstance(each, str) else "")
def test_a_call_has_one_answer(served: Served, call: str, path: str, fields: dict[str, Any]) -> None:
    over_http = served.http.post(path, json=fields)
    assert over_http.status_code == 200, over_http.text
    over_grpc = served.rpc(call, request_of(call, fields))
    assert plain(over_grpc) == comparable(over_http.json())
    told = over_grpc.timings
    assert over_grpc.release == served.release and told.queue + told.compute + told.encode > 0


def test_a_write_with_one_idempotency_key_is_one(served: Served) -> None:
    item = {"category": "men-tops", "picture": {"data": PERSON["data"]}}
    request = ParseDict({**item, "item_id": "rpc-once"}, wire.PutItemRequest())
    first = served.rpc("PutItem", request, idempotency_key="a")
    served.http.delete("/v1/items/rpc-once")
    again = served.http.put("/v1/items/rpc-once", json=item, headers={"idempotency-key": "a"}).json()
    assert (again["record"], again["outcome"]) == (first.record, "created")  # the answer that was lost, told again
    assert served.http.get("/v1/items/rpc-once").status_code == 404
    anew = served.rpc("PutItem", request, idempotency_key="b")
    assert anew.record > first.record
    served.http.delete("/v1/items/rpc-once")


def test_the_catalogue_is_one(served: Served) -> None:
    coat = {"category": "men-tops", "picture": {"data": PERSON["data"]}}
    put = served.rpc("PutItem", ParseDict({**coat, "item_id": "rpc-coat"}, wire.PutItemRequest()))
    assert put.outcome == wire.OUTCOME_CREATED and put.item.picture.expires_at.ToDatetime() > datetime.now()
    again = served.http.put("/v1/items/rpc-coat", json=coat)
    assert again.json()["outcome"] == "unchanged" and again.json()["record"] == put.record
    assert httpx.get(put.item.picture.url).content == base64.b64decode(PERSON["data"])
    found = served.rpc("GetItem", wire.GetItemRequest(item_id="rpc-coat", inline=True))
    assert plain(found) == comparable(served.http.get("/v1/items/rpc-coat", params={"inline": "true"}).json())
    deleted = served.http.delete("/v1/items/rpc-coat").json()
    once_more = served.rpc("DeleteItem", wire.DeleteItemRequest(item_id="rpc-coat"))
    assert (once_more.outcome, once_more.record) == (wire.OUTCOME_UNCHANGED, deleted["record"])


def test_the_release_is_one(served: Served) -> None:
    over_http = served.http.get("/v1/release").json()
    assert plain(served.rpc("GetRelease", wire.GetReleaseRequest())) == {
        name: value for name, value in comparable(over_http).items() if value != 0
    }


WATCHED = [
    ("WatchDesign", "/v1/design", {**DESIGN, "restarts": 8, "steps": 200}),
    ("WatchAlter", "/v1/alter", {"shopper": KNOWN, "picture": {"item_id": "item-03"}, "stages": 2, **QUICK}),
    ("WatchVariations", "/v1/variations", {"picture": {"item_id": "item-03"}, "n": 2, **QUICK}),
]


@pytest.mark.parametrize(("call", "path", "fields"), WATCHED, ids=lambda each: each if isinstance(each, str) else "")
def test_the_way_to_an_answer_is_streamed(served: Served, call: str, path: str, fields: dict[str, Any]) -> None:
    told = list(served.rpc(call, request_of(call, fields)))
    assert [each.WhichOneof("told") for each in (told[0], told[-1])] == ["accepted", "answer"]
    steps = [each.progress.step for each in told[1:-1]]
    assert steps and steps == sorted(steps)
    assert told[1].progress.picture.data.startswith(b"\xff\xd8")
    assert plain(told[-1].answer) == comparable(served.http.post(path, json=fields).json())


REFUSALS = [
    ("Score", "/v1/score", {"shopper": {"user_id": "nobody"}, "items": ["item-00"]}),
    ("Score", "/v1/score", {"shopper": {**KNOWN, **NEW}, "items": ["item-00"]}),
    ("Recommend", "/v1/recommend", {"shopper": KNOWN, "category": "hats"}),
    ("Recommend", "/v1/recommend", {"shopper": KNOWN, "k": -1}),
    ("Design", "/v1/design", {**DESIGN, "k": 3}),
    ("Design", "/v1/design", {**DESIGN, "steps": 10**6, "k": 99}),
    ("Design", "/v1/design", {**DESIGN, "restarts": 33}),
    ("Alter", "/v1/alter", {"shopper": KNOWN, "picture": {"design_id": "0" * 64}}),
    ("TryOn", "/v1/try-on", {"person": {"data": "AAAA"}, "wanted": {"item_id": "item-00"}}),
    ("TryOn", "/v1/try-on", {"person": {"data": "A" * 500_000}, "wanted": {"item_id": "item-00"}}),
    ("WatchDesign", "/v1/design", {**DESIGN, "shopper": {"user_id": "nobody"}}),
]


@pytest.mark.parametrize(("call", "path", "fields"), REFUSALS)
def test_a_call_is_refused_alike(served: Served, call: str, path: str, fields: dict[str, Any]) -> None:
    problem = served.http.post(path, json=fields).json()
    error = refused(lambda: drained(served.rpc(call, request_of(call, fields))))
    about, where = details(error)
    assert error.details() == problem["detail"] and about.domain == "atelier"
    assert problem["type"] == f"urn:atelier:problem:{about.reason}"
    facts = {name: value for name, value in problem.items() if name in ("field", "value", "limit")}
    assert dict(about.metadata) == facts
    if "limit" in facts:
        first = problem.get("errors", [problem])[0]
        assert where.field_violations[0].field == first["field"]


def drained(answer: Any) -> Any:
    return list(answer) if hasattr(answer, "initial_metadata") else answer


def refused(call: Callable[[], Any]) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value


def details(error: grpc.RpcError) -> tuple[error_details_pb2.ErrorInfo, error_details_pb2.BadRequest]:
    """What the status of an error tells programs."""
    trailers = dict(error.trailing_metadata())
    told = Status.FromString(trailers["grpc-status-details-bin"])
    assert (told.code, told.message) == (error.code().value[0], error.details())
    about, where = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    told.details[0].Unpack(about)
    for each in told.details:
        each.Unpack(where)
    return about, where


def test_who_may_not_is_refused_alike(served: Served) -> None:
    store = KeyStore(open_store(served.settings.bucket_url, served.settings))
    record, reader = store.issue("reader", ["read"])
    designs = request_of("Design", DESIGN)
    asked = {"json": DESIGN, "headers": {"authorization": f"Bearer {reader}"}}
    until(lambda: served.http.post("/v1/score", **{**asked, "json": CALLS[0][2]}).status_code == 200)
    problem = served.http.post("/v1/design", **asked)
    error = refused(lambda: served.rpc("Design", designs, key=reader))
    assert (problem.status_code, error.code()) == (403, grpc.StatusCode.PERMISSION_DENIED)
    assert error.details() == problem.json()["detail"] == "this needs a key for design, and this one is for read"
    store.revoke(record.id)
    until(lambda: served.http.post("/v1/design", **asked).status_code == 401)
    error = refused(lambda: served.rpc("Design", designs, key=reader))
    assert (error.code(), error.details()) == (grpc.StatusCode.UNAUTHENTICATED, "the key was revoked")


def test_a_key_is_not_used_more_often_than_it_allows(served: Served) -> None:
    store = KeyStore(open_store(served.settings.bucket_url, served.settings))
    _, slow = store.issue("slow", ["read"], rate=0.01, burst=3)
    headers = {"authorization": f"Bearer {slow}"}
    until(lambda: served.http.get("/v1/items/item-01", headers=headers).status_code == 200)
    served.rpc("GetItem", wire.GetItemRequest(item_id="item-01"), key=slow)
    assert served.http.get("/v1/items/item-01", headers=headers).status_code == 200
    problem = served.http.get("/v1/items/item-01", headers=headers)
    assert problem.status_code == 429 and problem.json()["type"] == "urn:atelier:problem:rate-limited"
    assert 80 <= int(problem.headers["retry-after"]) <= 100
    error = refused(lambda: served.rpc("GetItem", wire.GetItemRequest(item_id="item-01"), key=slow))
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert 80 <= int(dict(error.trailing_metadata())["retry-after"]) <= 100
