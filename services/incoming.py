"""Pictures on their way in: uploads, catalogue pictures, and designs with the record that was made with them."""

import json
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from PIL import Image

from cluster.object_store import AlreadyExists, NotFound, ObjectStore, open_store
from cluster.settings import Settings
from fashion_nn import pictures
from services.errors import BadInput, TooLarge, UnknownDesign
from services.messages import PictureInput
from services.meters import Meters
from services.picture_cache import PictureCache
from services.replies import Offers

PUBLISHED_BYTES, PUBLISHED_PIXELS = 10 * 2**20, 25_000_000  # of pictures that were trained on, at most


@dataclass(frozen=True, kw_only=True, slots=True)
class DesignRecord:
    """What is kept of a design under `designs/<id>.json`, where the id is the SHA-256 of its picture."""

    code: list[float]  # z of its release's generator
    category: str
    release: str
    picture: str  # key in the bucket
    score: float | None
    realism: float

    @property
    def id(self) -> str:
        """The hash in the picture's key."""
        return self.picture.rpartition("/")[2].partition(".")[0]


class Named(NamedTuple):
    """A picture that a request names, and its category; None for one that was sent along, which may be anything."""

    image: Image.Image
    category: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Incoming:
    """Opens what requests name or bring. Blocking: call it from a thread."""

    store: ObjectStore
    cache: PictureCache
    max_bytes: int
    max_pixels: int

    def upload(self, data: bytes, field: str) -> Image.Image:
        """The upright RGB picture that was sent. Raises TooLarge, or BadInput naming the field."""
        try:
            return pictures.decode(data, max_bytes=self.max_bytes, max_pixels=self.max_pixels)
        except pictures.PictureTooLarge as error:
            raise TooLarge(f"{field}: {error}", field=field) from error
        except pictures.PictureError as error:
            limit = "a whole JPEG, PNG or WebP picture"
            raise BadInput(f"{field}: {error}", field=field, value=f"{len(data)} bytes", limit=limit) from error

    def stored(self, key: str) -> Image.Image:
        """A picture of the bucket, whether it was published or sent. Raises StoreError, PictureError."""
        limits = {
            "max_bytes": max(self.max_bytes, PUBLISHED_BYTES),
            "max_pixels": max(self.max_pixels, PUBLISHED_PIXELS),
        }
        return pictures.decode(self.cache.get(key), **limits)

    def named(self, picture: PictureInput, field: str, item: Offers | None) -> Named:
        """What a request names, with the catalogue's entry where it names an item. Raises as what it calls."""
        if picture.data is not None:
            return Named(self.upload(picture.data, field), None)
        if picture.design_id is not None:
            record = self.design(picture.design_id)
            return Named(self.stored(record.picture), record.category)
        if item is None:
            raise ValueError(f"{field} names an item, and no entry of the catalogue came along")
        (offer,) = item.offers
        return Named(self.stored(offer.picture.key), offer.category)

    def design(self, design_id: str) -> DesignRecord:
        """The record of a design. Raises UnknownDesign, StoreError."""
        try:
            record: dict[str, Any] = json.loads(self.store.get(_record_key(design_id)))
        except NotFound as error:
            raise UnknownDesign(f"no design {design_id}", field="design_id", value=design_id) from error
        return DesignRecord(**record)

    def keep(self, record: DesignRecord) -> None:
        """Write a design's record, once: another one of the same picture leaves the first."""
        try:
            self.store.create(_record_key(record.id), json.dumps(asdict(record)).encode())
        except AlreadyExists:
            pass


def incoming(settings: Settings, meters: Meters) -> Incoming:
    """As the settings have it."""
    store = open_store(settings.bucket_url, settings)
    return Incoming(
        store=store,
        cache=PictureCache(store, settings.picture_cache_bytes, meters),
        max_bytes=settings.max_picture_bytes,
        max_pixels=settings.max_picture_pixels,
    )


def _record_key(design_id: str) -> str:
    return f"designs/{design_id}.json"
