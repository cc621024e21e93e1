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
        self._unsound: dict[str, float] = {}  # releases that could not be loaded, and until when they are let be

    async def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Serve's call at the start and whenever `user_config` changes: {"release": id}.

        With None for an id the current release is served, and the next one too once it is the current one.
        """
        if self._following is not None:
            self._following.cancel()
            self._following = None
        wanted = user_config.get("release")
        if wanted is not None:
            await asyncio.to_thread(self.shelf.turn_to, wanted)
            return
        await asyncio.to_thread(self._begin)
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

    def _begin(self) -> None:
        """Serve the current release, or where it cannot be loaded the one before it; and have at hand what is on trial.

        Raises what the current one failed with, where no earlier one can be loaded either.
        """
        standing = release_loader.standing(self.settings)
        if standing is None:
            return self.shelf.turn_to(None)
        try:
            self.shelf.turn_to(standing.release)
        except Exception as error:
            self.logger.exception("release %s could not be loaded", standing.release)
            self._unsound[standing.release] = time.monotonic() + AGAIN_S
            if not any(self._taken(self.shelf.turn_to, release) for release in release_loader.earlier(self.settings)):
                raise error
        if standing.candidate is not None:
            self._taken(self.shelf.try_out, standing.candidate)

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(FOLLOW_S)
            try:
                standing = await asyncio.to_thread(release_loader.standing, self.settings)
            except StoreError as error:
                self.logger.warning("cannot ask for the current release: %s", error)
                continue
            if standing is None:
                continue
            if standing.release != self.shelf.release_id:
                await asyncio.to_thread(self._taken, self.shelf.turn_to, standing.release)
            beside = standing.candidate or self._missed()
            if beside is not None and not self.shelf.holds(beside):
                await asyncio.to_thread(self._taken, self.shelf.try_out, beside)

    def _missed(self) -> str | None:
        """A release that another deployment serves, since it could not load the one that is served here."""
        missed, self.shelf.missed = self.shelf.missed, None
        return missed

    def _taken(self, take: Callable[[str], None], release_id: str) -> bool:
        """Whether a release has been taken; one that could not be is not tried again for a while."""
        if time.monotonic() < self._unsound.get(release_id, 0.0):
            return False
        try:
            take(release_id)
        except Exception:  # nothing serves yet, and this one cannot: the next one may
            self.logger.exception("release %s could not be loaded", release_id)
        if not self.shelf.holds(release_id):
            self._unsound[release_id] = time.monotonic() + AGAIN_S
        return self.shelf.holds(release_id)


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
