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
from services.incoming import Named, incoming
from services.messages import FittingRequest, PictureInput, TryOnRequest, Upload
from services.replies import FittedPicture, Fittings, LoosePicture, Offer, Offers, Work

MAX_JOBS_PER_PASS = PASSES[-1]
WAIT_S = 0.01  # for company


class Person(NamedTuple):
    """The picture as sent and as the network sees it, the worn garment, and where to paint if somebody says."""

    image: Image.Image
    seen: Tensor
    worn: Tensor
    place: Tensor | None = None


class Garment(NamedTuple):
    """A wanted one's picture as it is kept and as the network sees it, and its group."""

    image: Image.Image
    seen: Tensor
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

        release: which one to use; None for the one that an item comes from, or else the one that serves.
        """
        items = (offers for offers in (wanted, worn) if offers is not None)
        release, fitter = self.shelf.chosen(release or next((offers.release for offers in items), None))
        (person, person_ms), (garment, garment_ms) = await asyncio.gather(
            self.on_pictures(self._person, fitter, request, worn, request.mask),
            self.on_pictures(self._garment, fitter, request, wanted),
        )
        fitted, work = await self._fitted(fitter, person, garment, request.format)
        work += Work(encode_ms=max(person_ms, garment_ms))
        return Fittings(fitted=(fitted,), release=release, work=work)

    @called
    async def fit(self, request: FittingRequest, offers: Offers, worn: Offers | None) -> Fittings:
        """One offer after another on a person, in one pass where there is room, by the release that made the offers.

        Raises as `try_on`.
        """
        fitter = self.shelf.of(offers.release)
        (person, person_ms), *garments = await asyncio.gather(
            self.on_pictures(self._person, fitter, request, worn),
            *(self.on_pictures(self._offered, fitter, request, offer) for offer in offers.offers),
        )
        done = await asyncio.gather(*(self._fitted(fitter, person, garment, request.format) for garment, _ in garments))
        opened_ms = max((person_ms, *(ms for _, ms in garments)))
        work = sum((work for _, work in done), offers.work + Work(encode_ms=opened_ms))
        painted = tuple(fitted for fitted, _ in done)
        return Fittings(fitted=painted, offers=offers.offers, release=offers.release, work=work)

    async def _fitted(
        self, fitter: Fitter, person: Person, garment: Garment, format: str
    ) -> tuple[FittedPicture, Work]:
        job = Job(person=person.seen, worn=person.worn, wanted=garment.seen, mask=person.place, group=garment.group)
        painted, compute_ms = await self.worked(self._pass((fitter, job)))
        if isinstance(painted, ServiceError):
            raise painted
        fitted, encode_ms = await self.on_pictures(_encoded, fitter, person.image, painted, garment.image, format)
        return fitted, Work(compute_ms=compute_ms, encode_ms=encode_ms)

    @serve.batch(max_batch_size=MAX_JOBS_PER_PASS, batch_wait_timeout_s=WAIT_S)
    async def _pass(self, jobs: list[tuple[Fitter, Job]]) -> list[tuple[Painted | ServiceError, float]]:
        self.meters.observe(metrics.BATCH_JOBS, len(jobs))
        painted, compute_ms = await self.together_in_networks(_painted, jobs)
        return [(each, compute_ms) for each in painted]

    def _person(
        self, fitter: Fitter, request: TryOnRequest | FittingRequest, worn: Offers | None, mask: Upload | None = None
    ) -> Person:
        """A mask that was sent is stretched over the person's picture."""
        person = self.incoming.upload(request.person.data, "person")
        place = None if mask is None else fitter.place(self.incoming.upload(mask.data, "mask").resize(person.size))
        return Person(person, fitter.seen(person), fitter.worn(self._worn(fitter, request.worn, worn)), place)

    def _worn(self, fitter: Fitter, picture: PictureInput | None, item: Offers | None) -> Image.Image | None:
        return None if picture is None else self._known(fitter, picture, "worn", item).image

    def _garment(self, fitter: Fitter, request: TryOnRequest, item: Offers | None) -> Garment:
        image, category = self._known(fitter, request.wanted, "wanted", item)
        return Garment(image, fitter.wanted(image), fitter.group(request.group, category))

    def _offered(self, fitter: Fitter, request: FittingRequest, offer: Offer) -> Garment:
        fitter.release.check_fits(offer.category, "category")
        image = self.incoming.stored(offer.picture.key)
        return Garment(image, fitter.wanted(image), fitter.group(request.group, offer.category))

    def _known(self, fitter: Fitter, picture: PictureInput, field: str, item: Offers | None) -> Named:
        """What a request names. Raises BadInput where it is known to be nothing that is put on."""
        named = self.incoming.named(picture, field, item)
        if named.category is not None:
            fitter.release.check_fits(named.category, field)
        return named


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
