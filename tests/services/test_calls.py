"""Calls to the deployments: deadlines, second tries, and what errors become."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from types import SimpleNamespace

import pytest
from ray.exceptions import ActorDiedError, RayTaskError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError

from cluster.object_store import NotFound
from cluster.object_store import Unavailable as StoreUnavailable
from cluster.settings import Settings
from services.calls import Caller, causes, translated
from services.core import Core
from services.designer import Designer
from services.errors import (
    BadInput,
    DeadlineExceeded,
    Overloaded,
    TurningRelease,
    Unavailable,
    UnknownShopper,
)
from services.messages import DesignRequest, Shopper

LOGGER = logging.getLogger("test")


def asked(call: Callable[[], Awaitable[object]], **options: float) -> object:
    caller = Caller(**{"timeout_s": 5.0, "pause_s": 0.001, **options})
    return asyncio.run(caller(call, logger=LOGGER))[0]


class Sequence:
    """Fails as told, once for each error, then answers."""

    def __init__(self, *errors: Exception) -> None:
        self.errors, self.calls = list(errors), 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


@pytest.mark.parametrize("error", [ActorDiedError(), TurningRelease("not yet")])
def test_what_may_fare_better_is_tried_again(error: Exception) -> None:
    call = Sequence(error, error)
    assert asked(call) == "answer" and call.calls == 3


def test_tries_have_an_end() -> None:
    call = Sequence(*[ActorDiedError()] * 9)
    with pytest.raises(Unavailable):
        asked(call, tries=3)
    assert call.calls == 3


def test_a_release_being_changed_is_waited_for_longer() -> None:
    call = Sequence(*[TurningRelease("not yet")] * 9)
    assert asked(call, tries=3) == "answer" and call.calls == 10
    with pytest.raises(TurningRelease):
        asked(Sequence(*[TurningRelease("not yet")] * 9), tries=3, turning_s=0.0)


@pytest.mark.parametrize("error", [UnknownShopper("who"), BackPressureError(9, 8)])
def test_what_would_fail_again_is_not_tried_again(error: Exception) -> None:
    call = Sequence(error)
    with pytest.raises((UnknownShopper, Overloaded)):
        asked(call)
    assert call.calls == 1


def test_a_fault_of_ours_stays_what_it_is() -> None:
    with pytest.raises(ZeroDivisionError):
        asked(Sequence(ZeroDivisionError()))


def test_who_does_not_answer_in_time_is_told_to_stop() -> None:
    class Slow:
        stopped = False

        def __await__(self):
            return asyncio.sleep(60).__await__()

        def cancel(self) -> None:
            self.stopped = True

    slow = Slow()
    with pytest.raises(DeadlineExceeded, match=r"0\.05 s"):
        asked(lambda: slow, timeout_s=0.05)
    assert slow.stopped


class Stream:
    """Gives what it is told to, errors too, and remembers whether it was told to stop."""

    def __init__(self, *given: object) -> None:
        self.given, self.stopped = list(given), False

    def __aiter__(self) -> "Stream":
        return self

    async def __anext__(self) -> object:
        if not self.given:
            raise StopAsyncIteration
        each = self.given.pop(0)
        if isinstance(each, float):
            await asyncio.sleep(each)
        if isinstance(each, Exception):
            raise each
        return each

    def cancel(self) -> None:
        self.stopped = True


def heard(*streams: Stream, timeout_s: float = 5.0) -> list[object]:
    """Everything that a caller hears, where every try meets another stream, and the error at last."""

    async def listen() -> list[object]:
        tries, told = iter(streams), []
        caller = Caller(timeout_s=timeout_s, pause_s=0.001)
        try:
            async for each in caller.stream(lambda: next(tries), logger=LOGGER):
                told.append(each)
        except Exception as error:
            told.append(type(error))
        return told

    return asyncio.run(listen())


def test_a_stream_is_tried_again_only_before_its_first() -> None:
    assert heard(Stream(ActorDiedError()), Stream(1, 2)) == [1, 2]
    assert heard(Stream(1, ActorDiedError()), Stream(1, 2)) == [1, Unavailable]
    assert heard(Stream(UnknownShopper("who")), Stream(1)) == [UnknownShopper]
    assert heard(Stream(1, ZeroDivisionError())) == [1, ZeroDivisionError]


def test_a_stream_has_one_deadline_for_all_of_it() -> None:
    slow = Stream(1, 0.02, 60.0, 2)
    assert heard(slow, timeout_s=2.0) == [1, 0.02, DeadlineExceeded]
    assert slow.stopped


def test_who_stops_listening_to_a_stream_cancels_it() -> None:
    stream = Stream(1, 2, 3)

    async def leave() -> None:
        async with aclosing(Caller(timeout_s=5.0).stream(lambda: stream, logger=LOGGER)) as told:
            assert await anext(told) == 1

    asyncio.run(leave())
    assert stream.stopped and stream.given == [2, 3]


@pytest.mark.parametrize(
    ("error", "kind", "retry_after_s"),
    [
        (BackPressureError(9, 8), Overloaded, 1),
        (DeploymentUnavailableError(None), Unavailable, 1),
        (StoreUnavailable("b", "k", "gone"), Unavailable, 1),
        (BadInput("f"), BadInput, None),
    ],
)
def test_errors_become_those_of_the_list(error: Exception, kind: type, retry_after_s: int | None) -> None:
    known = translated(error)
    assert type(known) is kind and known.retry_after_s == retry_after_s
    assert translated(ValueError("ours")) is None
    assert translated(NotFound("b", "k", "a picture of a release is gone")) is None


def test_the_real_error_is_found_within_wrappers() -> None:
    real = UnknownShopper("who")
    inner = RayTaskError("score", "trace", real).as_instanceof_cause()
    outer = RayTaskError("design", "trace", inner).as_instanceof_cause()
    assert translated(inner) is real
    assert translated(outer) is real


def test_an_error_that_is_its_own_cause_does_not_hang() -> None:
    first, second = ValueError(1), ValueError(2)
    first.__cause__, second.__cause__ = second, first
    assert list(causes(first)) == [first, second]


class Kept:
    """A deployment's method that keeps what it was asked with."""

    def __init__(self) -> None:
        self.asked: list[dict[str, object]] = []

    async def remote(self, *args: object, **options: object) -> object:
        self.asked.append(options)
        raise UnknownShopper("nobody")


def test_the_designer_is_told_how_long_its_caller_waits() -> None:
    designer, taste = (
        SimpleNamespace(design=Kept()),
        SimpleNamespace(taste=SimpleNamespace(remote=lambda *args, **options: None)),
    )
    core = Core(
        recommender=taste,
        reads=None,
        designer=designer,
        fitting_room=None,
        outgoing=None,
        caller=Caller(timeout_s=5.0),
        logger=LOGGER,
    )
    request = DesignRequest(shopper=Shopper(user_id="u"), category="c")
    for patience in (2.0, None, 99.0):
        with pytest.raises(UnknownShopper):
            asyncio.run(core.within(patience).design(request, "q"))
    left = [asked["until"] - time.time() for asked in designer.design.asked]
    assert left == pytest.approx([2.0, 5.0, 5.0], abs=1.0)


@pytest.mark.parametrize(
    ("waits_s", "telling_s", "expected"),
    [
        (None, 0.0, 57.0),
        (10.0, 0.0, 9.0),
        (90.0, 0.0, 57.0),
        (-5.0, 0.0, 0.0),
        (10.0, 4.0, 5.85),
        (10.0, 8.0, 5.0),
    ],
)
def test_the_engine_ends_early_enough_for_an_answer(waits_s: float | None, telling_s: float, expected: float) -> None:
    """Where pictures took long lately, earlier; but half of the time is always its own."""
    replica = SimpleNamespace(settings=Settings(request_timeout_s=60.0), _telling_s=telling_s)
    until = None if waits_s is None else time.time() + waits_s
    left = Designer.func_or_class._deadline(replica, until) - time.monotonic()
    assert left == pytest.approx(expected, abs=0.5)
