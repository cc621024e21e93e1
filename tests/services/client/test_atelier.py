"""The client against a real server: what it sends, when it tries again, and when it does not."""

import asyncio
import pickle
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from cluster.ports import free_port
from services import messages
from services.client import AsyncAtelier, Atelier, Failure, NoAnswer, Patience, Refused, calls, fields
from services.client.failures import refused
from services.client.retries import Budget, Tries
from services.errors import Overloaded
from tests.services.near import faced

TIMINGS = {"queue": 0.0, "compute": 0.0, "encode": 0.0}
ANSWER = {"release": "r", "request_id": "q", "timings": TIMINGS}
PROGRESS = messages.Progress(
    step=1, steps=2, score=None, realism=1.0, picture=messages.Picture(media_type="image/png", data=b"p")
)
QUICK = Patience(timeout_s=10.0, pause_s=0.01)


@contextmanager
def running(app: Any) -> Iterator[str]:
    """A server of an application in this process. Yields its URL."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(30)


class Script:
    """A server that answers one thing after another, and keeps what it was asked."""

    def __init__(self, *answers: Callable[[], Response] | Response) -> None:
        self.answers, self.asked = list(answers), []
        self.app = Starlette()
        self.app.router.default = self._answer

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        await request.body()
        self.asked.append(request)
        await self.answers.pop(0)(scope, receive, send)


def problem(status: int, kind: str, **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = {"type": f"urn:atelier:problem:{kind}", "detail": "no", "status": status}
    return JSONResponse(body, status, named, "application/problem+json")


def scores(*, more: bool = False) -> Response:
    return JSONResponse({**ANSWER, "scores": [], **({"novelty": [1]} if more else {})})


def ask_both(url: str, call: Any, patience: Patience = QUICK, **options: Any) -> Any:
    """What both clients make of a call: the same."""

    async def asked() -> Any:
        async with AsyncAtelier(url, patience=patience, **options) as shop:
            return await shop.ask(call)

    with Atelier(url, patience=patience, **options) as shop:
        first = outcome(lambda: shop.ask(call))
    second = outcome(lambda: asyncio.run(asked()))
    assert type(second) is type(first)
    assert isinstance(first, NoAnswer) or repr(second) == repr(first)  # each has its own words for a lost connection
    return first


def outcome(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except Failure as error:
        return error


SCORE = calls.score("u", ["i"])


def test_an_answer_is_read_and_what_a_later_service_adds_is_passed_over() -> None:
    script = Script(scores(more=True), scores(more=True))
    with running(script.app) as url:
        assert ask_both(url, SCORE, key="secret") == messages.ScoreAnswer(scores=[], **{**ANSWER})
    assert {each.headers["authorization"] for each in script.asked} == {"Bearer secret"}
    assert all(9 < float(each.headers["x-timeout-s"]) <= 10 for each in script.asked)


@pytest.mark.parametrize(
    "failing",
    [
        problem(429, "overloaded", retry_after="0"),
        problem(503, "unavailable"),
        Response("Internal Server Error", 500),  # of a proxy that lost its replica
        Response("bad gateway", 502),
        Response(status_code=404),  # of a proxy that has just begun
    ],
    ids=["429", "503", "500", "502", "404"],
)
def test_what_may_pass_is_tried_again(failing: Response) -> None:
    script = Script(failing, failing, scores(), failing, scores())
    with running(script.app) as url:
        assert ask_both(url, SCORE).release == "r"
    assert len(script.asked) == 5


@pytest.mark.parametrize(
    ("failing", "kind"),
    [
        (problem(400, "bad-input"), "bad-input"),
        (problem(401, "unauthenticated"), "unauthenticated"),
        (problem(404, "unknown-item"), "unknown-item"),
        (problem(500, "internal"), "internal"),
        (problem(504, "deadline-exceeded"), "deadline-exceeded"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_what_stands_is_told_at_once(failing: Response, kind: str) -> None:
    script = Script(failing, failing)
    with running(script.app) as url:
        error = ask_both(url, SCORE)
    assert isinstance(error, Refused) and (error.type, error.status) == (kind, failing.status_code)
    assert len(script.asked) == 2


def test_a_wait_that_is_longer_than_there_is_time_is_not_begun() -> None:
    script = Script(*[problem(429, "rate-limited", retry_after="60")] * 2)
    began = time.monotonic()
    with running(script.app) as url:
        error = ask_both(url, SCORE)
    assert isinstance(error, Refused) and error.retry_after_s == 60 and time.monotonic() - began < 10


def test_nobody_there_is_no_answer() -> None:
    patience = Patience(timeout_s=0.5)
    assert isinstance(ask_both(f"http://127.0.0.1:{free_port()}", SCORE, patience), NoAnswer)
    nowhere = ask_both("127.0.0.1:8000", SCORE)
    assert isinstance(nowhere, NoAnswer) and not nowhere.again and "protocol" in str(nowhere)


def test_who_has_waited_long_enough_does_not_ask_again() -> None:
    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(1)

    script = Script(slow, slow)
    with running(script.app) as url:
        error = ask_both(url, SCORE, Patience(timeout_s=0.3))
    assert isinstance(error, NoAnswer) and len(script.asked) == 2


def test_an_answer_that_trickles_has_no_more_time_than_another() -> None:
    ended = threading.Event()

    async def trickle(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000")]})
        for _ in range(1000):
            if ended.is_set():
                return
            await send({"type": "http.response.body", "body": b" ", "more_body": True})
            await asyncio.sleep(0.05)

    script = Script(trickle, trickle)
    with running(script.app) as url:
        error = ask_both(url, SCORE, Patience(timeout_s=0.3))
        ended.set()
    assert isinstance(error, NoAnswer) and len(script.asked) == 2


@pytest.mark.parametrize("timeout_s", [-1.0, 0.0, 0.0004])
def test_who_has_no_time_left_is_told_so_and_nobody_is_asked(timeout_s: float) -> None:
    script = Script()
    with running(script.app) as url:
        assert isinstance(ask_both(url, SCORE, Patience(timeout_s=timeout_s)), NoAnswer)
    assert script.asked == []


@pytest.mark.parametrize("failure", [NoAnswer("late", again=True), refused(429, {"retry-after": "3"}, b"full")])
def test_a_failure_comes_out_of_a_pool_of_processes_as_it_went_in(failure: Failure) -> None:
    again = pickle.loads(pickle.dumps(failure))
    assert type(again) is type(failure) and str(again) == str(failure) and vars(again) == vars(failure)


def test_a_retried_write_carries_one_idempotency_key(tmp_path: Path) -> None:
    script = Script(problem(503, "unavailable"), problem(400, "bad-input"))
    (tmp_path / "coat.png").write_bytes(b"a coat")
    with running(script.app) as url, Atelier(url, patience=QUICK) as shop:
        outcome(lambda: shop.ask(calls.put_item("a/b c", "tops", tmp_path / "coat.png")))
    first, second = script.asked
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"] != ""
    assert first.scope["raw_path"] == b"/v1/items/a%2Fb%20c"


# --- When to try again, with a clock and a die of its own


def refusal(again: bool = True) -> Refused:
    return Refused(503 if again else 400, {}, ours=True, retry_after_s=None)


class Hours:
    """A clock that is put forward."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_pauses_double_up_to_the_longest() -> None:
    patience = Patience(pause_s=0.1, longest_pause_s=1.0, timeout_s=100)
    tries = Tries(patience, Budget(patience), clock=lambda: 0.0, draw=lambda: 1.0)
    assert [tries.pause(refusal()) for _ in range(5)] == [0.2, 0.4, 0.8, 1.0, 1.0]


def test_tries_end_where_they_are_counted() -> None:
    patience = Patience(tries=3)
    tries = Tries(patience, Budget(patience), clock=lambda: 0.0)
    assert [tries.pause(refusal()) is None for _ in range(3)] == [False, False, True]


def test_a_call_is_tried_for_as_long_as_its_time_allows() -> None:
    hours, patience = Hours(), Patience(timeout_s=60.0)
    tries, made = Tries(patience, Budget(patience, clock=hours), clock=hours, draw=lambda: 0.5), 1
    while (pause_s := tries.pause(refusal())) is not None:
        hours.now, made = hours.now + pause_s, made + 1
    assert 57 < hours.now < 60 and 20 < made < 40


def test_a_service_that_is_down_is_asked_little_more_than_once_a_call() -> None:
    patience = Patience(share=0.2, most=10, a_second=0)
    budget, further = Budget(patience), 0
    for _ in range(1000):
        tries = Tries(patience, budget, clock=lambda: 0.0)
        while tries.pause(refusal()) is not None:
            further += 1
    assert 200 <= further <= 212


def test_who_finds_the_budget_empty_waits_until_it_has_a_try_or_gives_up() -> None:
    hours, patience = Hours(), Patience(timeout_s=3.0, a_second=2.0, most=1.0, share=0.0)
    budget = Budget(patience, clock=hours)
    first = [Tries(patience, budget, clock=hours, draw=lambda: 0.0).pause(refusal()) for _ in range(8)]
    assert first == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, None, None]
    hours.now = 2.0
    assert Tries(patience, budget, clock=hours, draw=lambda: 0.0).pause(refusal()) == 1.0


def test_what_stands_takes_nothing_from_the_budget() -> None:
    patience = Patience(most=1, a_second=0)
    budget = Budget(patience)
    for _ in range(50):
        assert Tries(patience, budget).pause(refusal(again=False)) is None
    assert Tries(patience, budget).pause(refusal()) is not None


# --- Against the face itself


PICTURE = messages.Picture(media_type="image/png")
DESIGN = messages.Design(category="tops", realism=1.0, picture=PICTURE)
SCORED = messages.ScoredItem(item_id="i", category="tops", picture=PICTURE, score=1.0)
ITEM = messages.Item(item_id="i", category="tops", picture=PICTURE)
SIZE = messages.Size(height=4, width=3)
FITTED = messages.Fitted(picture=PICTURE, mask=PICTURE, size=SIZE, network_size=SIZE)
ANSWERS = {
    "score": messages.ScoreAnswer(scores=[], **ANSWER),
    "recommend": messages.RecommendAnswer(items=[], **ANSWER),
    "design": messages.DesignAnswer(designs=[DESIGN], seed=7, **ANSWER),
    "alter": messages.AlterAnswer(reconstruction=DESIGN, stages=[DESIGN], seed=7, **ANSWER),
    "variations": messages.VariationsAnswer(variations=[DESIGN], seed=7, **ANSWER),
    "try_on": messages.TryOnAnswer(fitting=FITTED, **ANSWER),
    "fitting": messages.FittingAnswer(fittings=[messages.FittingOffer(item=SCORED, fitting=FITTED)], **ANSWER),
    "item": messages.ItemAnswer(item=ITEM, **ANSWER),
    "put_item": messages.PutItemAnswer(item=ITEM, outcome="created", record=1, **ANSWER),
    "delete_item": messages.DeleteItemAnswer(item_id="i", outcome="deleted", record=2, **ANSWER),
    "release": messages.ReleaseAnswer(
        deployments={"designer": None},
        categories=[],
        fits=[],
        items=0,
        record=0,
        shoppers=0,
        configs={},
        metrics={},
        **ANSWER,
    ),
}  # by the core's method: whatever may be left out is


class Core:
    """A core that keeps what it was asked, and tells two things to who watches."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def within(self, timeout_s: float | None) -> "Core":
        return self

    def __getattr__(self, name: str) -> Any:
        async def call(*asked: Any, **options: Any) -> messages.Answer:
            self.asked.append((name, asked[:-1]))
            return ANSWERS[name]

        return call

    async def watch(self, request: Any, request_id: str) -> AsyncIterator[Any]:
        yield messages.Accepted()
        yield PROGRESS
        if request.category == "full":
            raise Overloaded("not any more", retry_after_s=2)
        yield messages.DesignAnswer(designs=[], seed=7, **ANSWER)


@pytest.mark.parametrize(
    ("call", "name", "asked"),
    [
        (
            calls.recommend(["a", "b"], k=3, filters=messages.Filters(exclude=["c"])),
            "recommend",
            messages.RecommendRequest(
                shopper=messages.Shopper(likes=["a", "b"]), k=3, filters=messages.Filters(exclude=["c"])
            ),
        ),
        (
            calls.try_on(b"person", calls.item("i"), worn=b"worn", mask=b"mask", group="upper", format="png"),
            "try_on",
            messages.TryOnRequest(
                person=messages.Upload(data=b"person"),
                wanted=messages.PictureInput(item_id="i"),
                worn=messages.PictureInput(data=b"worn"),
                mask=messages.Upload(data=b"mask"),
                group="upper",
                format="png",
            ),
        ),
        (
            calls.variations(b"picture", category="tops", n=2),
            "variations",
            messages.VariationsRequest(picture=messages.PictureInput(data=b"picture"), category="tops", n=2),
        ),
        (
            calls.alter("u", calls.design_of("0" * 64)),
            "alter",
            messages.AlterRequest(
                shopper=messages.Shopper(user_id="u"), picture=messages.PictureInput(design_id="0" * 64)
            ),
        ),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_the_face_reads_what_the_client_sends(call: Any, name: str, asked: Any) -> None:
    core = Core()
    with running(faced(core)) as url:
        ask_both(url, call)
    assert core.asked == [(name, (asked,))] * 2


@pytest.mark.parametrize(
    ("name", "call"),
    {
        "score": SCORE,
        "recommend": calls.recommend("u"),
        "design": calls.design("u", "tops"),
        "alter": calls.alter("u", b"picture", category="tops"),
        "variations": calls.variations(b"picture", category="tops"),
        "try_on": calls.try_on(b"person", b"wanted"),
        "fitting": calls.fitting("u", b"person"),
        "item": calls.get_item("i"),
        "put_item": calls.put_item("i", "tops", b"picture"),
        "delete_item": calls.delete_item("i"),
        "release": calls.release(),
    }.items(),
)
def test_every_answer_is_read_whatever_it_leaves_out(name: str, call: Any) -> None:
    with running(faced(Core())) as url:
        assert ask_both(url, call) == ANSWERS[name]


def test_items_go_by_their_ids() -> None:
    core = Core()
    with running(faced(core)) as url, Atelier(url) as shop:
        for call in (calls.get_item("a b/c", inline=True), calls.delete_item("ä"), calls.put_item("x", "t", b"p")):
            shop.ask(call)
    assert [(name, asked[0]) for name, asked in core.asked] == [
        ("item", "a b/c"),
        ("delete_item", "ä"),
        ("put_item", "x"),
    ]


def test_who_watches_is_told_alike() -> None:
    async def told(url: str, call: Any) -> list[Any]:
        async with AsyncAtelier(url) as shop:
            return [each async for each in shop.watch(call)]

    call, full = calls.design("u", "tops"), calls.design("u", "full")
    with running(faced(Core())) as url, Atelier(url) as shop:
        first = list(shop.watch(call))
        assert first == [PROGRESS, messages.DesignAnswer(designs=[], seed=7, **ANSWER)]
        assert asyncio.run(told(url, call)) == first
        with pytest.raises(Refused) as caught:
            list(shop.watch(full))
        assert caught.value.type == "overloaded" and caught.value.retry_after_s == 2
        with pytest.raises(Refused):
            asyncio.run(told(url, full))


def test_a_picture_is_what_came_along_or_what_its_url_gives() -> None:
    script = Script(Response("slow down", 503), Response(b"fetched"), Response("gone", 403), Response(b"fetched"))

    async def fetched(url: str) -> bytes:
        async with AsyncAtelier(url, key="secret") as shop:
            return await shop.picture(messages.Picture(media_type="image/png", url=f"{url}/images/a.png"))

    with running(script.app) as url, Atelier(url, key="secret", patience=QUICK) as shop:
        assert shop.picture(messages.Picture(media_type="image/png", data=b"here")) == b"here"
        linked = messages.Picture(media_type="image/png", url=f"{url}/images/a.png")
        assert shop.picture(linked) == b"fetched"
        with pytest.raises(Refused):
            shop.picture(linked)
        assert asyncio.run(fetched(url)) == b"fetched"
        with pytest.raises(NoAnswer):
            shop.picture(messages.Picture(media_type="image/png", url=f"http://127.0.0.1:{free_port()}/a.png"))
    assert not any("authorization" in each.headers for each in script.asked)


@pytest.mark.parametrize(
    ("typed", "request_", "said"),
    [
        (fields.RecommendFields, messages.RecommendRequest, {"shopper"}),
        (fields.DesignFields, messages.DesignRequest, {"shopper", "category"}),
        (fields.AlterFields, messages.AlterRequest, {"shopper", "picture"}),
        (fields.VariationsFields, messages.VariationsRequest, {"shopper", "picture"}),
        (fields.TryOnFields, messages.TryOnRequest, {"person", "worn", "wanted", "mask"}),
        (fields.FittingFields, messages.FittingRequest, {"shopper", "person", "worn"}),
    ],
)
def test_every_field_of_a_request_can_be_said(typed: Any, request_: type[messages.Request], said: set[str]) -> None:
    assert set(typed.__annotations__) | said == set(request_.model_fields)
