"""What the demonstration shows: boards, alteration strips, fittings, as the backend got them over HTTP."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PIL import Image

from demo.progress import Timed


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """One picture with what is written under it. `score` is the shopper's preference score θ·Φ(X)."""

    picture: Image.Image
    label: str
    score: float | None = None
    liked_over: float | None = None  # share of the category's items that the stated taste puts below it


@dataclass(frozen=True, kw_only=True, slots=True)
class Board:
    """A shopper's best items of one category beside the best designs made for the same shopper."""

    category: str
    items: Sequence[Shown]
    designs: Sequence[Shown]
    seconds: float  # of the two calls together

    @property
    def gain(self) -> float:
        """How much higher the best design scores than the best item."""
        return max(each.score or 0.0 for each in self.designs) - max(each.score or 0.0 for each in self.items)


@dataclass(frozen=True, kw_only=True, slots=True)
class ShopperBoards:
    """One shopper: who, what is known about the taste, and the boards."""

    name: str
    taste: str  # in words
    boards: Sequence[Board]


@dataclass(frozen=True, kw_only=True, slots=True)
class Strip:
    """An item altered towards a shopper's taste: the item, its reconstruction, the stages."""

    shopper: str
    category: str
    item: Shown
    stages: Sequence[Shown]  # the reconstruction first
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Fitted:
    """A person painted with a garment; `truth` where the world knows how it would really look."""

    name: str
    person: Image.Image
    worn: Image.Image | None
    wanted: Image.Image
    mask: Image.Image
    result: Image.Image
    truth: Image.Image | None
    seconds: float
    caption: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """One figure of the opening row: `0.91`, `AUC over all unobserved items`."""

    value: str
    meaning: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Sheet:
    """A sample sheet that a training run left behind."""

    network: str
    picture: Image.Image
    caption: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Exhibition:
    """Everything on the page."""

    release: str
    figures: Sequence[Figure]
    shoppers: Sequence[ShopperBoards]
    strips: Sequence[Strip]
    fittings: Sequence[Fitted]
    composed: Sequence[Fitted]
    answers: Mapping[str, object]  # what was asked: the answer
    sheets: Sequence[Sheet] = ()
    steps: Sequence[Timed] = ()
    seconds: float = 0.0  # from the beginning to the answers
