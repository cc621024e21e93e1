"""Between the engine's thread and one who watches."""

import asyncio
import threading
from contextlib import aclosing
from typing import Any

import pytest
import torch

from fashion_nn.latent.engine import Progress
from services.replies import Accepted
from services.watching import Watcher, watched


def progress(step: int) -> Progress:
    return Progress(step, 10, 0.0, 0.0, 0.0, torch.zeros(3, 1, 1))


def test_what_is_told_from_another_thread_is_heard_and_then_the_reply() -> None:
    async def work(*, watcher: Watcher) -> str:
        watcher.accept()
        await asyncio.sleep(0)
        telling = threading.Thread(target=watcher.tell, args=(progress(3),))
        telling.start()
        await asyncio.to_thread(telling.join)
        return "reply"

    async def listen() -> list[Any]:
        return [each async for each in watched(work)]

    accepted, half, reply = asyncio.run(listen())
    assert accepted == Accepted() and half.step == 3 and reply == "reply"


def test_who_is_slow_hears_the_latest_only() -> None:
    async def work(*, watcher: Watcher) -> str:
        for step in range(100):
            watcher.tell(progress(step))
        await asyncio.sleep(0.05)
        return "reply"

    async def listen() -> list[Any]:
        return [each async for each in watched(work)]

    latest, reply = asyncio.run(listen())
    assert latest.step == 99 and reply == "reply"


def test_what_goes_wrong_is_raised() -> None:
    async def work(*, watcher: Watcher) -> str:
        watcher.accept()
        await asyncio.sleep(0)
        raise ZeroDivisionError

    async def listen() -> None:
        async with aclosing(watched(work)) as telling:
            assert await anext(telling) == Accepted()
            with pytest.raises(ZeroDivisionError):
                await anext(telling)

    asyncio.run(listen())


def test_who_stops_listening_cancels_the_work() -> None:
    ended: list[str] = []

    async def work(*, watcher: Watcher) -> str:
        watcher.accept()
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("cancelled")
        return "reply"

    async def leave() -> None:
        async with aclosing(watched(work)) as telling:
            await anext(telling)
        await asyncio.sleep(0)

    asyncio.run(leave())
    assert ended == ["cancelled"]
