"""What every deployment that serves a release does alike: load it, turn to another, tell which, and tell its health."""

import asyncio
import logging
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, Protocol, TypeVar

from cluster.object_store import open_store
from cluster.settings import Settings
from services import release_loader
from services.incoming import Incoming
from services.release_loader import Release, Shelf


class Probed(Protocol):
    """What has been loaded of a release can be tried out."""

    def probe(self) -> None: ...


Loaded = TypeVar("Loaded", bound=Probed)
Result = TypeVar("Result")
LOGGER = "ray.serve"  # Serve's own, which writes the request id into every line


class ReleaseDeployment(Generic[Loaded]):
    """Base of the deployments. Networks run in one thread of their own, so that the event loop stays free."""

    def __init__(self, load: Callable[[Release], Loaded]) -> None:
        self.settings = Settings()
        self.logger = logging.getLogger(LOGGER)
        self.incoming = Incoming(
            store=open_store(self.settings.bucket_url, self.settings),
            max_bytes=self.settings.max_picture_bytes,
            max_pixels=self.settings.max_picture_pixels,
        )
        self._networks = ThreadPoolExecutor(1, thread_name_prefix="networks")
        self._pictures = ThreadPoolExecutor(4, thread_name_prefix="pictures")

        def fetched(release_id: str | None) -> tuple[str, Loaded]:
            release = release_loader.fetch(self.settings, release_id)
            loaded = load(release)
            loaded.probe()
            return release.id, loaded

        self.shelf: Shelf[Loaded] = Shelf(fetched, self.logger)

    async def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Serve's call at the start and whenever `user_config` changes: {"release": id, or None for the current}."""
        await asyncio.to_thread(self.shelf.turn_to, user_config.get("release"))

    async def check_health(self) -> None:
        """Serve's call every so often: a small forward pass, beside the queue of the large ones."""
        if self.shelf.release_id is not None:
            _, loaded = self.shelf.current()
            await asyncio.to_thread(loaded.probe)

    async def release_id(self) -> str | None:
        """Which release is served."""
        return self.shelf.release_id

    async def in_networks(self, work: Callable[..., Result], *args: Any) -> tuple[Result, float]:
        """`work(*args)` in the networks' thread, and its milliseconds, not counting the wait for the thread."""
        return await self._timed(self._networks, work, *args)

    async def on_pictures(self, work: Callable[..., Result], *args: Any) -> tuple[Result, float]:
        """The same in one of the threads for decoding, encoding and the store."""
        return await self._timed(self._pictures, work, *args)

    async def _timed(
        self, threads: ThreadPoolExecutor, work: Callable[..., Result], *args: Any
    ) -> tuple[Result, float]:
        def measured() -> tuple[Result, float]:
            began = time.perf_counter()
            return work(*args), 1000 * (time.perf_counter() - began)

        return await asyncio.get_running_loop().run_in_executor(threads, measured)


def threads_of_replica() -> int:
    """How many threads the networks may use: Ray sets it from the replica's num_cpus."""
    return max(1, int(os.environ.get("OMP_NUM_THREADS", "1")))
