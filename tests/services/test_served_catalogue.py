"""The live catalogue of the running application: what is put works like any item, what is deleted is gone."""

import base64
import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from cluster.object_store import open_store
from fashion_nn import pictures
from services.messages import PutItemRequest
from services.replies import Contents
from tests.services import tiny_release
from tests.services.conftest import Served, picture_of_somebody
from tests.services.processes import replicas
from tests.services.test_served_calls import answered, fitted, form, opened
from tests.services.test_served_errors import corrupted, refused
from tests.services.test_served_life import PATIENCE_S, handle, until
from tests.services.tiny_release import ITEMS

KNOWN = {"user_id": "shopper-0"}
QUICK = {"restarts": 2, "steps": 2, "seed": 1}


def coat(hue: int) -> bytes:
    return pictures.encode(tiny_release.garment(hue), format="PNG")


def put(served: Served, item_id: str, hue: int, category: str = "men-tops") -> dict[str, Any]:
    request = {"category": category, "picture": {"data": base64.b64encode(coat(hue)).decode()}}
    return answered(served.http.put(f"/v1/items/{item_id}", json=request), served)


def recommended(served: Served, **fields: Any) -> list[str]:
    request = {"shopper": KNOWN, "k": 100, "exclude_bought": False, **fields}
    return [item["item_id"] for item in answered(served.http.post("/v1/recommend", json=request), served)["items"]]


def data_of(served: Served, item_id: str) -> bytes:
    answer = answered(served.http.get(f"/v1/items/{item_id}", params={"inline": "true"}), served)
    return base64.b64decode(answer["item"]["picture"]["data"])


@pytest.fixture(autouse=True)
def as_before(served: Served) -> Iterator[None]:
    """Other tests count the items of the release."""
    yield
    for item_id in set(recommended(served)) - {f"item-{at:02}" for at in range(ITEMS)}:
        assert served.http.delete(f"/v1/items/{item_id}").status_code == 200
    assert contents().items == ITEMS


def contents(recommender: Any = None) -> Contents:
    """What a Recommender holds, this application's unless told."""
    return (recommender or handle("Recommender")).contents.remote().result(timeout_s=PATIENCE_S)


def test_what_is_put_works_like_any_other_item(served: Served, person: bytes) -> None:
    answer = put(served, "coat-1", 77)
    assert answer["outcome"] == "created" and answer["record"] >= 1
    assert (answer["item"]["item_id"], answer["item"]["category"]) == ("coat-1", "men-tops")
    assert opened(answer["item"]["picture"]).size == (32, 32)
    assert data_of(served, "coat-1") == coat(77)
    assert "coat-1" in recommended(served, category="men-tops")
    assert "coat-1" not in recommended(served, category="women-tops")
    assert "coat-1" not in recommended(served, filters={"exclude": ["coat-1"]})
    assert "coat-1" not in recommended(served, shopper={"likes": ["coat-1"]}, exclude_bought=True)
    release = answered(served.http.get("/v1/release"), served)
    assert release["items"] == ITEMS + 1 and release["record"] >= answer["record"]
    for shopper in (KNOWN, {"likes": ["coat-1", "item-02"]}):
        request = {"shopper": shopper, "items": ["coat-1"]}
        assert len(answered(served.http.post("/v1/score", json=request), served)["scores"]) == 1
    request = form({"wanted": {"item_id": "coat-1"}}, person=person)
    fitted(answered(served.http.post("/v1/try-on", **request), served)["fitting"])
    request = {"shopper": KNOWN, "picture": {"item_id": "coat-1"}, "stages": 1, **QUICK}
    assert len(answered(served.http.post("/v1/alter", json=request), served)["stages"]) == 1


def test_what_the_fitting_room_has_not_learnt_is_not_put_on(served: Served, person: bytes) -> None:
    put(served, "boot-1", 30, "men-shoes")
    design = {"shopper": KNOWN, "category": "men-shoes", "k": 1, **QUICK}
    (designed,) = answered(served.http.post("/v1/design", json=design), served)["designs"]
    shoes, shirt = ({"item_id": "boot-1"}, {"design_id": designed["design_id"]}), {"item_id": "item-00"}
    for field, request in [("wanted", {"wanted": shoe}) for shoe in shoes] + [
        ("worn", {"wanted": shirt, "worn": shoes[0]})
    ]:
        problem = refused(served.http.post("/v1/try-on", **form(request, person=person)), 400, "bad-input")
        assert (problem["field"], problem["value"]) == (field, "men-shoes")
        assert problem["limit"] == "of what is put on: men-tops, women-tops"
    request = form({"shopper": {"likes": ["boot-1"]}, "exclude_bought": False, "k": 8}, person=person)
    fittings = answered(served.http.post("/v1/fitting", **request), served)["fittings"]
    assert len(fittings) == 8 and "boot-1" not in {each["item"]["item_id"] for each in fittings}


def test_an_item_looks_as_if_it_had_been_published(served: Served) -> None:
    put(served, "twin", 15 * 7, "women-tops")
    request = {"shopper": KNOWN, "items": ["twin", "item-07"]}
    twin, original = answered(served.http.post("/v1/score", json=request), served)["scores"]
    assert twin["score"] == pytest.approx(original["score"], rel=1e-4, abs=1e-6)


def test_putting_replaces_and_once_more_changes_nothing(served: Served) -> None:
    first = put(served, "coat-1", 77)
    again = put(served, "coat-1", 77)
    assert again["outcome"] == "unchanged" and again["record"] == first["record"]
    moved = put(served, "coat-1", 78, "women-tops")
    assert moved["outcome"] == "replaced" and moved["record"] > first["record"]
    assert data_of(served, "coat-1") == coat(78)
    assert recommended(served, category="women-tops").count("coat-1") == 1
    assert "coat-1" not in recommended(served, category="men-tops")


def test_what_is_deleted_is_gone_until_it_is_put_again(served: Served) -> None:
    before = data_of(served, "item-22")
    for item_id in ("item-22", "coat-1"):
        if item_id == "coat-1":
            put(served, item_id, 77)
        gone = answered(served.http.delete(f"/v1/items/{item_id}"), served)
        assert (gone["item_id"], gone["outcome"]) == (item_id, "deleted")
        refused(served.http.get(f"/v1/items/{item_id}"), 404, "unknown-item")
        assert item_id not in recommended(served)
        request = {"shopper": KNOWN, "items": [item_id]}
        refused(served.http.post("/v1/score", json=request), 404, "unknown-item")
        again = answered(served.http.delete(f"/v1/items/{item_id}"), served)
        assert again["outcome"] == "unchanged" and again["record"] == gone["record"]
    picture = {"data": base64.b64encode(before).decode()}
    request = {"category": "men-tops", "picture": picture}
    assert answered(served.http.put("/v1/items/item-22", json=request), served)["outcome"] == "created"
    assert "item-22" in recommended(served) and data_of(served, "item-22") == before


def test_an_item_can_be_put_as_a_form(served: Served) -> None:
    request = form({"category": "men-tops", "inline": True}, picture=coat(90))
    answer = answered(served.http.put("/v1/items/rack/7", **request), served)
    assert answer["item"]["item_id"] == "rack/7" and base64.b64decode(answer["item"]["picture"]["data"]) == coat(90)


@pytest.mark.parametrize(
    ("item_id", "request_", "field"),
    [
        ("x" * 201, {"category": "men-tops", "picture": {"data": "aGk="}}, "item_id"),
        ("a%00b", {"category": "men-tops", "picture": {"data": "aGk="}}, "item_id"),
        ("coat", {"category": "hats", "picture": {"data": "aGk="}}, "category"),
        ("coat", {"picture": {"data": "aGk="}}, "category"),
        ("coat", {"category": "men-tops"}, "picture"),
        ("coat", {"category": "men-tops", "picture": {"data": "no base64!"}}, "picture.data"),
        ("coat", {"category": "men-tops", "picture": {"url": "http://169.254.169.254/"}}, "picture.data"),
        ("coat", {"category": "men-tops", "picture": {"data": "aGk="}, "price": 3}, "price"),
    ],
)
def test_what_is_wrong_with_an_item_is_named(served: Served, item_id: str, request_: Any, field: str) -> None:
    problem = refused(served.http.put(f"/v1/items/{item_id}", json=request_), 400, "bad-input")
    assert problem["field"] == field and problem["value"] and problem["limit"]


@pytest.mark.parametrize("name", corrupted())
def test_a_picture_that_is_none_leaves_no_item(served: Served, name: str) -> None:
    request = form({"category": "men-tops"}, picture=corrupted()[name])
    problem = refused(served.http.put("/v1/items/coat-1", **request), 400, "bad-input")
    assert problem["field"] == "picture" and problem["limit"] == "a whole JPEG, PNG or WebP picture"
    refused(served.http.get("/v1/items/coat-1"), 404, "unknown-item")


def test_a_picture_that_is_too_large_leaves_no_item(served: Served) -> None:
    for data in (picture_of_somebody(1001, 1000), coat(1) + bytes(served.settings.max_picture_bytes)):
        response = served.http.put("/v1/items/poster", **form({"category": "men-tops"}, picture=data))
        assert refused(response, 413, "too-large")["field"] == "picture"
    refused(served.http.delete("/v1/items/poster"), 404, "unknown-item")


def test_many_writers_at_once_lose_nothing(served: Served) -> None:
    names = [f"coat-{at}" for at in range(12)]
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda at: put(served, names[at], 30 * at), range(12)))
    assert len({answer["record"] for answer in answers}) == 12
    assert set(names) <= set(recommended(served))


def test_an_item_is_never_absent_or_there_twice_while_it_is_replaced(served: Served) -> None:
    put(served, "coat-1", 0)
    with ThreadPoolExecutor(1) as pool:
        replacing = pool.submit(lambda: [put(served, "coat-1", hue) for hue in range(1, 20)])
        while not replacing.done():
            assert recommended(served).count("coat-1") == 1
    assert data_of(served, "coat-1") == coat(19)


def test_what_was_acknowledged_outlives_a_killed_replica(served: Served) -> None:
    (victim,) = replicas("Recommender")
    put(served, "coat-1", 77)
    os.kill(victim, signal.SIGKILL)
    until(lambda: victim not in replicas("Recommender"))
    until(lambda: served.http.get("/v1/items/coat-1").status_code == 200)
    assert "coat-1" in recommended(served)
    assert put(served, "coat-1", 77)["outcome"] == "unchanged"


@contextmanager
def another_recommender() -> Iterator[Any]:
    """One more replica on the same bucket that can be asked by itself."""
    from ray import serve

    from services.application import OPTIONS
    from services.recommender import Recommender

    options = {**OPTIONS["Recommender"], "user_config": {"release": None}}
    try:
        yield serve.run(Recommender.options(**options).bind(), name="another", route_prefix=None)
    finally:
        serve.delete("another")


def test_every_replica_sees_what_one_was_told(served: Served) -> None:
    put(served, "coat-1", 1)
    with another_recommender() as other:
        assert has(other, "coat-1")  # from before it started
        record = put(served, "coat-2", 2)["record"]
        until(lambda: contents(other).record >= record)
        assert has(other, "coat-2")
        request = PutItemRequest(category="men-tops", picture={"data": coat(3)})
        with ThreadPoolExecutor(12) as pool:
            theirs = [other.put_item.remote(f"theirs-{at}", request, f"token {at}") for at in range(6)]
            ours = list(pool.map(lambda at: put(served, f"ours-{at}", at)["record"], range(6)))
            numbers = [each.result(timeout_s=PATIENCE_S).number for each in theirs]
        assert len({*ours, *numbers}) == 12
        last = max(ours + numbers)
        until(lambda: contents().record >= last)
        until(lambda: {f"theirs-{at}" for at in range(6)} <= set(recommended(served)))
        until(lambda: all(has(other, f"ours-{at}") for at in range(6)))
        once = other.put_item.remote("theirs-0", request, "token 0").result(timeout_s=PATIENCE_S)
        assert (once.number, once.outcome) == (numbers[0], "created")  # the same request, come again
        served.http.delete("/v1/items/theirs-0")
        until(lambda: not has(other, "theirs-0"))


def has(recommender: Any, item_id: str) -> bool:
    from services.errors import UnknownItem

    try:
        recommender.item.remote(item_id).result(timeout_s=PATIENCE_S)
    except UnknownItem:
        return False
    return True


def test_the_log_goes_before_a_new_release(served: Served, tmp_path) -> None:
    put(served, "coat-1", 1)
    put(served, "item-01", 2, "men-tops")
    served.http.delete("/v1/items/item-03")
    release = tiny_release.publish(served.settings, tmp_path, seed=2, promote=False)
    try:
        handle("Recommender").reconfigure.remote({"release": release}).result(timeout_s=PATIENCE_S)
        assert served.http.get("/readyz").json()["deployments"]["recommender"] == release
        request = {"shopper": KNOWN, "k": 100, "exclude_bought": False}
        answer = served.http.post("/v1/recommend", json=request).json()
        found = {item["item_id"]: item["category"] for item in answer["items"]}
        assert answer["release"] == release and len(found) == ITEMS
        assert "coat-1" in found and "item-03" not in found and found["item-01"] == "men-tops"
    finally:
        handle("Recommender").reconfigure.remote({"release": None}).result(timeout_s=PATIENCE_S)
        for at in (1, 3):
            put(served, f"item-{at:02}", 15 * at, "women-tops")


def test_nothing_is_recorded_for_what_was_refused(served: Served) -> None:
    store = open_store(served.settings.bucket_url, served.settings)
    before = [info.key for info in store.list("catalogue/")]
    served.http.put(
        "/v1/items/coat", json={"category": "hats", "picture": {"data": base64.b64encode(coat(1)).decode()}}
    )
    served.http.delete("/v1/items/never-was")
    put(served, "item-05", 15 * 5, "women-tops")
    put(served, "item-05", 15 * 5, "women-tops")
    added = [info.key for info in store.list("catalogue/")][len(before) :]
    assert len(added) <= 1 and all(json.loads(store.get(key))["item_id"] == "item-05" for key in added)


def test_the_calls_are_described(http: httpx.Client) -> None:
    described = http.get("/openapi.json").json()
    path = described["paths"]["/v1/items/{item_id}"]
    assert set(path) == {"get", "put", "delete"}
    assert set(path["put"]["requestBody"]["content"]) == {"application/json", "multipart/form-data"}
    assert "PutItemRequest" in described["components"]["schemas"]
