"""From the engine's thread to one who watches a request: only the latest is kept, so that who is slow costs nothing."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import Protocol, TypeVar

from fashion_nn.latent.engine import Progress
from services.replies import Accepted

Reply = TypeVar("Reply")
Reply_co = TypeVar("Reply_co", covariant=True)


class Watcher:
    """What has been told last and not been taken yet. Made and read in the event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._latest: Accepted | Progress | None = None
        self.changed = asyncio.Event()

    def accept(self) -> None:
        """The engine has taken the request."""
        self._put(Accepted())

    def tell(self, progress: Progress) -> None:
        """From any thread."""
        self._loop.call_soon_threadsafe(self._put, progress)

    def take(self) -> Accepted | Progress | None:
        """The latest, once."""
        latest, self._latest = self._latest, None
        self.changed.clear()
        return latest

    def _put(self, latest: Accepted | Progress) -> None:
        self._latest = latest
        self.changed.set()


class Work(Protocol[Reply_co]):
    """Something that tells a watcher how far it is."""

    def __call__(self, *, watcher: Watcher) -> Awaitable[Reply_co]: ...


async def watched(work: Work[Reply]) -> AsyncIterator[Accepted | Progress | Reply]:
    """What work tells on its way, and its reply at last. Who stops listening cancels it."""
    watcher = Watcher()
    working = asyncio.ensure_future(work(watcher=watcher))
    working.add_done_callback(lambda _: watcher.changed.set())
    try:
        while not working.done():
            await watcher.changed.wait()
            latest = watcher.take()
            if latest is not None:
                yield latest
        yield await working
    finally:
        working.cancel()
