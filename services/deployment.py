"""What every deployment that serves a release does alike: load it, turn to another, tell which, tell its health."""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, Protocol, TypeVar

from cluster.object_store import StoreError
from cluster.settings import Settings
from services import release_loader
from services.errors import ServiceError, Unexpected
from services.release_loader import Release, Shelf


class Probed(Protocol):
    """What has been loaded of a release can be tried out."""

    def probe(self) -> None: ...


Loaded = TypeVar("Loaded", bound=Probed)
Result = TypeVar("Result")
LOGGER = "ray.serve"  # Serve's own, which writes the request id into every line
AGAIN_S = 60.0  # before one that could not be loaded is tried again: the store may have been away
FOLLOW_S = 5.0  # how often a deployment that is to serve the current release asks which that is


class ReleaseDeployment(Generic[Loaded]):
    """Base of the deployments. Networks run in one thread of their own, so that the event loop stays free."""

    def __init__(
        self, load: Callable[[Release], Loaded], retire: Callable[[Loaded], None] = lambda loaded: None
    ) -> None:
        self.settings = Settings()
        self.logger = logging.getLogger(LOGGER)
        self.logger.addFilter(Refusals())
        self._networks = ThreadPoolExecutor(1, thread_name_prefix="networks")
        self._pictures = ThreadPoolExecutor(4, thread_name_prefix="pictures")
        self._following: asyncio.Task[None] | None = None

        def fetched(release_id: str | None) -> tuple[str, Loaded]:
            release = release_loader.fetch(self.settings, release_id)
            loaded = load(release)
            loaded.probe()
            return release.id, loaded

        self.shelf: Shelf[Loaded] = Shelf(fetched, self.logger, retire)

    async def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Serve's call at the start and whenever `user_config` changes: {"release": id}.

        With None for an id the current release is served, and the next one too once it is the current one.
        """
        if self._following is not None:
            self._following.cancel()
            self._following = None
        wanted = user_config.get("release")
        await asyncio.to_thread(self.shelf.turn_to, wanted)
        if wanted is None:
            self._following = asyncio.create_task(self._follow())

    async def check_health(self) -> None:
        """Serve's call every so often: something small for the networks to do, which waits for nothing large."""
        if self.shelf.release_id is not None:
            _, loaded = self.shelf.current()
            await asyncio.to_thread(loaded.probe)

    async def release_id(self) -> str | None:
        """Which release is served."""
        return self.shelf.release_id

    async def in_networks(self, work: Callable[..., Result], *args: Any) -> tuple[Result, float]:
        """`work(*args)` in the networks' thread, and its milliseconds, not counting the wait for the thread."""
        return await _timed(self._networks, work, *args)

    async def on_pictures(self, work: Callable[..., Result], *args: Any) -> tuple[Result, float]:
        """The same in one of the threads for decoding, encoding and the store."""
        return await _timed(self._pictures, work, *args)

    async def _follow(self) -> None:
        refused, again = None, 0.0
        while True:
            await asyncio.sleep(FOLLOW_S)
            if time.monotonic() >= again:
                refused = None
            try:
                current = await asyncio.to_thread(release_loader.current, self.settings)
            except StoreError as error:
                self.logger.warning("cannot ask for the current release: %s", error)
                continue
            if current not in (None, refused, self.shelf.release_id):
                await asyncio.to_thread(self._turn_to_current, current)
                if self.shelf.release_id != current:
                    refused, again = current, time.monotonic() + AGAIN_S

    def _turn_to_current(self, release_id: str) -> None:
        try:
            self.shelf.turn_to(release_id)
        except Exception:  # nothing serves yet, and this one cannot: the next one may
            self.logger.exception("release %s could not be loaded", release_id)


class Refusals(logging.Filter):
    """Makes one quiet line of what Serve logs, with a stack trace, for errors that are foreseen and told."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keeps every record."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, ServiceError) and not isinstance(error, Unexpected):
            record.levelno, record.levelname = logging.INFO, "INFO"
            record.msg, record.args = "Refused: %s", (error.type,)
            record.exc_info = record.exc_text = None
        return True


async def _timed(threads: ThreadPoolExecutor, work: Callable[..., Result], *args: Any) -> tuple[Result, float]:
    def measured() -> tuple[Result, float]:
        began = time.perf_counter()
        return work(*args), 1000 * (time.perf_counter() - began)

    return await asyncio.get_running_loop().run_in_executor(threads, measured)
