"""What the running application refuses, and how."""

import base64
import json
from typing import Any

import httpx
import pytest

from tests.services.conftest import Served, picture_of_somebody

KNOWN = {"user_id": "shopper-0"}
NOBODY = {"user_id": "nobody"}
DESIGN = {"shopper": KNOWN, "category": "men-tops", "restarts": 2, "steps": 1, "k": 1}
MISSING_DESIGN = {"design_id": "0" * 64}
PERSON = {"data": base64.b64encode(picture_of_somebody(8, 12)).decode()}


def refused(response: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["type"] == f"urn:atelier:problem:{kind}"
    assert problem["request_id"] == response.headers["x-request-id"]
    assert "Traceback" not in response.text and "/" not in problem["detail"]
    return problem


@pytest.mark.parametrize(
    ("path", "request_", "kind"),
    [
        ("score", {"shopper": NOBODY, "items": ["item-00"]}, "unknown-shopper"),
        ("score", {"shopper": KNOWN, "items": ["nothing"]}, "unknown-item"),
        ("recommend", {"shopper": NOBODY}, "unknown-shopper"),
        ("recommend", {"shopper": {"likes": ["nothing"]}}, "unknown-item"),
        ("design", {**DESIGN, "shopper": NOBODY}, "unknown-shopper"),
        ("design", {**DESIGN, "shopper": {"likes": ["nothing"]}}, "unknown-item"),
        ("alter", {"shopper": NOBODY, "picture": {"item_id": "item-00"}}, "unknown-shopper"),
        ("alter", {"shopper": KNOWN, "picture": {"item_id": "nothing"}}, "unknown-item"),
        ("alter", {"shopper": KNOWN, "picture": MISSING_DESIGN}, "unknown-design"),
        ("variations", {"picture": {"item_id": "nothing"}}, "unknown-item"),
        ("variations", {"shopper": NOBODY, "picture": {"item_id": "item-00"}}, "unknown-shopper"),
        ("variations", {"picture": MISSING_DESIGN}, "unknown-design"),
        ("try-on", {"person": PERSON, "wanted": {"item_id": "nothing"}}, "unknown-item"),
        ("try-on", {"person": PERSON, "wanted": MISSING_DESIGN}, "unknown-design"),
        ("try-on", {"person": PERSON, "wanted": {"item_id": "item-00"}, "worn": MISSING_DESIGN}, "unknown-design"),
        ("fitting", {"person": PERSON, "shopper": NOBODY}, "unknown-shopper"),
        ("fitting", {**DESIGN, "person": PERSON, "shopper": NOBODY, "source": "design"}, "unknown-shopper"),
    ],
)
def test_what_is_not_known_is_not_found(served: Served, path: str, request_: Any, kind: str) -> None:
    refused(served.http.post(f"/v1/{path}", json=request_), 404, kind)


def test_an_item_that_is_not_known(served: Served) -> None:
    for item_id in ("nothing", "%2e%2e%2f%2e%2e", "%F0%9F%91%97"):
        problem = served.http.get(f"/v1/items/{item_id}")
        assert problem.status_code == 404 and problem.json()["type"].endswith("unknown-item")


@pytest.mark.parametrize(
    ("path", "request_", "field"),
    [
        ("recommend", {"shopper": KNOWN, "category": "hats"}, "category"),
        ("recommend", {"shopper": KNOWN, "filters": {"categories": ["hats"]}}, "filters.categories"),
        ("recommend", {"shopper": KNOWN, "k": 101}, "k"),
        ("design", {**DESIGN, "category": "hats"}, "category"),
        ("design", {**DESIGN, "steps": 10**9}, "steps"),
        ("design", {**DESIGN, "restarts": 33}, "restarts"),  # there are 32 slots
        ("alter", {"shopper": KNOWN, "picture": {"item_id": "item-00"}, "restarts": 33}, "restarts"),
        ("variations", {"picture": {"item_id": "item-00"}, "restarts": 33}, "restarts"),
        ("variations", {"picture": {"item_id": "item-00"}, "category": "hats"}, "category"),
        ("alter", {"shopper": KNOWN, "picture": {"item_id": "item-00"}, "category": "hats"}, "category"),
        ("alter", {"shopper": KNOWN, "picture": {"item_id": "item-00"}, "stages": 11}, "stages"),
        ("fitting", {**DESIGN, "person": PERSON, "source": "design", "category": "hats"}, "category"),
        ("fitting", {**DESIGN, "person": PERSON, "source": "design", "category": "men-shoes"}, "category"),
        ("fitting", {"shopper": KNOWN, "person": PERSON, "category": "men-shoes"}, "category"),
    ],
)
def test_a_value_outside_its_limits_is_named(served: Served, path: str, request_: Any, field: str) -> None:
    response = served.http.post(f"/v1/{path}", json=request_)
    assert response.status_code == 400, response.text
    problem = response.json()
    assert problem["field"] == field and problem["value"] and problem["limit"]


@pytest.mark.parametrize(
    ("request_", "status", "kind"),
    [
        ({**DESIGN, "shopper": NOBODY}, 404, "unknown-shopper"),
        ({**DESIGN, "category": "hats"}, 400, "bad-input"),
        ({**DESIGN, "restarts": 33}, 400, "bad-input"),
    ],
)
def test_who_asks_for_events_is_refused_in_the_same_way(served: Served, request_: Any, status: int, kind: str) -> None:
    refused(served.http.post("/v1/design", json=request_, headers={"accept": "text/event-stream"}), status, kind)


def corrupted() -> dict[str, bytes]:
    png, jpeg = (picture_of_somebody(40, 60, format=kind) for kind in ("PNG", "JPEG"))
    return {
        "nothing in it": b"\0",
        "no picture": b"GET / HTTP/1.1\r\n\r\n" * 9,
        "a truncated PNG": png[: len(png) // 2],
        "a truncated JPEG": jpeg[: len(jpeg) // 2],
        "a PNG with a broken middle": png[:60] + bytes(40) + png[100:],
        "another format": b"GIF89a" + bytes(100),
        "a vector picture": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    }


@pytest.mark.parametrize("name", corrupted())
@pytest.mark.parametrize("field", ["person", "wanted"])
def test_a_corrupted_upload_is_refused_by_name(served: Served, name: str, field: str) -> None:
    pictures = {"person": picture_of_somebody(8, 12), "wanted": picture_of_somebody(8, 8), field: corrupted()[name]}
    response = served.http.post("/v1/try-on", files={key: (key, data) for key, data in pictures.items()})
    problem = refused(response, 400, "bad-input")
    assert problem["field"] == field and problem["limit"] == "a whole JPEG, PNG or WebP picture"


def test_a_mask_is_refused_where_the_release_takes_none(served: Served) -> None:
    parts = {"person": picture_of_somebody(8, 12), "wanted": picture_of_somebody(8, 8), "mask": b"no picture"}
    for data, complaint in ((parts["mask"], "a whole JPEG"), (picture_of_somebody(8, 12), "finds its own")):
        sent = parts | {"mask": data}
        response = served.http.post("/v1/try-on", files={key: (key, each) for key, each in sent.items()})
        problem = refused(response, 400, "bad-input")
        assert problem["field"] == "mask" and complaint in problem["detail"] + problem["limit"]


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(served: Served) -> None:
    wide = picture_of_somebody(1001, 1000)
    assert len(wide) < served.settings.max_picture_bytes
    response = served.http.post(
        "/v1/try-on", files={"person": wide, "request": (None, json.dumps({"wanted": {"item_id": "item-00"}}))}
    )
    assert refused(response, 413, "too-large")["field"] == "person"


def test_a_picture_of_too_many_bytes_is_refused(served: Served) -> None:
    heavy = picture_of_somebody(8, 12) + bytes(served.settings.max_picture_bytes)
    response = served.http.post(
        "/v1/try-on", files={"person": heavy, "request": (None, json.dumps({"wanted": {"item_id": "item-00"}}))}
    )
    assert refused(response, 413, "too-large")["field"] == "person"


def test_a_huge_body_is_refused(served: Served) -> None:
    response = served.http.post("/v1/score", content=b" " * 8 * 2**20)
    refused(response, 413, "too-large")


def test_a_request_id_comes_back_once_also_with_a_refusal(served: Served) -> None:
    headers = {"x-request-id": "mine-7"}
    for request in ({"shopper": KNOWN, "items": ["item-00"]}, {"shopper": NOBODY, "items": ["item-00"]}, {}):
        response = served.http.post("/v1/score", json=request, headers=headers)
        assert response.headers.get_list("x-request-id") == ["mine-7"]
        assert response.json()["request_id"] == "mine-7"
