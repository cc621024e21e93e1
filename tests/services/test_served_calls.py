"""Every call of the running application, over HTTP."""

import base64
import hashlib
import io
import json
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from cluster.object_store import open_store
from tests.services.conftest import Served
from tests.services.tiny_release import CATEGORIES, FITS, ITEMS, SHOPPERS

KNOWN = {"user_id": "shopper-0"}
NEW = {"likes": ["item-02", "item-04"]}
QUICK = {"restarts": 2, "steps": 2, "seed": 1}


def answered(response: httpx.Response, served: Served) -> dict[str, Any]:
    """The answer, which says its release, its request and its times."""
    assert response.status_code == 200, response.text
    answer = response.json()
    assert answer["release"] == served.release
    assert answer["request_id"] == response.headers["x-request-id"]
    assert set(answer["timings"]) == {"queue", "compute", "encode"}
    assert all(value >= 0 for value in answer["timings"].values())
    return answer


def opened(picture: dict[str, Any]) -> Image.Image:
    """The picture of an answer, fetched as a client would."""
    data = base64.b64decode(picture["data"]) if "data" in picture else httpx.get(picture["url"]).content
    image = Image.open(io.BytesIO(data))
    assert picture["media_type"] == f"image/{image.format.lower()}"
    return image


def form(request: dict[str, Any], **pictures: bytes) -> dict[str, Any]:
    files = {name: (f"{name}.png", data, "image/png") for name, data in pictures.items()}
    return {"files": {"request": ("", json.dumps(request), "application/json"), **files}}


def keys(served: Served) -> set[str]:
    """Of pictures and designs: the catalogue's own upkeep goes on beside the requests."""
    store = open_store(served.settings.bucket_url, served.settings)
    return {info.key for folder in ("images/", "designs/") for info in store.list(folder)}


@pytest.mark.parametrize("shopper", [KNOWN, NEW])
def test_score(served: Served, shopper: dict[str, Any]) -> None:
    items = ["item-03", "item-01"]
    answer = answered(served.http.post("/v1/score", json={"shopper": shopper, "items": items}), served)
    assert [each["item_id"] for each in answer["scores"]] == items


@pytest.mark.parametrize("shopper", [KNOWN, NEW])
def test_recommend(served: Served, shopper: dict[str, Any]) -> None:
    request = {"shopper": shopper, "category": "men-tops", "k": 3}
    answer = answered(served.http.post("/v1/recommend", json=request), served)
    scores = [item["score"] for item in answer["items"]]
    assert len(scores) == 3 and scores == sorted(scores, reverse=True)
    assert {item["category"] for item in answer["items"]} == {"men-tops"}
    assert opened(answer["items"][0]["picture"]).size == (32, 32)
    assert "expires_at" in answer["items"][0]["picture"]


def test_pictures_come_inline_when_asked(served: Served) -> None:
    request = {"shopper": KNOWN, "k": 2, "inline": True}
    answer = answered(served.http.post("/v1/recommend", json=request), served)
    for item in answer["items"]:
        assert "url" not in item["picture"] and opened(item["picture"]).size == (32, 32)


@pytest.mark.parametrize("shopper", [KNOWN, NEW])
def test_design(served: Served, shopper: dict[str, Any]) -> None:
    request = {"shopper": shopper, "category": "women-tops", "k": 2, "restarts": 4, "steps": 3}
    answer = answered(served.http.post("/v1/design", json=request), served)
    scores = [design["score"] for design in answer["designs"]]
    assert len(scores) == 2 and scores == sorted(scores, reverse=True)
    assert answer["timings"]["compute"] > 0
    assert opened(answer["designs"][0]["picture"]).size == (64, 64)


def test_a_design_is_kept_by_its_content_with_what_made_it(served: Served) -> None:
    request = {"shopper": KNOWN, "category": "men-tops", "k": 1, **QUICK}
    (design,) = served.http.post("/v1/design", json=request).json()["designs"]
    data = httpx.get(design["picture"]["url"]).content
    assert hashlib.sha256(data).hexdigest() == design["design_id"]
    store = open_store(served.settings.bucket_url, served.settings)
    record = json.loads(store.get(f"designs/{design['design_id']}.json"))
    assert set(record) == {"code", "category", "release", "picture", "score", "realism"}
    assert (record["category"], record["release"]) == ("men-tops", served.release)


def test_a_seed_gives_the_same_designs_again(served: Served) -> None:
    request = {"shopper": KNOWN, "category": "men-tops", "k": 1, "restarts": 2, "steps": 2}
    first = served.http.post("/v1/design", json=request).json()
    again = served.http.post("/v1/design", json={**request, "seed": first["seed"]}).json()
    assert again["seed"] == first["seed"]
    assert again["designs"][0]["score"] == pytest.approx(first["designs"][0]["score"], abs=1e-5)


def test_alter_an_item(served: Served) -> None:
    request = {"shopper": KNOWN, "picture": {"item_id": "item-03"}, "stages": 3, **QUICK}
    answer = answered(served.http.post("/v1/alter", json=request), served)
    assert answer["reconstruction"]["category"] == CATEGORIES[1]
    scores = [each["score"] for each in (answer["reconstruction"], *answer["stages"])]
    assert len(scores) == 4 and scores == sorted(scores)
    assert opened(answer["stages"][-1]["picture"]).size == (64, 64)


def test_alter_a_design_starts_from_the_design_itself(served: Served) -> None:
    request = {"shopper": KNOWN, "category": "men-tops", "k": 1, **QUICK}
    (design,) = served.http.post("/v1/design", json=request).json()["designs"]
    request = {"shopper": NEW, "picture": {"design_id": design["design_id"]}, "stages": 1, **QUICK}
    answer = answered(served.http.post("/v1/alter", json=request), served)
    np.testing.assert_allclose(
        np.asarray(opened(answer["reconstruction"]["picture"]), dtype=int),
        np.asarray(opened(design["picture"]), dtype=int),
        atol=2,
    )


def test_alter_an_upload_keeps_nothing(served: Served, person: bytes) -> None:
    before = keys(served)
    request = {"shopper": KNOWN, "category": "men-tops", "stages": 1, **QUICK}
    answer = answered(served.http.post("/v1/alter", **form(request, picture=person)), served)
    assert "design_id" not in answer["stages"][0] and opened(answer["stages"][0]["picture"]).size == (64, 64)
    assert keys(served) == before


def test_variations_of_an_item(served: Served) -> None:
    request = {"picture": {"item_id": "item-03"}, "n": 3, **QUICK}
    answer = answered(served.http.post("/v1/variations", json=request), served)
    assert len(answer["variations"]) == 3 and answer["seed"] == 1
    for each in answer["variations"]:
        assert "score" not in each and each["category"] == CATEGORIES[1]
        assert opened(each["picture"]).size == (64, 64)


def test_variations_of_a_design_for_a_shopper(served: Served) -> None:
    request = {"shopper": KNOWN, "category": "men-tops", "k": 1, **QUICK}
    (design,) = served.http.post("/v1/design", json=request).json()["designs"]
    request = {"shopper": NEW, "picture": {"design_id": design["design_id"]}, "n": 4, "radius": 0.2, "seed": 2}
    answer = answered(served.http.post("/v1/variations", json=request), served)
    scores = [each["score"] for each in answer["variations"]]
    assert len(scores) == 4 and scores == sorted(scores, reverse=True)
    again = {"shopper": NEW, "picture": {"design_id": answer["variations"][0]["design_id"]}, "stages": 1, **QUICK}
    assert served.http.post("/v1/alter", json=again).status_code == 200


def test_variations_of_an_upload_keep_nothing(served: Served, person: bytes) -> None:
    before = keys(served)
    request = {"category": "men-tops", "n": 2, **QUICK}
    answer = answered(served.http.post("/v1/variations", **form(request, picture=person)), served)
    assert "design_id" not in answer["variations"][0] and opened(answer["variations"][1]["picture"]).size == (64, 64)
    assert keys(served) == before


def told(response: httpx.Response) -> list[tuple[str, dict[str, Any]]]:
    """Name and data of every event of a stream."""
    blocks = [block.split("\n") for block in response.text.split("\n\n") if block.startswith("event: ")]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in blocks]


@pytest.mark.parametrize(
    ("path", "request_"),
    [
        ("design", {"shopper": KNOWN, "category": "men-tops", "k": 2, "restarts": 8, "steps": 200}),
        ("alter", {"shopper": KNOWN, "picture": {"item_id": "item-03"}, "stages": 2}),
        ("variations", {"picture": {"item_id": "item-03"}, "n": 2}),
    ],
)
def test_the_way_to_an_answer_can_be_watched(served: Served, path: str, request_: dict[str, Any]) -> None:
    request_ = {**request_, "seed": 5, "inline": True}
    plain = answered(served.http.post(f"/v1/{path}", json=request_), served)
    stream = served.http.post(f"/v1/{path}", json=request_, headers={"accept": "text/event-stream"})
    assert stream.headers["content-type"].startswith("text/event-stream")
    *progress, (last, answer) = told(stream)
    assert last == "answer" and {name for name, _ in progress} == {"progress"}
    steps = [each["step"] for _, each in progress]
    assert steps == sorted(steps) and steps[-1] <= progress[0][1]["steps"]
    assert opened(progress[0][1]["picture"]).size == (64, 64)
    assert ("score" in progress[0][1]) == ("shopper" in request_)
    assert answer["request_id"] == stream.headers["x-request-id"]
    assert looks(answer) == looks(plain) and answer.keys() == plain.keys()


def looks(answer: dict[str, Any]) -> Any:
    """Realism of every design of an answer, wherever it stands, as far as rounding leaves it the same."""
    if isinstance(answer, list):
        return [looks(each) for each in answer]
    if "realism" in answer:
        return pytest.approx(answer["realism"], abs=1e-3)
    return {name: looks(value) for name, value in answer.items() if isinstance(value, list)}


def fitted(answer: dict[str, Any]) -> tuple[Image.Image, Image.Image]:
    picture, mask = opened(answer["picture"]), opened(answer["mask"])
    size = (answer["size"]["width"], answer["size"]["height"])
    assert picture.size == mask.size == size and mask.mode == "L"
    assert answer["network_size"] == {"height": 32, "width": 32}
    return picture, mask


def test_try_on_an_item(served: Served, person: bytes) -> None:
    before = keys(served)
    request = {"wanted": {"item_id": "item-05"}, "worn": {"item_id": "item-06"}}
    answer = answered(served.http.post("/v1/try-on", **form(request, person=person)), served)
    picture, mask = fitted(answer["fitting"])
    assert picture.size == (80, 120) and picture.format == "JPEG"
    assert np.asarray(mask).any()
    assert keys(served) == before


def test_try_on_in_json_with_uploads_alone(served: Served, person: bytes) -> None:
    data = {"data": base64.b64encode(person).decode()}
    request = {"person": data, "worn": data, "wanted": data, "format": "png"}
    answer = answered(served.http.post("/v1/try-on", json=request), served)
    assert fitted(answer["fitting"])[0].format == "PNG"


def test_try_on_a_design(served: Served, person: bytes) -> None:
    request = {"shopper": KNOWN, "category": "men-tops", "k": 1, **QUICK}
    (design,) = served.http.post("/v1/design", json=request).json()["designs"]
    request = {"wanted": {"design_id": design["design_id"]}}
    answer = answered(served.http.post("/v1/try-on", **form(request, person=person)), served)
    fitted(answer["fitting"])


def test_a_fitting_of_recommendations_is_the_two_calls_in_one(served: Served, person: bytes) -> None:
    request = {"shopper": KNOWN, "k": 2, "format": "png"}
    answer = answered(served.http.post("/v1/fitting", **form(request, person=person)), served)
    best = served.http.post("/v1/recommend", json={"shopper": KNOWN, "k": 2}).json()["items"]
    assert [each["item"]["item_id"] for each in answer["fittings"]] == [item["item_id"] for item in best]
    alone = {"wanted": {"item_id": best[0]["item_id"]}, "format": "png"}
    tried = served.http.post("/v1/try-on", **form(alone, person=person)).json()
    together, apart = fitted(answer["fittings"][0]["fitting"])[0], fitted(tried["fitting"])[0]
    np.testing.assert_allclose(np.asarray(together, dtype=int), np.asarray(apart, dtype=int), atol=1)


def test_a_fitting_of_designs(served: Served, person: bytes) -> None:
    request = {"shopper": NEW, "source": "design", "category": "women-tops", "k": 2, **QUICK}
    answer = answered(served.http.post("/v1/fitting", **form(request, person=person)), served)
    scores = [each["design"]["score"] for each in answer["fittings"]]
    assert len(scores) == 2 and scores == sorted(scores, reverse=True)
    assert answer["timings"]["compute"] > 0 and answer["timings"]["encode"] > 0
    for each in answer["fittings"]:
        fitted(each["fitting"])


def test_a_fitting_of_nothing_is_empty(served: Served, person: bytes) -> None:
    request = {"shopper": KNOWN, "category": "men-tops", "filters": {"categories": ["women-tops"]}}
    assert answered(served.http.post("/v1/fitting", **form(request, person=person)), served)["fittings"] == []


def test_an_item(served: Served) -> None:
    answer = answered(served.http.get("/v1/items/item-07"), served)
    assert answer["item"]["category"] == "women-tops" and "score" not in answer["item"]
    inline = answered(served.http.get("/v1/items/item-07", params={"inline": "true"}), served)
    assert opened(inline["item"]["picture"]).size == (32, 32)


def test_the_release(served: Served) -> None:
    answer = answered(served.http.get("/v1/release"), served)
    assert answer["deployments"] == dict.fromkeys(("recommender", "designer", "fitting_room"), served.release)
    assert (answer["items"], answer["shoppers"]) == (ITEMS, SHOPPERS)
    assert answer["categories"] == list(CATEGORIES) and answer["fits"] == list(FITS)
    assert set(answer["configs"]) == {"dvbpr", "cgan", "cagan"}
    assert answer["metrics"] == {"auc": 0.5}


def test_health_and_description(served: Served) -> None:
    assert served.http.get("/healthz").json() == {"alive": True}
    assert served.http.get("/readyz").json()["ready"] is True
    assert "/v1/fitting" in served.http.get("/openapi.json").json()["paths"]
