"""The FittingRoom: CAGAN on persons and garments, several requests in one pass. Nothing of a person is kept."""

import asyncio
from typing import NamedTuple

from PIL import Image
from ray import serve
from torch import Tensor

from fashion_nn import pictures
from fashion_nn.cagan.serving import PASSES
from services import metrics
from services.deployment import ReleaseDeployment, called
from services.devices import replica_device
from services.errors import ServiceError
from services.fitting import Fitter, Job, Painted, load_fitter, paste
from services.incoming import incoming
from services.messages import FittingRequest, TryOnRequest, Upload
from services.replies import FittedPicture, Fittings, LoosePicture, Offers, Work

MAX_JOBS_PER_PASS = PASSES[-1]
WAIT_S = 0.01  # for company


class Opened(NamedTuple):
    """The person's picture as sent and as the network sees it, the worn garment, and the group of the wanted ones."""

    image: Image.Image
    seen: Tensor
    worn: Tensor
    group: int


@serve.deployment
class FittingRoom(ReleaseDeployment[Fitter]):
    """Jobs of different requests share passes."""

    def __init__(self) -> None:
        super().__init__(lambda release: load_fitter(release, replica_device()))
        self.incoming = incoming(self.settings, self.meters)

    @called
    async def try_on(
        self, request: TryOnRequest, worn: Offers | None, wanted: Offers | None, *, release: str | None = None
    ) -> Fittings:
        """One garment on a person. Raises BadInput, TooLarge, UnknownDesign, TurningRelease.

        release: which one to use, here as below; None for the one that serves.
        """
        release, fitter = self.shelf.chosen(release)
        opened, opened_ms = await self.on_pictures(self._opened, fitter, request, worn)
        garment, garment_ms = await self.on_pictures(self.incoming.named, request.wanted, "wanted", wanted)
        place, place_ms = await self.on_pictures(self._place, fitter, request.mask, opened.image)
        fitted, work = await self._fitted(fitter, opened, garment, request.format, place)
        work += Work(encode_ms=opened_ms + garment_ms + place_ms)
        return Fittings(fitted=(fitted,), release=release, work=work)

    @called
    async def fit(
        self, request: FittingRequest, offers: Offers, worn: Offers | None, *, release: str | None = None
    ) -> Fittings:
        """One offer after another on a person, in one pass where there is room. Raises as `try_on`."""
        release, fitter = self.shelf.chosen(release)
        opened, opened_ms = await self.on_pictures(self._opened, fitter, request, worn)
        keys = [offer.picture.key for offer in offers.offers]
        garments = await asyncio.gather(*(self.on_pictures(self.incoming.stored, key) for key in keys))
        done = await asyncio.gather(*(self._fitted(fitter, opened, garment, request.format) for garment, _ in garments))
        work = sum((work for _, work in done), offers.work + Work(encode_ms=opened_ms + sum(ms for _, ms in garments)))
        return Fittings(fitted=tuple(fitted for fitted, _ in done), offers=offers.offers, release=release, work=work)

    async def _fitted(
        self, fitter: Fitter, opened: Opened, garment: Image.Image, format: str, place: Tensor | None = None
    ) -> tuple[FittedPicture, Work]:
        wanted, seen_ms = await self.on_pictures(fitter.wanted, garment)
        job = Job(person=opened.seen, worn=opened.worn, wanted=wanted, mask=place, group=opened.group)
        painted, compute_ms = await self.worked(self._pass((fitter, job)))
        if isinstance(painted, ServiceError):
            raise painted
        fitted, encode_ms = await self.on_pictures(_encoded, fitter, opened.image, painted, garment, format)
        return fitted, Work(compute_ms=compute_ms, encode_ms=seen_ms + encode_ms)

    @serve.batch(max_batch_size=MAX_JOBS_PER_PASS, batch_wait_timeout_s=WAIT_S)
    async def _pass(self, jobs: list[tuple[Fitter, Job]]) -> list[tuple[Painted | ServiceError, float]]:
        self.meters.observe(metrics.BATCH_JOBS, len(jobs))
        painted, compute_ms = await self.together_in_networks(_painted, jobs)
        return [(each, compute_ms) for each in painted]

    def _opened(self, fitter: Fitter, request: TryOnRequest | FittingRequest, worn: Offers | None) -> Opened:
        person = self.incoming.upload(request.person.data, "person")
        worn_image = None if request.worn is None else self.incoming.named(request.worn, "worn", worn)
        return Opened(person, fitter.seen(person), fitter.worn(worn_image), fitter.group(request.group))

    def _place(self, fitter: Fitter, mask: Upload | None, person: Image.Image) -> Tensor | None:
        """The mask that was sent, stretched over the person's picture, as the network sees it."""
        if mask is None:
            return None
        return fitter.place(self.incoming.upload(mask.data, "mask").resize(person.size))


def _painted(jobs: list[tuple[Fitter, Job]]) -> list[Painted | ServiceError]:
    """All jobs, those of one release in one pass."""
    found: dict[int, Painted | ServiceError] = {}
    for fitter in {id(fitter): fitter for fitter, _ in jobs}.values():
        mine = [at for at, (used, _) in enumerate(jobs) if used is fitter]
        found.update(zip(mine, fitter.paint([jobs[at][1] for at in mine]), strict=True))
    return [found[at] for at in range(len(jobs))]


def _encoded(fitter: Fitter, person: Image.Image, painted: Painted, garment: Image.Image, format: str) -> FittedPicture:
    picture, mask = paste(person, painted, garment)
    return FittedPicture(
        picture=LoosePicture(data=pictures.encode(picture, format=format.upper()), media_type=f"image/{format}"),
        mask=LoosePicture(data=pictures.encode(mask, format="PNG"), media_type="image/png"),
        size=(person.height, person.width),
        network_size=fitter.size,
    )
