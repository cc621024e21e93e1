"""How large a world is, and the named sizes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

VERSION = 2  # of the drawing: a new one makes finished worlds stale

LIMITS = {
    "items_per_category": (1, 1_000_000),
    "item_size": (16, 1024),
    "shoppers": (0, 10_000_000),
    "interactions_per_shopper": (1, 1000),
    "pairs_train": (0, 1_000_000),
    "pairs_test": (0, 1_000_000),
    "pairs_per_person": (1, 100),
    "person_height": (32, 1024),
    "full_length": (0, 1),
    "quality": (1, 100),
    "workers": (1, 256),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class WorldConfig:
    """What a world holds. Equal configurations (but for `workers`) make byte-identical worlds."""

    seed: int = 0
    items_per_category: int = 200  # of six categories
    item_size: int = 128  # pixels, square
    shoppers: int = 800
    interactions_per_shopper: int = 12  # on average; five at least
    pairs_train: int = 800
    pairs_test: int = 100
    pairs_per_person: int = 1  # of those to train by: the person in several tops, who wants the next of them each time
    person_height: int = 128  # pixels; persons are 3/4 as wide
    full_length: float = 0.12  # share of persons shown down to their shoes
    quality: int = 94  # of the JPEG pictures
    origins: bool = False  # whether pairs say where in its own picture a wanted garment comes from, pixel by pixel
    workers: int = 1  # processes that draw

    def __post_init__(self) -> None:
        for name, (low, high) in LIMITS.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name}: must lie between {low} and {high}, not {value}")
        if self.pairs_train % self.pairs_per_person:
            told = f"a multiple of pairs_per_person, which is {self.pairs_per_person}"
            raise ValueError(f"pairs_train: must be {told}, not {self.pairs_train}")
        if self.pairs_per_person > 1 and self.pairs_train < 2 * self.pairs_per_person**2:
            told = f"at least {2 * self.pairs_per_person**2}, so that each person finds so many tops on others"
            raise ValueError(f"pairs_train: must be {told}, not {self.pairs_train}")

    @property
    def items(self) -> int:
        return 6 * self.items_per_category

    def pairs(self, part: str) -> int:
        return {"train": self.pairs_train, "test": self.pairs_test}[part]

    def stamp(self) -> dict[str, object]:
        """What tells one world from another."""
        return {"version": VERSION, **{k: v for k, v in asdict(self).items() if k != "workers"}}

    def fingerprint(self) -> str:
        """Eight characters, the same for equal worlds: for the name of a folder, say."""
        return hashlib.sha256(json.dumps(self.stamp(), sort_keys=True).encode()).hexdigest()[:8]


def debug() -> WorldConfig:
    """Drawn in a second or two."""
    return WorldConfig(
        items_per_category=8,
        item_size=64,
        shoppers=24,
        interactions_per_shopper=6,
        pairs_train=12,
        pairs_test=4,
        person_height=64,
    )


def demo() -> WorldConfig:
    """Drawn in well under a minute on one core."""
    return WorldConfig()


def showcase() -> WorldConfig:
    """Large pictures, for those who look closely."""
    return WorldConfig(
        items_per_category=400,
        item_size=256,
        shoppers=2000,
        pairs_train=2000,
        pairs_test=200,
        person_height=256,
    )
