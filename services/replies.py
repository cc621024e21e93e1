"""What the deployments hand to each other and to the gateway. Light to import: no tensors, no web framework."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from services.item_table import Entry


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """Time spent on a reply, in milliseconds: in the networks, and on pictures (decoding, encoding, storing)."""

    compute_ms: float = 0.0
    encode_ms: float = 0.0

    def __add__(self, other: "Work") -> "Work":
        return Work(compute_ms=self.compute_ms + other.compute_ms, encode_ms=self.encode_ms + other.encode_ms)


@dataclass(kw_only=True, slots=True)
class StoredPicture:
    """A picture in the bucket."""

    key: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LoosePicture:
    """A picture that is kept nowhere."""

    data: bytes = field(repr=False)
    media_type: str


AnyPicture = StoredPicture | LoosePicture


@dataclass(frozen=True, slots=True)
class Accepted:
    """To one who watches: the request has been taken, and will have its turn."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """To one who watches: the best so far."""

    step: int
    steps: int
    score: float | None
    realism: float
    picture: LoosePicture


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """What every reply says: the release it was made with and the time it took."""

    release: str
    work: Work


@dataclass(frozen=True, kw_only=True, slots=True)
class Taste(Reply):
    """A shopper's taste θ [K], in the space of the looks of its release."""

    vector: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, slots=True)
class Scores(Reply):
    """Preference scores in the order asked for."""

    scores: tuple[float, ...]


@dataclass(kw_only=True, slots=True)
class OfferedItem:
    """A catalogue entry, with a score where a shopper was named."""

    item_id: str
    category: str
    picture: StoredPicture
    score: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class OfferedDesign:
    """A generated item; without an id where it was not kept."""

    design_id: str | None
    category: str
    picture: AnyPicture
    score: float | None  # where a shopper was named
    realism: float


Offer = OfferedItem | OfferedDesign


@dataclass(frozen=True, kw_only=True, slots=True)
class Offers(Reply):
    """Items or designs, best first: either can be handed to the fitting room."""

    offers: tuple[Offer, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Alteration(Reply):
    """An item's reconstruction and its stages, ever more personal."""

    reconstruction: OfferedDesign
    stages: tuple[OfferedDesign, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """What the Designer's engine has to do, and what it has done since the release was loaded."""

    slots: int
    memory_bytes: int
    precision: str
    waiting_rows: int
    suspended_rows: int  # of these, such as have run
    running_rows: int
    steps: int
    row_steps: int
    most_rows: int  # of one step
    networks_s: float
    scheduling_s: float  # and harvesting
    endings: dict[str, int]  # finished, deadline, cancelled, failed


@dataclass(frozen=True, kw_only=True, slots=True)
class FittedPicture:
    """A fitting (height, width in pixels: of the picture sent in, and of the network's)."""

    picture: LoosePicture
    mask: LoosePicture
    size: tuple[int, int]
    network_size: tuple[int, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Fittings(Reply):
    """A person in one garment after another; `offers` are those garments where they were offered."""

    fitted: tuple[FittedPicture, ...]
    offers: tuple[Offer, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Recorded(Reply):
    """What became of an item, and the number of the record that says so. Without an offer it was deleted."""

    number: int
    outcome: Literal["created", "replaced", "unchanged", "deleted"]
    offer: OfferedItem | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Changes(Reply):
    """What has become of a release's items after a record of the live catalogue, up to another one."""

    put: tuple["Entry", ...] = ()
    dropped: tuple[str, ...] = ()  # item ids
    record: int = 0
    more: bool = False  # to be asked for, after that record


@dataclass(frozen=True, kw_only=True, slots=True)
class Contents(Reply):
    """What serves: a release, with the live catalogue up to a record."""

    categories: tuple[str, ...]
    fits: tuple[str, ...]
    items: int
    record: int
    shoppers: int
    configs: dict[str, Any]
    metrics: dict[str, Any]
