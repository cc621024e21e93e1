"""The Designer: latent optimisation for many requests at once, and the keeping of what it finds."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import torch
from ray import serve
from torch import Tensor

from fashion_nn import pictures
from fashion_nn.latent import Ascended, Ascent, Scores
from services.deployment import ReleaseDeployment
from services.designing import Alteration, Climb, Studio, load_studio
from services.devices import replica_device
from services.errors import ServiceError, Unexpected
from services.incoming import DesignRecord, incoming
from services.messages import AlterRequest, DesignRequest, PictureInput
from services.replies import Alteration as AlterationReply
from services.replies import LoosePicture, OfferedDesign, Offers, StoredPicture, Taste, Work

MAX_REQUESTS_PER_PASS = 32
WAIT_S = 0.02  # for company


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One request's ascent on its way into a pass."""

    studio: Studio
    ascent: Ascent


@dataclass(frozen=True, kw_only=True, slots=True)
class Passes:
    """What the Designer has done since it started."""

    passes: int = 0
    ascents: int = 0
    largest: int = 0  # ascents of one pass

    def and_one_of(self, ascents: int) -> "Passes":
        return Passes(passes=self.passes + 1, ascents=self.ascents + ascents, largest=max(self.largest, ascents))


@serve.deployment
class Designer(ReleaseDeployment[Studio]):
    """Ascents of different requests share passes; while one runs, the next one's requests gather."""

    def __init__(self) -> None:
        super().__init__(lambda release: load_studio(release, replica_device()))
        self.incoming = incoming(self.settings)
        self.done = Passes()

    async def design(self, request: DesignRequest, taste: Taste) -> Offers:
        """The best k designs, kept. Raises BadInput, TurningRelease."""
        studio = self.shelf.of(taste.release)
        ascent = studio.ascent(request, torch.from_numpy(taste.vector))
        found, compute_ms = await self.climb(Run(studio=studio, ascent=ascent))
        offers, encode_ms = await self._told([found], request.category, taste.release, keep=True)
        best_first = sorted(offers, key=lambda offer: -offer.score)
        work = taste.work + Work(compute_ms=compute_ms, encode_ms=encode_ms)
        return Offers(offers=tuple(best_first), release=taste.release, work=work)

    async def alter(self, request: AlterRequest, taste: Taste, item: Offers | None) -> AlterationReply:
        """A picture's reconstruction and stages. Raises BadInput, TooLarge, UnknownDesign, TurningRelease."""
        studio = self.shelf.of(taste.release)
        record, _ = await self.on_pictures(self._record, request.picture)
        category = request.category or (record or item.offers[0]).category
        alteration = Alteration(
            studio=studio,
            request=request,
            taste=torch.from_numpy(taste.vector).to(studio.device),
            category=studio.release.class_id(category, "category"),
        )
        climb = Climbing(self.climb, studio)
        origin, opened_ms = await self._origin(alteration, climb, record, item)
        found = [origin, *await alteration.stages(climb, origin)]
        keep = request.picture.data is None
        told, kept_ms = await self._told(found, category, taste.release, keep=keep)
        work = Work(compute_ms=climb.compute_ms, encode_ms=opened_ms + kept_ms)
        return AlterationReply(
            reconstruction=told[0], stages=tuple(told[1:]), release=taste.release, work=taste.work + work
        )

    async def passes(self) -> Passes:
        """What has been done since the start."""
        return self.done

    async def climb(self, run: Run) -> tuple[Ascended, float]:
        """One ascent in company, and the milliseconds of its pass. Raises Unexpected where it stays nowhere finite."""
        found, compute_ms = await self._pass(run)
        if isinstance(found, ServiceError):
            raise found
        return found, compute_ms

    @serve.batch(max_batch_size=MAX_REQUESTS_PER_PASS, batch_wait_timeout_s=WAIT_S)
    async def _pass(self, runs: list[Run]) -> list[tuple[Ascended | ServiceError, float]]:
        found, compute_ms = await self.in_networks(ascended, runs)
        self.done = self.done.and_one_of(len(runs))
        return [(each, compute_ms) for each in found]

    async def _origin(
        self, alteration: Alteration, climb: Climb, record: DesignRecord | None, item: Offers | None
    ) -> tuple[Ascended, float]:
        """Where the stages start: the code on record, or the one whose picture is nearest; and time on pictures."""
        studio, request = alteration.studio, alteration.request
        if record is not None and record.release == studio.release.id:
            return await alteration.recall(climb, torch.tensor(record.code)), 0.0
        target, opened_ms = await self.on_pictures(self._target, studio, request.picture, record, item)
        return await alteration.invert(climb, target), opened_ms

    def _record(self, picture: PictureInput) -> DesignRecord | None:
        return None if picture.design_id is None else self.incoming.design(picture.design_id)

    def _target(
        self, studio: Studio, picture: PictureInput, record: DesignRecord | None, item: Offers | None
    ) -> Tensor:
        if record is not None:
            return studio.target(self.incoming.stored(record.picture))
        return studio.target(self.incoming.named(picture, "picture", item))

    async def _told(
        self, found: Sequence[Ascended], category: str, release: str, *, keep: bool
    ) -> tuple[list[OfferedDesign], float]:
        """Every row of every ascent as a design, and the milliseconds that took.

        They are kept in the bucket, unless they came from a picture that was sent along.
        """
        began = time.perf_counter()
        rows = [
            (ascended.codes[row], Scores(*(column[row] for column in ascended.scores)))
            for ascended in found
            for row in range(len(ascended.codes))
        ]
        told = await asyncio.gather(
            *(self.on_pictures(self._design, code, scores, category, release, keep) for code, scores in rows)
        )
        return [design for design, _ in told], 1000 * (time.perf_counter() - began)

    def _design(self, code: Tensor, scores: Scores, category: str, release: str, keep: bool) -> OfferedDesign:
        data = pictures.encode(pictures.to_image(scores.pictures), format="PNG")
        judged = {"score": scores.preference.item(), "realism": scores.realism.item(), "category": category}
        if not keep:
            picture = LoosePicture(data=data, media_type="image/png")
            return OfferedDesign(design_id=None, picture=picture, **judged)
        key = self.incoming.store.put_picture(data, suffix="png")
        record = DesignRecord(code=code.tolist(), release=release, picture=key, **judged)
        self.incoming.keep(record)
        return OfferedDesign(design_id=record.id, picture=StoredPicture(key=key), **judged)


class Climbing:
    """Runs one request's ascents and adds up the time of their passes."""

    def __init__(self, climb: Callable[[Run], Awaitable[tuple[Ascended, float]]], studio: Studio) -> None:
        self.climb, self.studio, self.compute_ms = climb, studio, 0.0

    async def __call__(self, ascent: Ascent) -> Ascended:
        found, took_ms = await self.climb(Run(studio=self.studio, ascent=ascent))
        self.compute_ms += took_ms
        return found


def ascended(runs: Sequence[Run]) -> list[Ascended | ServiceError]:
    """All ascents, those of one release in one pass; one that does not stay finite fails alone."""
    found: dict[int, Ascended | FloatingPointError] = {}
    for studio in {id(run.studio): run.studio for run in runs}.values():
        mine = [at for at, run in enumerate(runs) if run.studio is studio]
        found.update(zip(mine, studio.optimiser.run([runs[at].ascent for at in mine]), strict=True))
    return [_known(found[at]) for at in range(len(runs))]


def _known(found: Ascended | FloatingPointError) -> Ascended | ServiceError:
    return found if isinstance(found, Ascended) else Unexpected(f"the ascent failed: {found}")
