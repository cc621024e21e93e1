"""A gateway's copy of the Recommender's tables, from which it answers what is only read.

To bring a call from one deployment to another takes Serve many times what the Recommender takes to answer it. The
copy has tables alone, no network: it asks the Recommender every second which release serves, and what has become of
items since. Where there is no copy (yet), or where it may be out of date, the Recommender is asked.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from dataclasses import dataclass
from typing import Any

from services import metrics, replies
from services.calls import translated
from services.core import RecommenderHandle
from services.errors import DeadlineExceeded
from services.messages import RecommendRequest, ScoreRequest
from services.meters import Meters, Reading
from services.ranking import Ranker
from services.traces import Traces

READ_ON_S = 1.0  # between two questions to the Recommender
AGAIN_S = 60.0  # ... after a fault
SMALL = 2_000_000  # numbers, of looks: their products with a taste take a millisecond
STALE_S = 10.0  # since it has last answered one: what was deleted meanwhile may still be in the copy
LEFT_S = 60.0  # for which a release that was left is kept: replicas of the Recommender turn one after another


@dataclass(kw_only=True, slots=True)
class Copy:
    """The tables of one release."""

    ranker: Ranker
    record: int = 0  # of the live catalogue: up to here it holds what has become of items
    told: float = -float("inf")  # when the Recommender has last said that there is no more

    @property
    def release(self) -> str:
        """Its id."""
        return self.ranker.release.id


class CatalogueCopy:
    """Reads of the Recommender, most of them answered here. The first one begins to keep the copy.

    load: the tables of a release, blocking; None where they are too large to be kept here.
    """

    def __init__(
        self,
        recommender: RecommenderHandle,
        load: Callable[[str], Ranker | None],
        *,
        meters: Meters,
        traces: Traces,
        logger: logging.Logger,
    ) -> None:
        self._recommender, self._load = recommender, load
        self._meters, self._traces, self._logger = meters, traces, logger
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="copy")
        self._copy: Copy | None = None
        self._left: Copy | None = None  # of the release before
        self._too_large: str | None = None  # a release that is not kept here
        self._acknowledged = 0  # last record that a caller of this gateway knows of
        self._keeping: asyncio.Task[None] | None = None
        meters.read_from(self._readings)

    def at_hand(self, call: str, asked: Any, *, release: str | None) -> replies.Reply | None:
        """A reply that keeps nobody waiting; None where that call is to be made. Raises what the call raises.

        release: which one to use, here as below; None for the one that serves.
        """
        self._begin()
        copy = self._usable(release)
        if copy is None or not at_once(copy.ranker, asked):
            return None
        self._meters.count(metrics.READS, "copy")
        asked_ns = time.time_ns()
        reply: replies.Reply = getattr(copy.ranker, call)(asked)
        self._traces.worked(asked_ns, reply.work.compute_ms)
        return reply

    def score(self, request: ScoreRequest, *, release: str | None) -> Awaitable[replies.Scores]:
        """See `Ranker.score`."""
        return self._read("score", request, release)

    def recommend(self, request: RecommendRequest, *, release: str | None) -> Awaitable[replies.Offers]:
        """See `Ranker.recommend`."""
        return self._read("recommend", request, release)

    def item(self, item_id: str, *, release: str | None) -> Awaitable[replies.Offers]:
        """See `Ranker.item`."""
        return self._read("item", item_id, release)

    def acknowledged(self, record: int) -> None:
        """A caller has been told that this record was made: from now on nothing older answers here."""
        self._acknowledged = max(self._acknowledged, record)

    def serves(self, release: str | None) -> None:
        """The Recommender has said which release it serves: from now on no other one answers here."""
        self._begin()
        if self._copy is not None and self._copy.release != release:
            self._leave_for(release)

    async def read_on(self) -> None:
        """Bring the copy to where the Recommender is. Raises what its calls and `load` raise."""
        turned = False
        while True:
            copy = self._copy
            of, after = (None, 0) if copy is None else (copy.release, copy.record)
            async with asyncio.timeout(STALE_S):
                changes: replies.Changes = await self._recommender.changes.remote(of, after)
            if changes.release == self._too_large:
                return
            if copy is None or changes.release != of:
                if turned:
                    return  # one replica serves this, another that: whoever answers next time
                turned = True
                self._leave_for(changes.release)
                if self._copy is None:
                    self._copy = await self._loaded(changes.release)
                continue
            if changes.put or changes.dropped:
                await asyncio.to_thread(copy.ranker.change, changes.put, changes.dropped)
            copy.record = max(copy.record, changes.record)  # another replica may be behind the one asked before
            if not changes.more:
                copy.told = time.monotonic()
                if self._left is not None and copy.told > self._left.told + LEFT_S:
                    self._left = None
                return

    def _leave_for(self, release: str | None) -> None:
        """Lay the copy aside, and take up the one that was laid aside before it if that is of this release."""
        if self._left is not None and self._left.release == release:
            self._copy, self._left = self._left, self._copy
        else:
            self._copy, self._left = None, self._copy or self._left

    async def _loaded(self, release: str) -> Copy | None:
        ranker = await asyncio.to_thread(self._load, release)
        if ranker is None:
            self._too_large = release
            return None
        return Copy(ranker=ranker)

    def _read(self, call: str, asked: Any, release: str | None) -> Awaitable[Any]:
        self._begin()
        copy = self._usable(release)
        self._meters.count(metrics.READS, "recommender" if copy is None else "copy")
        if copy is None:
            return getattr(self._recommender, call).remote(asked, release=release)
        return self._answered(getattr(copy.ranker, call), asked)

    def _usable(self, release: str | None) -> Copy | None:
        """The copy, if it is of that release and nobody can know better."""
        copy = self._copy
        if copy is None or copy.record < self._acknowledged or time.monotonic() > copy.told + STALE_S:
            return None
        return copy if release in (None, copy.release) else None

    async def _answered(self, method: Callable[[Any], replies.Reply], asked: Any) -> replies.Reply:
        asked_ns = time.time_ns()
        reply = await asyncio.get_running_loop().run_in_executor(self._thread, method, asked)
        self._traces.worked(asked_ns, reply.work.compute_ms)
        return reply

    def _begin(self) -> None:
        if self._keeping is None:
            # in a context of its own: Serve ends what is called in that of a request whose client has left
            self._keeping = asyncio.create_task(self._keep(), context=Context())

    async def _keep(self) -> None:
        """Read on for as long as this replica lives. What goes wrong leaves a copy that grows old and is not used."""
        failing = False
        while True:
            pause = READ_ON_S
            try:
                await self.read_on()
            except Exception as error:
                known = DeadlineExceeded("no answer") if isinstance(error, TimeoutError) else translated(error)
                if known is None:
                    pause = AGAIN_S
                    self._logger.exception("the copy of the catalogue cannot be kept up")
                elif not failing:
                    self._logger.warning("the copy of the catalogue cannot be kept up: %s", known.detail)
                failing = True
            else:
                failing = False
            await asyncio.sleep(pause)

    def _readings(self) -> list[Reading]:
        copy = self._copy
        if copy is None:
            return []
        return [
            Reading(metrics.CATALOGUE_ITEMS, len(copy.ranker.catalogue.position)),
            Reading(metrics.CATALOGUE_RECORD, copy.record),
        ]


def at_once(ranker: Ranker, asked: Any) -> bool:
    """Whether an answer takes no longer than another thread takes to have its turn; a new shopper's taste does."""
    shopper = getattr(asked, "shopper", None)
    return ranker.catalogue.looks.size <= SMALL and (shopper is None or shopper.user_id is not None)
