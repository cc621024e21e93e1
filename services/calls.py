"""Calls from the gateway to the deployments: one deadline, another try where that is safe, one list of errors.

Everything that is called can be repeated: replies depend on the request alone, what is stored is stored by its content,
and what changes the catalogue carries a token by which it is done once. So a call that lost its replica, or met two
deployments between releases, is made again.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from ray.exceptions import ActorDiedError, ActorUnavailableError
from ray.serve.exceptions import (
    BackPressureError,
    DeploymentUnavailableError,
    ReplicaUnavailableError,
)

from cluster.object_store import NotFound, StoreError
from services import metrics
from services.errors import DeadlineExceeded, Overloaded, ServiceError, TurningRelease, Unavailable
from services.meters import Meters

Result = TypeVar("Result")
LOST_REPLICA = (ActorDiedError, ActorUnavailableError, ReplicaUnavailableError)
RETRY_AFTER_S = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """How calls are made."""

    timeout_s: float
    pause_s: float = 0.1  # before another try; doubles up to a second
    tries: int = 6
    turning_s: float = 15.0  # for all deployments to load the same release, which takes the Designer longest
    meters: Meters = field(default_factory=Meters)

    def within(self, timeout_s: float) -> "Caller":
        """The same for one whose own patience ends sooner."""
        return self if timeout_s >= self.timeout_s else replace(self, timeout_s=timeout_s)

    async def __call__(
        self,
        call: Callable[[], Awaitable[Result]],
        *,
        logger: logging.Logger,
        turning: Callable[[TurningRelease], None] = lambda error: None,
    ) -> tuple[Result, float]:
        """What `call()` gives, and how long it took in milliseconds. Raises ServiceError for all that is known.

        turning: told before another try where deployments were at different releases.
        """
        began = time.perf_counter()
        try:
            async with asyncio.timeout(self.timeout_s):
                result = await self._tried(call, logger, turning)
        except TimeoutError as error:
            raise DeadlineExceeded(f"no answer within {self.timeout_s:g} s", limit=f"{self.timeout_s:g} s") from error
        return result, 1000 * (time.perf_counter() - began)

    async def stream(
        self,
        call: Callable[[], AsyncIterator[Result]],
        *,
        logger: logging.Logger,
        turning: Callable[[TurningRelease], None] = lambda error: None,
    ) -> AsyncIterator[Result]:
        """What `call()` gives, one after another, all of it in time. Another try is made before the first alone."""
        end = asyncio.get_running_loop().time() + self.timeout_s
        (first, rest), _ = await self(lambda: Opening(call()), logger=logger, turning=turning)
        try:
            yield first
            while True:
                async with asyncio.timeout_at(end):
                    following = await anext(rest)
                yield following
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise DeadlineExceeded(f"no answer within {self.timeout_s:g} s", limit=f"{self.timeout_s:g} s") from error
        except Exception as error:
            raise translated(error) or error from error
        finally:
            cancelled(rest)

    async def _tried(
        self,
        call: Callable[[], Awaitable[Result]],
        logger: logging.Logger,
        turning: Callable[[TurningRelease], None],
    ) -> Result:
        pause, left, hinted = self.pause_s, self.tries, False
        turned = time.monotonic() + min(self.turning_s, self.timeout_s / 2)
        while True:
            response, left = call(), left - 1
            try:
                return await response
            except asyncio.CancelledError:
                cancelled(response)
                raise
            except Exception as error:
                known = translated(error)
                if known is None:
                    raise
                count_store_error(self.meters, error)
                if isinstance(known, Unavailable):
                    logger.warning("%s: %s", known.title, next(causes(error)))
                waits = isinstance(known, TurningRelease) and time.monotonic() < turned
                if not waits and (left <= 0 or not repeatable(error)):
                    raise known from error
                lost = not isinstance(known, TurningRelease)
                self.meters.count(metrics.RETRIES, "replica-lost" if lost else "release-turning")
                if not lost:
                    turning(known)
                    if not hinted and "serves" in known.facts:
                        hinted = True  # the other part may well have what this one serves: it is asked at once
                        continue
            await asyncio.sleep(pause)
            pause = min(1.0, 2 * pause)


class Opening(Generic[Result]):
    """A stream as something to be awaited like a single reply: its first, and itself for the rest."""

    def __init__(self, stream: AsyncIterator[Result]) -> None:
        self._stream = stream

    def __await__(self) -> Generator[Any, None, tuple[Result, AsyncIterator[Result]]]:
        return self._opened().__await__()

    def cancel(self) -> None:
        """Nobody waits for it any more."""
        cancelled(self._stream)

    async def _opened(self) -> tuple[Result, AsyncIterator[Result]]:
        return await anext(self._stream), self._stream


def cancelled(response: object) -> None:
    """Tell the deployment that nobody waits for its reply any more. One that has come already stays as it is."""
    cancel = getattr(response, "cancel", None)
    if cancel is not None:
        cancel()


def repeatable(error: BaseException) -> bool:
    """Whether another try may fare better at once."""
    return any(isinstance(each, (*LOST_REPLICA, TurningRelease)) for each in causes(error))


def translated(error: BaseException) -> ServiceError | None:
    """The error of our own list that a failed call stands for; None where it is a fault of ours."""
    for each in causes(error):
        if isinstance(each, ServiceError):
            return each
        if isinstance(each, BackPressureError):
            return Overloaded(
                "more requests are waiting than will be served", retry_after_s=RETRY_AFTER_S, full="queue"
            )
        if isinstance(each, (*LOST_REPLICA, DeploymentUnavailableError)):
            return Unavailable("a part of the service is being replaced", retry_after_s=RETRY_AFTER_S)
        if isinstance(each, StoreError) and not isinstance(each, NotFound):
            return Unavailable(f"the object store: {each.reason}", retry_after_s=RETRY_AFTER_S)
    return None


def count_store_error(meters: Meters, error: BaseException) -> None:
    """Count a failure of the object store, if that is what lies behind an error."""
    for each in causes(error):
        if isinstance(each, StoreError) and not isinstance(each, NotFound):
            return meters.count(metrics.STORE_ERRORS, each.reason)


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what lies behind it. A wrapper of Ray's holds the real one as `cause`, also within another."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        inner = vars(error).get("cause")
        if isinstance(inner, BaseException):
            yield from causes(inner)
        yield error
        error = error.__cause__
