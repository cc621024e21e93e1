"""What every deployment that serves a release does alike: load it, turn to another, tell which, tell its health."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from functools import wraps
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar

from ray import serve

from cluster.object_store import StoreError, open_store
from cluster.releases import ReleaseStore
from cluster.settings import Settings
from services import metrics, release_loader
from services.accounts import LEFT, UNKNOWN, outcome_of, write_line
from services.calls import translated
from services.errors import NoRelease, ServiceError, Unexpected
from services.meters import Meters, Reading, Teller
from services.release_loader import Release, Shelf
from services.replies import Reply
from services.threads import network_thread, picture_threads
from services.traces import replica_traces


class Probed(Protocol):
    """What has been loaded of a release can be tried out."""

    def probe(self) -> None: ...


Loaded = TypeVar("Loaded", bound=Probed)
Result = TypeVar("Result")
AnyReply = TypeVar("AnyReply", bound=Reply)
Arguments = ParamSpec("Arguments")
LOGGER = "ray.serve"  # Serve's own, which writes the request id into every line
AGAIN_S = 60.0  # before one that could not be loaded is tried again: the store may have been away
FOLLOW_S = 5.0  # how often a deployment that is to serve the current release asks which that is


class ReleaseDeployment(Generic[Loaded]):
    """Base of the deployments. Networks run in one thread of their own, so that the event loop stays free."""

    def __init__(
        self, load: Callable[[Release], Loaded], retire: Callable[[Loaded], None] = lambda loaded: None
    ) -> None:
        self.settings = Settings()
        self.releases = ReleaseStore(open_store(self.settings.bucket_url, self.settings))
        self.logger = logging.getLogger(LOGGER)
        self.logger.addFilter(Refusals())
        self._networks, self._pictures = network_thread(), picture_threads()
        self._following: asyncio.Task[None] | None = None
        self.meters, self.traces = Meters(), replica_traces()
        self.pending = 0  # pieces of work that wait for the networks, or are in them
        self._published: dict[str, float] = {}  # of every release that was loaded, in seconds since the epoch

        def fetched(release_id: str | None) -> tuple[str, Loaded]:
            with self._turning():
                release = release_loader.fetch(self.settings, release_id)
                loaded = load(release)
                loaded.probe()
            self._published[release.id] = datetime.fromisoformat(release.manifest["made"]).timestamp()
            return release.id, loaded

        self.shelf: Shelf[Loaded] = Shelf(fetched, self.logger, retire)
        self._unsound: dict[str, float] = {}  # releases that could not be loaded, and until when they are let be
        self.meters.read_from(self.readings)
        Teller(self.meters, self.logger).start()

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
        return await self.worked(_timed(self._networks, work, *args))

    async def together_in_networks(self, work: Callable[..., Result], *args: Any) -> tuple[Result, float]:
        """The same for work of several requests, each of which waits for it by `worked`."""
        return await _timed(self._networks, work, *args)

    async def on_pictures(self, work: Callable[..., Result], *args: Any) -> tuple[Result, float]:
        """The same in one of the threads for decoding, encoding and the store."""
        found, took_ms = await _timed(self._pictures, work, *args)
        self.traces.stage("encode", took_ms)
        return found, took_ms

    async def worked(self, work: Awaitable[tuple[Result, float]]) -> tuple[Result, float]:
        """A request's work in the networks, and its milliseconds there: pending meanwhile, and two stages of a span."""
        asked_ns = time.time_ns()
        self.pending += 1
        try:
            found, took_ms = await work
        finally:
            self.pending -= 1
        self.traces.worked(asked_ns, took_ms)
        return found, took_ms

    def readings(self) -> list[Reading]:
        """What operators see of this replica."""
        release = self.shelf.release_id
        known = [] if release is None else [Reading(metrics.RELEASE_PUBLISHED, self._published[release])]
        return [
            *known,
            Reading(metrics.RELEASE_INFO, 1, (release or UNKNOWN,)),
            Reading(metrics.NETWORKS_PENDING, self.pending),
        ]

    @contextmanager
    def told(self, call: str, trace: str | None) -> Iterator[dict[str, str]]:
        """A call of this replica: a span, and a line in the log, where those are wanted. Yields what it is to say."""
        replica = serve.get_replica_context()
        span, began = self.traces.begin(f"{replica.deployment}.{call}", parent=trace), time.perf_counter()
        told = {"call": call, "outcome": LEFT, "release": UNKNOWN}
        try:
            yield told
            told["outcome"] = "ok"
        except Exception as error:
            told["outcome"] = outcome_of(translated(error) or Unexpected(""))
            raise
        finally:
            seconds = round(time.perf_counter() - began, 6)
            span.end(failed=told["outcome"] == Unexpected.type, **told, seconds=seconds)
            if self.settings.log_format == "json":
                write_line(self.logger, {**told, "seconds": seconds})

    @contextmanager
    def _turning(self) -> Iterator[None]:
        """Counts what becomes of a release that is to be served."""
        try:
            yield
        except NoRelease:
            raise
        except Exception:
            self.meters.count(metrics.RELEASES_TURNED, "refused")
            raise
        self.meters.count(metrics.RELEASES_TURNED, "loaded")

    def _begin(self) -> None:
        """Serve the current release, or where it cannot be loaded the one before it; and have at hand what is on trial.

        Raises what the current one failed with, where no earlier one can be loaded either.
        """
        standing = self.releases.last()
        if standing is None:
            return self.shelf.turn_to(None)
        try:
            self.shelf.turn_to(standing.release)
        except Exception as error:
            self.logger.exception("release %s could not be loaded", standing.release)
            self._unsound[standing.release] = time.monotonic() + AGAIN_S
            if not any(self._taken(self.shelf.turn_to, release) for release in release_loader.earlier(self.releases)):
                raise error
        if standing.candidate is not None:
            self._taken(self.shelf.try_out, standing.candidate)

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(FOLLOW_S)
            try:
                standing = await asyncio.to_thread(self.releases.last)
            except StoreError as error:
                self.meters.count(metrics.STORE_ERRORS, error.reason)
                self.logger.warning("cannot ask for the current release: %s", error)
                continue
            except Exception:
                self.logger.exception("the history of releases could not be read")
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


Deployment = TypeVar("Deployment", bound=ReleaseDeployment[Any])
Method = Callable[Concatenate[Deployment, Arguments], Awaitable[AnyReply]]


def called(method: Method[Deployment, Arguments, AnyReply]) -> Any:
    """A method of a deployment whose calls are told of. It takes the caller's span besides, as `trace`."""

    @wraps(method)
    async def told(self: Deployment, *args: Any, trace: str | None = None, **options: Any) -> AnyReply:
        with self.told(method.__name__, trace) as facts:
            reply = await method(self, *args, **options)
            facts["release"] = reply.release
            return reply

    return told


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
