"""The Designer: the latent engine for many requests at once, and the keeping of what it finds."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from functools import partial
from typing import TypeVar

import torch
from ray import serve
from torch import Tensor

from cluster.settings import Settings
from fashion_nn import pictures
from fashion_nn.latent import Ascended, EngineConfig, Plan, Scores
from fashion_nn.latent.engine import DeadlinePassed, NoTime, Progress
from fashion_nn.latent.loop import Stopped
from fashion_nn.latent.scheduler import Full
from services import metrics, replies
from services.altering import Subject, alteration, variations
from services.deployment import ReleaseDeployment, called
from services.designing import Studio, load_studio
from services.devices import replica_device
from services.errors import DeadlineExceeded, Overloaded, TurningRelease, Unexpected
from services.incoming import DesignRecord, incoming
from services.messages import AlterRequest, DesignRequest, PictureInput, VariationsRequest
from services.meters import Reading
from services.replies import LoosePicture, OfferedDesign, Offers, StoredPicture, Taste, Work
from services.watching import Watcher, watched

Result = TypeVar("Result")
ANSWER_S = 3.0  # kept of a request's time for pictures and transport, but no more than
ANSWER_SHARE = 0.1  # ... of it, and no less than
TRANSPORT_S = 0.15  # ... beyond what pictures took lately, up to half of the time there is
LATELY = 0.9  # what is left of a longer time at the next request


@serve.deployment
class Designer(ReleaseDeployment[Studio]):
    """Rows of different requests share steps: they join and leave between any two, so nobody waits for the slowest."""

    def __init__(self) -> None:
        super().__init__(
            lambda release: load_studio(release, replica_device(), engine_config(self.settings)), Studio.close
        )
        self.incoming = incoming(self.settings, self.meters)
        self._telling_s = 0.0  # what it took lately to make and keep an answer's pictures

    @called
    async def design(
        self,
        request: DesignRequest,
        taste: Taste,
        *,
        to_fit: bool = False,
        until: float | None = None,
        watcher: Watcher | None = None,
    ) -> Offers:
        """The best k designs, kept; the best so far where time is up. Raises BadInput, Overloaded, TurningRelease.

        to_fit: refused where the fitting room does not put such things on. until: seconds since the epoch, when the
        caller stops waiting, where that is sooner than the settings have it.
        """
        deadline = self._deadline(until)
        studio = self.shelf.of(taste.release)
        if to_fit:
            studio.release.check_fits(request.category, "category")
        plan, _ = await self.on_pictures(studio.design, request, torch.from_numpy(taste.vector))
        found, compute_ms = await self._carried_out(studio, plan, deadline, watcher)
        offers, encode_ms = await self._told([found], request.category, taste.release, keep=True)
        work = taste.work + Work(compute_ms=compute_ms, encode_ms=encode_ms)
        return Offers(offers=best_first(offers), release=taste.release, work=work)

    @called
    async def alter(
        self,
        request: AlterRequest,
        taste: Taste,
        item: Offers | None,
        *,
        until: float | None = None,
        watcher: Watcher | None = None,
    ) -> replies.Alteration:
        """A picture's reconstruction and stages. Raises as `design`, and TooLarge, UnknownDesign."""
        deadline = self._deadline(until)
        studio = self.shelf.of(taste.release)
        subject, opened_ms = await self._subject(studio, request, taste, item)
        plan, planned_ms = await self.on_pictures(alteration, subject, request)
        found, compute_ms = await self._carried_out(studio, plan, deadline, watcher)
        keep = request.picture.data is None
        (reconstruction, *stages), kept_ms = await self._told(found, subject.category_name, taste.release, keep=keep)
        work = taste.work + Work(compute_ms=compute_ms, encode_ms=opened_ms + planned_ms + kept_ms)
        return replies.Alteration(reconstruction=reconstruction, stages=tuple(stages), release=taste.release, work=work)

    @called
    async def variations(
        self,
        request: VariationsRequest,
        taste: Taste | None,
        item: Offers | None,
        *,
        release: str | None = None,
        until: float | None = None,
        watcher: Watcher | None = None,
    ) -> Offers:
        """A picture's neighbours: by score for a shopper, without one the likeliest first. Raises as `alter`.

        release: which one to use where there is no taste to tell; None for the one that serves.
        """
        deadline = self._deadline(until)
        release, studio = self.shelf.chosen(release if taste is None else taste.release)
        subject, opened_ms = await self._subject(studio, request, taste, item)
        plan, planned_ms = await self.on_pictures(variations, subject, request)
        found, compute_ms = await self._carried_out(studio, plan, deadline, watcher)
        offers, kept_ms = await self._told(
            [found], subject.category_name, release, keep=request.picture.data is None, scored=taste is not None
        )
        work = Work(compute_ms=compute_ms, encode_ms=opened_ms + planned_ms + kept_ms)
        return Offers(
            offers=tuple(offers) if taste is None else best_first(offers),
            release=release,
            work=work if taste is None else taste.work + work,
        )

    async def watch(
        self,
        request: DesignRequest | AlterRequest | VariationsRequest,
        taste: Taste | None,
        item: Offers | None = None,
        *,
        release: str | None = None,
        until: float | None = None,
        trace: str | None = None,
    ) -> AsyncIterator[replies.Accepted | replies.Progress | replies.Reply]:
        """The call for such a request: that it was taken, how far it is, and its reply at last. Raises as the call."""
        match request:
            case DesignRequest():
                call = partial(self.design, request, taste, until=until, trace=trace)
            case AlterRequest():
                call = partial(self.alter, request, taste, item, until=until, trace=trace)
            case VariationsRequest():
                call = partial(self.variations, request, taste, item, release=release, until=until, trace=trace)
        async with aclosing(watched(call)) as telling:
            async for told in telling:
                if isinstance(told, Progress):
                    told, _ = await self.on_pictures(_shown, told, taste is not None)
                yield told

    async def load(self) -> replies.Load | None:
        """How busy the engine of the release that serves is; None where there is no release."""
        return self._load()

    def readings(self) -> list[Reading]:
        """See `ReleaseDeployment.readings`. What a new release's engine counts begins anew."""
        load = self._load()
        return super().readings() + ([] if load is None else engine_readings(load))

    async def record_autoscaling_stats(self) -> dict[str, float]:
        """What Serve's autoscaling policies may go by: rows are what the Designer is short of, not requests."""
        load = await self.load()
        names = ("waiting_rows", "running_rows", "slots")
        return {name: 0.0 if load is None else float(getattr(load, name)) for name in names}

    async def __del__(self) -> None:
        """Serve's call once the requests under way are done, before the replica's process ends."""
        await asyncio.gather(*(asyncio.to_thread(studio.loop.stop) for studio in self.shelf.held()))

    def _load(self) -> replies.Load | None:
        return None if self.shelf.release_id is None else self.shelf.current()[1].load()

    def _deadline(self, until: float | None) -> float:
        """On the engine's clock: when work on a request that comes now has to end for its caller to get an answer."""
        left = math.inf if until is None else max(0.0, until - time.time())
        limit = min(self.settings.request_timeout_s, left)
        kept = max(min(ANSWER_S, ANSWER_SHARE * limit), TRANSPORT_S + self._telling_s)
        return time.monotonic() + limit - min(kept, limit / 2)

    async def _carried_out(
        self, studio: Studio, plan: Plan[Result], deadline: float, watcher: Watcher | None
    ) -> tuple[Result, float]:
        """What a plan comes to, and the milliseconds that it held slots. Who is cancelled meanwhile frees them."""
        asked_ns = time.time_ns()
        try:
            coming = studio.loop.submit(plan, deadline=deadline, listener=watcher and watcher.tell)
        except Full as error:
            raise Overloaded(str(error), retry_after_s=studio.retry_after_s(), full="rows") from error
        except Stopped as error:
            raise TurningRelease(f"release {studio.release.id} is being left", retry_after_s=1) from error
        if watcher is not None:
            watcher.accept()
        try:
            found = await asyncio.wrap_future(coming)
        except NoTime as error:
            raise Overloaded(str(error), retry_after_s=studio.retry_after_s(), full="time") from error
        except DeadlinePassed as error:
            raise DeadlineExceeded(f"no answer in time: {error}") from error
        except Stopped as error:
            raise TurningRelease(f"release {studio.release.id} has been left", retry_after_s=1) from error
        except FloatingPointError as error:
            raise Unexpected(f"the ascent failed: {error}") from error
        except Exception as error:
            self.logger.exception("an ascent failed")
            raise Unexpected("the ascent failed") from error
        held_ms = 1000 * coming.task.held_s
        self.traces.worked(asked_ns, held_ms)
        return found, held_ms

    async def _subject(
        self, studio: Studio, request: AlterRequest | VariationsRequest, taste: Taste | None, item: Offers | None
    ) -> tuple[Subject, float]:
        """What is to be altered, and the milliseconds spent on its picture."""
        record, recorded_ms = await self.on_pictures(self._record, request.picture)
        category = request.category or (record or item.offers[0]).category
        known = {
            "studio": studio,
            "taste": torch.zeros(studio.look_dimensions) if taste is None else torch.from_numpy(taste.vector),
            "category": studio.release.class_id(category, "category"),
            "realism": request.realism,
        }
        if record is not None and record.release == studio.release.id:
            return Subject(**known, code=torch.tensor(record.code)), recorded_ms
        target, opened_ms = await self.on_pictures(self._target, studio, request.picture, record, item)
        return Subject(**known, target=target), recorded_ms + opened_ms

    def _record(self, picture: PictureInput) -> DesignRecord | None:
        return None if picture.design_id is None else self.incoming.design(picture.design_id)

    def _target(
        self, studio: Studio, picture: PictureInput, record: DesignRecord | None, item: Offers | None
    ) -> Tensor:
        if record is not None:
            return studio.target(self.incoming.stored(record.picture))
        return studio.target(self.incoming.named(picture, "picture", item).image)

    async def _told(
        self, found: Sequence[Ascended], category: str, release: str, *, keep: bool, scored: bool = True
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
            *(self.on_pictures(self._design, code, scores, category, release, keep, scored) for code, scores in rows)
        )
        took_s = time.perf_counter() - began
        self._telling_s = max(took_s, LATELY * self._telling_s)
        return [design for design, _ in told], 1000 * took_s

    def _design(
        self, code: Tensor, scores: Scores, category: str, release: str, keep: bool, scored: bool
    ) -> OfferedDesign:
        data = pictures.encode(pictures.to_image(scores.pictures), format="PNG")
        score = scores.preference.item() if scored else None
        judged = {"score": score, "realism": scores.realism.item(), "category": category}
        if not keep:
            picture = LoosePicture(data=data, media_type="image/png")
            return OfferedDesign(design_id=None, picture=picture, **judged)
        key = self.incoming.store.put_picture(data, suffix="png")
        record = DesignRecord(code=code.tolist(), release=release, picture=key, **judged)
        self.incoming.keep(record)
        return OfferedDesign(design_id=record.id, picture=StoredPicture(key=key), **judged)


def best_first(designs: Sequence[OfferedDesign]) -> tuple[OfferedDesign, ...]:
    """By their scores."""
    return tuple(sorted(designs, key=lambda design: -design.score))


def _shown(progress: Progress, scored: bool) -> replies.Progress:
    picture = pictures.encode(pictures.to_image(progress.picture), format="JPEG")
    return replies.Progress(
        step=progress.step,
        steps=progress.steps,
        score=progress.preference if scored else None,
        realism=progress.realism,
        picture=LoosePicture(data=picture, media_type="image/jpeg"),
    )


def engine_readings(load: replies.Load) -> list[Reading]:
    """The engine's load as metrics."""
    rows = {
        "running": load.running_rows,
        "waiting": load.waiting_rows - load.suspended_rows,
        "suspended": load.suspended_rows,
    }
    return [
        *(Reading(metrics.ENGINE_ROWS, count, (state,)) for state, count in rows.items()),
        Reading(metrics.ENGINE_SLOTS, load.slots),
        Reading(metrics.ENGINE_STEPS, load.steps),
        Reading(metrics.ENGINE_ROW_STEPS, load.row_steps),
        Reading(metrics.ENGINE_SECONDS, load.networks_s, ("networks",)),
        Reading(metrics.ENGINE_SECONDS, load.scheduling_s, ("scheduling",)),
        *(Reading(metrics.ENGINE_ENDINGS, count, (ending,)) for ending, count in load.endings.items()),
    ]


def engine_config(settings: Settings) -> EngineConfig:
    """The engine as the settings have it."""
    return EngineConfig(
        memory_bytes=settings.designer_memory_bytes,
        slots=settings.designer_slots,
        max_waiting=settings.designer_max_waiting_rows,
        precision=settings.designer_precision,
    )
