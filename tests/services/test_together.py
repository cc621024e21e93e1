"""What goes together and what does not, and what becomes of it when something goes wrong on the way."""

import asyncio
import logging
from typing import Any

import pytest

from services import together
from services.errors import Unexpected, UnknownItem
from services.together import Call, Together, answers

LOGGER = logging.getLogger("test")


class Road:
    """Journeys, which end when they are let."""

    def __init__(self) -> None:
        self.journeys: list[tuple[list[Any], asyncio.Future[Any]]] = []
        self.together = Together(self.send, ["double"])

    def send(self, calls: list[Call]) -> "asyncio.Future[Any]":
        arrived = asyncio.get_running_loop().create_future()
        self.journeys.append(([call.arguments[0] for call in calls], arrived))
        return arrived

    async def asked(self, *numbers: int) -> "list[asyncio.Future[Any]]":
        replies = [self.together.double.remote(number, release="r") for number in numbers]
        await asyncio.sleep(0.01)
        return replies

    async def back(self, at: int) -> None:
        numbers, arrived = self.journeys[at]
        arrived.set_result([2 * number for number in numbers])
        await asyncio.sleep(0.01)

    def seen(self) -> list[list[int]]:
        return [numbers for numbers, _ in self.journeys]


def test_nobody_waits_for_others_and_the_rest_goes_together() -> None:
    async def run() -> None:
        road = Road()
        replies = await road.asked(1, 2, 3, 4, 5)
        assert road.seen() == [[1], [2]]
        await road.back(1)
        assert road.seen() == [[1], [2], [3, 4, 5]]
        await road.back(0)
        await road.back(2)
        assert await asyncio.gather(*replies) == [2, 4, 6, 8, 10]

    asyncio.run(run())


def test_no_journey_has_more_than_it_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together, "MOST", 3)

    async def run() -> None:
        road = Road()
        await road.asked(*range(9))
        await road.back(0)
        await road.back(1)
        assert road.seen() == [[0], [1], [2, 3, 4], [5, 6, 7]]

    asyncio.run(run())


def test_a_late_journey_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together, "LATE_S", 0.05)

    async def run() -> None:
        road = Road()
        replies = await road.asked(1, 2, 3)
        assert road.seen() == [[1], [2]]
        async with asyncio.timeout(10):
            while len(road.journeys) < 3:
                await asyncio.sleep(0.01)
        for at in range(3):
            await road.back(at)
        assert await asyncio.gather(*replies) == [2, 4, 6]

    asyncio.run(run())


def test_who_leaves_takes_nobody_along() -> None:
    async def run() -> None:
        road = Road()
        first, second, third, fourth = await road.asked(1, 2, 3, 4)
        third.cancel()
        await road.back(0)
        assert road.seen() == [[1], [2], [4]]
        second.cancel()
        await asyncio.sleep(0.05)
        assert road.journeys[1][1].cancelled()  # nobody was left on it
        await road.back(2)
        assert (await first, await fourth) == (2, 8)

    asyncio.run(run())


def test_a_lost_journey_is_told_to_everybody_on_it() -> None:
    async def run() -> None:
        road = Road()
        replies = await road.asked(1, 2, 3, 4)
        await road.back(0)
        road.journeys[2][1].set_exception(ConnectionError("gone"))
        found = await asyncio.gather(*replies[2:], return_exceptions=True)
        assert [type(each) for each in found] == [ConnectionError, ConnectionError]

    asyncio.run(run())


class Shop:
    """A deployment that has one item."""

    async def item(self, name: str, *, release: str | None) -> str:
        if name == "broken":
            raise ZeroDivisionError
        if name != "shoe":
            raise UnknownItem(f"no {name}")
        return f"{name} of {release}"


def test_an_error_is_the_reply_to_one_call_alone(caplog: pytest.LogCaptureFixture) -> None:
    calls = [Call("item", (name,), {"release": "r"}, f"q-{name}") for name in ("shoe", "hat", "broken")]
    shoe, hat, broken = asyncio.run(answers(Shop(), calls, LOGGER))
    assert shoe == "shoe of r"
    assert isinstance(hat, UnknownItem) and isinstance(broken, Unexpected)
    assert "q-broken" in caplog.text and "ZeroDivisionError" in caplog.text

    async def through(calls: list[Call]) -> list[Any]:
        return await answers(Shop(), calls, LOGGER)

    async def asked() -> list[Any]:
        shop = Together(through, ["item"])
        names = ("shoe", "hat", "shoe", "hat")
        return await asyncio.gather(*(shop.item.remote(name, release="r") for name in names), return_exceptions=True)

    assert [type(each) for each in asyncio.run(asked())] == [str, UnknownItem, str, UnknownItem]
