"""What every HTTP request passes first, and how bodies are read: the face over a core that only echoes."""

import asyncio
import base64
import json
import tempfile
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from services import messages
from services.errors import NoRelease
from tests.services.near import HERE, faced

TIMINGS = messages.Timings(queue=0, compute=0, encode=0)
PERSON = b"\xff\xd8 not really a picture"


class Echo:
    """A core that keeps what it was asked and answers nothing of interest."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.patience: list[float | None] = []

    def within(self, timeout_s: float | None) -> "Echo":
        self.patience.append(timeout_s)
        return self

    def __getattr__(self, name: str) -> Any:
        async def call(request: Any, request_id: str, **options: Any) -> messages.Answer:
            self.asked.append(request)
            if request_id == "fault":
                raise ZeroDivisionError("a secret of ours")
            return messages.Answer(release="r", request_id=request_id, timings=TIMINGS)

        return call

    async def ready(self) -> dict[str, str | None]:
        raise NoRelease("no release is loaded in designer")


@pytest.fixture
def core() -> Echo:
    return Echo()


@pytest.fixture
def client(core: Echo) -> Iterator[TestClient]:
    app = faced(core)
    with TestClient(app, client=HERE, raise_server_exceptions=False) as client:
        yield client


SCORE = {"shopper": {"user_id": "u"}, "items": ["i"]}
TRY_ON = {"wanted": {"item_id": "i"}}


def form(request: Any, **files: bytes) -> dict[str, Any]:
    sent = {name: (f"{name}.jpg", data, "image/jpeg") for name, data in files.items()}
    return {"files": {"request": ("", json.dumps(request).encode(), "application/json"), **sent}}


def refused(response: httpx.Response, status: int, field: str | None = None) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == status and problem["request_id"]
    if field is not None:
        assert problem["field"] == field and problem["limit"]
    return problem


def test_json_and_form_bring_the_same(client: TestClient, core: Echo) -> None:
    data = base64.b64encode(PERSON).decode()
    assert client.post("/v1/try-on", json={**TRY_ON, "person": {"data": data}}).status_code == 200
    assert client.post("/v1/try-on", **form(TRY_ON, person=PERSON)).status_code == 200
    assert core.asked[0] == core.asked[1]
    assert core.asked[0].person.data == PERSON


def test_a_form_may_carry_its_request_as_a_field_or_as_a_file(client: TestClient, core: Echo) -> None:
    person = ("p.jpg", PERSON, "image/jpeg")
    for part in ((None, json.dumps(TRY_ON)), ("r.json", json.dumps(TRY_ON), "application/json")):
        assert client.post("/v1/try-on", files={"request": part, "person": person}).status_code == 200
    assert core.asked[0] == core.asked[1]


def test_nothing_of_a_form_is_written_to_a_disk(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Any) -> None:
        raise AssertionError("rolled over to a file")

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", refuse)
    app = faced(Echo(), max_picture_bytes=4_000_000)
    with TestClient(app, client=HERE) as client:
        assert client.post("/v1/try-on", **form(TRY_ON, person=b"x" * 3_000_000)).status_code == 200


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        (form(TRY_ON), "person"),
        (form(TRY_ON, person=PERSON, hat=PERSON), "hat"),
        (form({**TRY_ON, "person": {"data": "aGk="}}, person=PERSON), "person"),
        (form([], person=PERSON), "request"),
        ({"files": {"request": ("", b"{", "application/json"), "person": PERSON}}, "request"),
        ({"content": b"--x\r\ncut", "headers": {"content-type": "multipart/form-data; boundary=x"}}, "person"),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data"}}, "body"),
    ],
)
def test_a_form_with_a_fault_is_refused_by_name(client: TestClient, sent: dict[str, Any], field: str) -> None:
    refused(client.post("/v1/try-on", **sent), 400, field)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"nonsense", b'{"shopper": ', b"\xff\xfe", b"[" * 100_000, b'{"shopper": "\\ud800"}']
)
def test_a_body_that_is_no_json_is_refused(client: TestClient, body: bytes) -> None:
    refused(client.post("/v1/score", content=body, headers={"content-type": "application/json"}), 400)


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_not_finite_are_refused(client: TestClient, literal: str) -> None:
    body = '{"shopper": {"user_id": "u"}, "category": "c", "realism": ' + literal + "}"
    response = client.post("/v1/design", content=body, headers={"content-type": "application/json"})
    refused(response, 400, "realism")


def test_other_media_are_refused(client: TestClient) -> None:
    refused(client.post("/v1/score", content=b"<x/>", headers={"content-type": "text/xml"}), 415)
    refused(client.post("/v1/score", **form(SCORE)), 415)


def test_a_picture_beyond_the_limit_is_refused_before_it_is_decoded(client: TestClient, core: Echo) -> None:
    refused(client.post("/v1/try-on", **form(TRY_ON, person=b"x" * 1001)), 413, "person")
    long = base64.b64encode(b"x" * 1010).decode()
    refused(client.post("/v1/try-on", json={**TRY_ON, "person": {"data": long}}), 413, "person")
    assert core.asked == []


def test_a_body_beyond_the_limit_is_refused_by_its_length(client: TestClient) -> None:
    refused(client.post("/v1/score", content=b"x" * 2_000_000), 413, "body")


def test_a_body_of_unknown_length_has_the_same_limit(client: TestClient) -> None:
    chunks = (b"x" * 100_000 for _ in range(1000))
    refused(client.post("/v1/score", content=chunks), 413, "body")


def test_a_body_that_does_not_arrive_is_not_waited_for() -> None:
    async def stalled() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(60)

    async def run() -> httpx.Response:
        app = faced(Echo(), body_s=0.05)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            return await client.post("/v1/score", content=stalled())

    assert refused(asyncio.run(run()), 408)["type"] == "urn:atelier:problem:slow-body"


def test_a_request_id_is_taken_or_made(client: TestClient) -> None:
    mine = client.post("/v1/score", json=SCORE, headers={"x-request-id": "mine-1"})
    assert mine.json()["request_id"] == "mine-1"
    made = [client.post("/v1/score", json=SCORE).json()["request_id"] for _ in range(2)]
    assert made[0] != made[1]


@pytest.mark.parametrize("request_id", ["a b", "x" * 129, "\x7f"])
def test_an_odd_request_id_is_refused(client: TestClient, request_id: str) -> None:
    refused(client.post("/v1/score", json=SCORE, headers={"x-request-id": request_id}), 400, "x-request-id")


def test_a_fault_of_ours_is_in_the_log_and_not_in_the_answer(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    problem = refused(client.post("/v1/score", json=SCORE, headers={"x-request-id": "fault"}), 500)
    assert "secret" not in json.dumps(problem) and "Traceback" not in json.dumps(problem)
    assert "request fault" in caplog.text and "ZeroDivisionError: a secret of ours" in caplog.text


def test_how_long_a_client_waits_is_passed_on(client: TestClient, core: Echo) -> None:
    client.post("/v1/score", json=SCORE, headers={"x-timeout-s": "2.5"})
    client.post("/v1/score", json=SCORE)
    assert core.patience == [2.5, None]


@pytest.mark.parametrize("value", ["soon", "-1", "0", "inf", "nan", ""])
def test_an_odd_wait_is_refused(client: TestClient, value: str) -> None:
    refused(client.post("/v1/score", json=SCORE, headers={"x-timeout-s": value}), 400, "x-timeout-s")


def test_unknown_paths_and_methods_are_problems_too(client: TestClient) -> None:
    assert refused(client.get("/v2/anything"), 404)["type"] == "about:blank"
    response = client.get("/v1/score")
    refused(response, 405)
    assert response.headers["allow"] == "POST"
    refused(client.get("/v1/items/i?inline=perhaps"), 400, "query.inline")


def test_readiness_is_a_problem_while_there_is_no_release(client: TestClient) -> None:
    assert refused(client.get("/readyz"), 503)["type"] == "urn:atelier:problem:no-release"
    assert client.get("/healthz").status_code == 200


def test_beyond_the_permits_nobody_waits_but_health_is_still_told() -> None:
    async def run() -> list[int]:
        held = asyncio.Event()

        class Busy(Echo):
            async def score(self, request: Any, request_id: str) -> messages.Answer:
                await held.wait()
                return messages.Answer(release="r", request_id=request_id, timings=TIMINGS)

        app = faced(Busy())
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            waiting = [asyncio.create_task(client.post("/v1/score", json=SCORE)) for _ in range(2)]
            await asyncio.sleep(0.1)
            third = await client.post("/v1/score", json=SCORE)
            assert refused(third, 429)["type"] == "urn:atelier:problem:overloaded"
            assert int(third.headers["retry-after"]) >= 1
            assert (await client.get("/healthz")).status_code == 200
            held.set()
            done = [(await each).status_code for each in waiting]
            return [*done, (await client.post("/v1/score", json=SCORE)).status_code]

    assert asyncio.run(run()) == [200, 200, 200]


def test_openapi_describes_every_request_and_answer(client: TestClient) -> None:
    schema = client.get("/openapi.json").json()
    assert set(schema["paths"]) == {
        "/v1/score", "/v1/recommend", "/v1/design", "/v1/alter", "/v1/variations", "/v1/try-on", "/v1/fitting",
        "/v1/items/{item_id}", "/v1/release", "/healthz", "/readyz",
    }  # fmt: skip
    content = schema["paths"]["/v1/try-on"]["post"]["requestBody"]["content"]
    assert set(content) == {"application/json", "multipart/form-data"}
    assert content["multipart/form-data"]["schema"]["properties"]["person"]["format"] == "binary"
    known = schema["components"]["schemas"]
    assert known["DesignRequest"]["properties"]["k"]["maximum"] == 16
    told = schema["paths"]["/v1/design"]["post"]["responses"]["200"]["content"]
    assert set(told) == {"application/json", "text/event-stream"} and "Progress" in known
    assert set(schema["paths"]["/v1/score"]["post"]["responses"]["200"]["content"]) == {"application/json"}
    for reference in references(schema):
        assert reference.removeprefix("#/components/schemas/") in known


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from ([node["$ref"]] if isinstance(node.get("$ref"), str) else [])
        node = list(node.values())
    if isinstance(node, list):
        for each in node:
            yield from references(each)
