"""The Recommender: scores, recommendations, tastes and catalogue entries of a release, and the live catalogue."""

import asyncio
from collections import Counter
from functools import partial
from typing import Any

from ray import serve

from cluster.object_store import StoreError
from services import metrics
from services.deployment import ReleaseDeployment, called
from services.devices import replica_device
from services.incoming import incoming
from services.live_catalogue import LiveCatalogue, load_live_catalogue
from services.messages import PutItemRequest, RecommendRequest, ScoreRequest, Shopper
from services.meters import Reading
from services.ranking import Ranker
from services.release_loader import Release
from services.replies import Changes, Contents, OfferedItem, Offers, Recorded, Scores, StoredPicture, Taste, Work

READ_ON_S = 1.0  # how often a replica looks for what others have recorded


@serve.deployment
class Recommender(ReleaseDeployment[LiveCatalogue]):
    """Answers from tables; each call is one product of matrices."""

    def __init__(self) -> None:
        self._looked: Counter[str] = Counter()  # looks by where they came from
        super().__init__(self._load)
        self._reading: asyncio.Task[None] | None = None

    @called
    async def taste(self, shopper: Shopper, *, release: str | None = None) -> Taste:
        """See `Ranker.taste`. release: which one to use, here as below; None for the one that serves."""
        return (await self.in_networks(self._ranker(release).taste, shopper))[0]

    @called
    async def score(self, request: ScoreRequest, *, release: str | None = None) -> Scores:
        """See `Ranker.score`."""
        return (await self.in_networks(self._ranker(release).score, request))[0]

    @called
    async def recommend(self, request: RecommendRequest, *, to_fit: bool = False, release: str | None = None) -> Offers:
        """See `Ranker.recommend`."""
        ranked = partial(self._ranker(release).recommend, to_fit=to_fit)
        return (await self.in_networks(ranked, request))[0]

    @called
    async def item(self, item_id: str, *, release: str | None = None) -> Offers:
        """See `Ranker.item`."""
        return (await self.in_networks(self._ranker(release).item, item_id))[0]

    async def changes(self, of: str | None, after: int) -> Changes:
        """See `LiveCatalogue.changes`. of: the release that is asked about: where another serves, only which."""
        live = self._live
        if of != live.ranker.release.id:
            return Changes(release=live.ranker.release.id, work=Work())
        return (await self.on_pictures(live.changes, after))[0]

    @called
    async def put_item(self, item_id: str, request: PutItemRequest, token: str) -> Recorded:
        """Durable, and seen by this replica, once it returns; see `LiveCatalogue.put`."""
        live = self._live
        (change, outcome), took_ms = await self.on_pictures(live.put, item_id, request, token)
        picture = StoredPicture(key=change.picture)
        return Recorded(
            number=change.number,
            outcome=outcome,
            offer=OfferedItem(item_id=item_id, category=change.category, picture=picture),
            release=live.ranker.release.id,
            work=Work(compute_ms=took_ms),
        )

    @called
    async def delete_item(self, item_id: str, token: str) -> Recorded:
        """The same; see `LiveCatalogue.delete`."""
        live = self._live
        (change, outcome), took_ms = await self.on_pictures(live.delete, item_id, token)
        work = Work(compute_ms=took_ms)
        return Recorded(number=change.number, outcome=outcome, release=live.ranker.release.id, work=work)

    @called
    async def contents(self) -> Contents:
        """See `Ranker.contents`."""
        live = self._live
        return (await self.in_networks(live.ranker.contents, live.record))[0]

    def readings(self) -> list[Reading]:
        """See `ReleaseDeployment.readings`."""
        found = super().readings()
        found += [Reading(metrics.LOOKS, count, (source,)) for source, count in self._looked.items()]
        if self.shelf.release_id is not None:
            live = self._live
            found += [
                Reading(metrics.CATALOGUE_ITEMS, len(live.ranker.catalogue.position)),
                Reading(metrics.CATALOGUE_RECORD, live.record),
            ]
        return found

    async def reconfigure(self, user_config: dict[str, Any]) -> None:
        """See `ReleaseDeployment.reconfigure`."""
        await super().reconfigure(user_config)
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_on())

    async def _read_on(self) -> None:
        """Apply what is recorded elsewhere, for as long as this replica lives."""
        failing = False
        while True:
            await asyncio.sleep(READ_ON_S)
            try:
                for live in self.shelf.held():
                    await asyncio.to_thread(live.follow)
            except StoreError as error:
                self.meters.count(metrics.STORE_ERRORS, error.reason)
                if not failing:
                    self.logger.warning("cannot read the log of the live catalogue: %s", error)
                failing = True
            except Exception:
                self.logger.exception("the live catalogue could not be brought up to its log")
            else:
                failing = False

    def _load(self, release: Release) -> LiveCatalogue:
        return load_live_catalogue(
            release,
            replica_device(),
            incoming(self.settings.with_updates(picture_cache_bytes=0), self.meters),  # each is looked at once
            self.logger,
            looked=self._looked,
            cells_above=self.settings.recommender_cells_above,
        )

    def _ranker(self, release: str | None) -> Ranker:
        return self.shelf.chosen(release)[1].ranker

    @property
    def _live(self) -> LiveCatalogue:
        return self.shelf.current()[1]
