"""Progress as server-sent events, over a core that tells what it is given."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from services import events, messages, metrics
from services.accounts import Accounts
from services.errors import DeadlineExceeded, Overloaded
from services.meters import Meters
from tests.services.near import HERE, LOGGER, faced

EVENTS = {"accept": "text/event-stream"}
DESIGN = {"shopper": {"user_id": "u"}, "category": "c"}
PICTURE = messages.Picture(media_type="image/jpeg", data=b"p")
HALF = messages.Progress(step=5, steps=10, score=1.5, realism=0.9, picture=PICTURE)
TIMINGS = messages.Timings(queue=0, compute=0, encode=0)
ANSWER = messages.DesignAnswer(designs=[], seed=7, release="r", request_id="q", timings=TIMINGS)


class Telling:
    """A core that tells one thing after another to who watches, and answers who asks plainly."""

    def __init__(self, *told: Any) -> None:
        self.told, self.left = told, False

    async def watch(self, request: Any, request_id: str) -> AsyncIterator[Any]:
        try:
            for each in self.told:
                if isinstance(each, Exception):
                    raise each
                await asyncio.sleep(each if isinstance(each, float) else 0)
                if not isinstance(each, float):
                    yield each
        finally:
            self.left = True

    def within(self, timeout_s: float | None) -> "Telling":
        return self

    def __getattr__(self, name: str) -> Any:
        async def call(request: Any, request_id: str) -> messages.Answer:
            return ANSWER

        return call


def asked(core: Telling, **options: Any) -> httpx.Response:
    app = faced(core, permits=1)
    with TestClient(app, client=HERE, raise_server_exceptions=False) as client:
        return client.post("/v1/design", **{"json": DESIGN, "headers": EVENTS, **options})


def told(response: httpx.Response) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and data of every event; comments are none."""
    for block in response.text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields:
            yield fields["event"], json.loads(fields["data"])


def test_progress_and_then_the_answer_that_is_otherwise_the_body() -> None:
    core = Telling(messages.Accepted(), HALF, ANSWER)
    response = asked(core)
    assert response.headers["content-type"].startswith("text/event-stream")
    (name, progress), (last, answer) = told(response)
    assert (name, last) == ("progress", "answer")
    assert progress == {
        "step": 5,
        "steps": 10,
        "score": 1.5,
        "realism": 0.9,
        "picture": {"media_type": "image/jpeg", "data": "cA=="},
    }
    assert answer == asked(core, headers={}).json()


@pytest.mark.parametrize("accept", ["application/json", "*/*", "text/html, application/json;q=0.9"])
def test_who_does_not_ask_for_events_gets_none(accept: str) -> None:
    assert asked(Telling(HALF, ANSWER), headers={"accept": accept}).json()["seed"] == 7


def test_a_refusal_before_the_first_event_keeps_its_status() -> None:
    response = asked(Telling(Overloaded("full", retry_after_s=9)))
    assert response.status_code == 429 and response.headers["retry-after"] == "9"
    assert response.headers["content-type"] == "application/problem+json"
    assert asked(Telling(ANSWER), json={**DESIGN, "k": 0}).status_code == 400


def test_what_goes_wrong_on_the_way_is_an_event() -> None:
    response = asked(
        Telling(messages.Accepted(), HALF, DeadlineExceeded("too late")), headers={**EVENTS, "x-request-id": "q"}
    )
    _, (name, problem) = told(response)
    assert response.status_code == 200 and name == "problem"
    assert (problem["status"], problem["type"]) == (504, "urn:atelier:problem:deadline-exceeded")
    assert (problem["request_id"], problem["instance"]) == ("q", "/v1/design")


def test_a_fault_of_ours_on_the_way_is_in_the_log_alone(caplog: pytest.LogCaptureFixture) -> None:
    response = asked(Telling(messages.Accepted(), ZeroDivisionError("a secret of ours")))
    ((name, problem),) = told(response)
    assert name == "problem" and problem["status"] == 500 and "secret" not in response.text
    assert "a secret of ours" in caplog.text


def test_a_long_wait_is_filled_with_comments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "KEEP_ALIVE_S", 0.02)
    response = asked(Telling(messages.Accepted(), 0.3, ANSWER))
    assert response.text.startswith(": accepted\n\n: waiting\n\n")
    assert [name for name, _ in told(response)] == ["answer"]


def test_who_leaves_ends_what_was_told_and_gives_the_permit_back() -> None:
    core, meters = Telling(messages.Accepted(), HALF, 60.0, ANSWER), Meters()
    app = faced(core, permits=1, accounts=Accounts(logger=LOGGER, meters=meters))
    body = json.dumps(DESIGN).encode()
    scope = {
        "client": HERE,
        "type": "http",
        "method": "POST",
        "path": "/v1/design",
        "raw_path": b"/v1/design",
        "query_string": b"",
        "headers": [(b"accept", b"text/event-stream"), (b"content-type", b"application/json")],
        "asgi": {"version": "3.0", "spec_version": "2.3"},
    }

    async def visit() -> None:
        heard = asyncio.Event()
        arriving = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def receive() -> dict[str, Any]:
            for message in arriving:
                return message
            await heard.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            if b"event: progress" in message.get("body", b""):
                heard.set()

        await app(scope, receive, send)
        assert core.left
        (told,) = (each.labels for each in meters.readings() if each.metric is metrics.REQUESTS)
        assert told == ("design", "http", "left", "499", "none")
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            assert (await client.post("/v1/design", json=DESIGN)).status_code == 200

    asyncio.run(visit())
