"""Who visits the demonstration: shoppers of the drawn world with their stated tastes, and persons to dress."""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from fashion_nn.pictures import decode, letterbox, normalise, to_pixels
from fashion_nn.world.tastes import COLOURS, SIDE, utility

ROUNDING = 1e-4  # of a utility, which has a spread of a few units
NOTABLE = 0.35  # of the strongest weight: weaker ones are not put into words


@dataclass(frozen=True, kw_only=True, slots=True)
class Visitor:
    """A shopper as the world states it; the networks know only what was bought."""

    user_id: str
    taste: dict[str, float]  # weights of the features of a picture
    categories: tuple[str, ...]  # that the shopper buys from

    @property
    def favourite(self) -> str:
        """The feature with the highest weight."""
        return max(self.taste, key=lambda name: self.taste[name])


@dataclass(frozen=True, kw_only=True, slots=True)
class Sitter:
    """A person of the test pairs, the garment they wear, one they want, and how that truly looks."""

    name: str
    person: Path
    worn: Path
    wanted: Path
    truth: Path


@dataclass(slots=True)
class World:
    """The drawn world, as far as the demonstration asks it."""

    folder: Path
    _seen: dict[str, dict[str, torch.Tensor]] = field(default_factory=dict)  # category -> item id -> [3, S, S]

    def visitors(self, count: int) -> list[Visitor]:
        """`count` shoppers, women and men in turn, each with another favourite where there is one."""
        stated = json.loads((self.folder / "shoppers.json").read_text())["shoppers"]
        everybody = [
            Visitor(
                user_id=each["user_id"],
                taste=each["taste"],
                categories=tuple(sorted(name for name, share in each["mix"].items() if share > 0)),
            )
            for each in stated
        ]
        return varied(everybody, count)

    def items(self, category: str) -> list[str]:
        """The ids of a category's items."""
        return list(self._pictures(category))

    def likes(self, visitor: Visitor, category: str, count: int) -> list[str]:
        """The items that the stated taste puts first."""
        ids = self.items(category)
        order = np.argsort(-self._utilities(visitor, category), kind="stable")
        return [ids[place] for place in order[:count]]

    def liked_over(self, visitor: Visitor, category: str, picture: Image.Image) -> float:
        """The share of a category's items that the stated taste puts below this picture, 0 to 1."""
        mine = float(utility(as_seen(picture)[None], visitor.taste)[0])
        return float((self._utilities(visitor, category) < mine - ROUNDING).mean())

    def sitters(self, count: int) -> list[Sitter]:
        """The first persons of the test pairs."""
        pairs = self.folder / "pairs"
        with (pairs / "test_truth.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))[:count]
        return [
            Sitter(
                name=Path(row["person"]).stem,
                person=pairs / "test" / "image" / row["person"],
                worn=pairs / "test" / "cloth" / row["worn"],
                wanted=pairs / "test" / "cloth" / row["wanted"],
                truth=pairs / "test" / "truth" / row["truth"],
            )
            for row in rows
        ]

    def _utilities(self, visitor: Visitor, category: str) -> np.ndarray:
        pictures = torch.stack(list(self._pictures(category).values()))
        return utility(pictures, visitor.taste).numpy()

    def _pictures(self, category: str) -> dict[str, torch.Tensor]:
        if category not in self._seen:
            with (self.folder / "items.csv").open(newline="") as file:
                rows = [row for row in csv.DictReader(file) if row["category"] == category]
            self._seen[category] = {
                row["item_id"]: as_seen(decode((self.folder / row["image"]).read_bytes())) for row in rows
            }
        return self._seen[category]


def as_seen(picture: Image.Image) -> torch.Tensor:
    """A picture as tastes look at it: [3, SIDE, SIDE] in [-1, 1]."""
    return normalise(to_pixels(letterbox(picture.convert("RGB"), height=SIDE, width=SIDE)))


def varied(everybody: Sequence[Visitor], count: int) -> list[Visitor]:
    """`count` of them, the kinds of categories in turn, favourites repeated only when all have had their turn."""
    chosen: list[Visitor] = []
    kinds = sorted({each.categories for each in everybody}, reverse=True)
    while len(chosen) < min(count, len(everybody)):
        left = [each for each in everybody if each not in chosen]
        kind = kinds[len(chosen) % len(kinds)]
        taken = {each.favourite for each in chosen}
        chosen.append(min(left, key=lambda each: (each.categories != kind, each.favourite in taken)))
    return chosen


def in_words(taste: dict[str, float]) -> str:
    """A taste in words: `likes teal and grey, avoids red; light, plain`."""
    strongest = max(abs(weight) for weight in taste.values()) or 1.0
    notable = {name: weight for name, weight in taste.items() if abs(weight) >= NOTABLE * strongest}
    by_weight = sorted(notable, key=lambda name: -abs(notable[name]))
    liked = [name for name in by_weight if name in COLOURS and notable[name] > 0]
    avoided = [name for name in by_weight if name in COLOURS and notable[name] < 0]
    manners = {
        "lightness": ("pale", "deep"),
        "chroma": ("vivid", "muted"),
        "pattern": ("patterned", "plain"),
    }
    manner = [manners[name][notable[name] < 0] for name in by_weight if name in manners]
    parts = [f"likes {together(liked)}"] * bool(liked) + [f"avoids {together(avoided)}"] * bool(avoided)
    return "; ".join(filter(None, [", ".join(parts), ", ".join(manner)]))


def together(words: Sequence[str]) -> str:
    """`teal, grey and red`."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
