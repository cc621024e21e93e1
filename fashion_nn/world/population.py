"""Who and what lives in the world of a configuration: each item, pair and shopper from its own seeded stream.

Nothing depends on what was asked for before: a world may be drawn in any order, by any number of processes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fashion_nn.world.config import WorldConfig
from fashion_nn.world.persons import Person, sample_person
from fashion_nn.world.shoppers import (
    Shopper,
    preference,
    sample_popularity,
    sample_purchases,
    sample_shopper,
)
from fashion_nn.world.specs import CATEGORIES, GarmentSpec, sample_garment

STREAMS = {"item": 0, "shopper": 1, "market": 2, "train": 3, "test": 4, "train-worn": 5, "test-worn": 6}
FIRST_DAY, DAYS = 1_600_000_000, 365  # of the purchases: seconds since 1970, and how many days they span


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """A person, the top they wear, and the top they are to be painted with."""

    name: str
    person: Person
    worn: GarmentSpec
    worn_name: str  # the pair in which its wearer is met first, as below
    wanted: GarmentSpec
    wanted_name: str
    before: str | None  # the pair of this person in which what is worn here is wanted, if there is one


def _rng(config: WorldConfig, stream: str, index: int = 0) -> np.random.Generator:
    return np.random.default_rng([config.seed, STREAMS[stream], index])


def item_id(index: int) -> str:
    return f"i{index:06d}"


def item_category(index: int | np.ndarray) -> int | np.ndarray:
    """Index into CATEGORIES: items run through them in turn."""
    return index % len(CATEGORIES)


def item_spec(config: WorldConfig, index: int) -> GarmentSpec:
    return sample_garment(_rng(config, "item", index), CATEGORIES[item_category(index)])


def pair(config: WorldConfig, part: str, index: int) -> Pair:
    """Pair `index` of "train" or "test".

    Wanted is the garment of the next person of the same figure; by a person with several pairs, what they wear in the
    next one of these: their own garment, that of the next person, and so on.
    """
    each = config.pairs_per_person if part == "train" else 1
    number, turn = divmod(index, each)
    following, persons = (turn + 1) % each if each > 1 else 1, config.pairs(part) // each
    worn, wanted = (_further(number, steps, persons) for steps in (turn, following))
    return Pair(
        name=_pair_name(part, index),
        person=sample_person(_rng(config, part, number), _figure(number), full_length=config.full_length),
        worn=_worn(config, part, worn),
        worn_name=_pair_name(part, each * worn),
        wanted=_worn(config, part, wanted),
        wanted_name=_pair_name(part, each * wanted),
        before=_pair_name(part, index - turn + (turn - 1) % each) if each > 1 else None,
    )


def _further(person: int, steps: int, persons: int) -> int:
    """The person so many steps further among those of the same figure, round and round."""
    alike = range(person % 2, persons, 2)
    return alike[(person // 2 + steps) % len(alike)]


def _pair_name(part: str, index: int) -> str:
    return f"{part}{index:05d}"


def _figure(person: int) -> str:
    return ("women", "men")[person % 2]


def _worn(config: WorldConfig, part: str, person: int) -> GarmentSpec:
    return sample_garment(_rng(config, f"{part}-worn", person), f"{_figure(person)}-tops")


def people(config: WorldConfig, looks: np.ndarray) -> tuple[list[Shopper], list[tuple[str, str, int]]]:
    """The shoppers, and their purchases as (user id, item id, seconds), in order of shopper and time.

    looks: [n items, len(FEATURES)], what a taste sees of each item.
    """
    categories = item_category(np.arange(len(looks)))
    popularity = sample_popularity(_rng(config, "market"), len(looks))
    shoppers, purchases = [], []
    for k in range(config.shoppers):
        rng = _rng(config, "shopper", k)
        shopper = sample_shopper(rng, f"u{k:06d}", looks)
        count = max(5, int(rng.poisson(config.interactions_per_shopper)))
        bought = sample_purchases(rng, preference(shopper, looks, categories) + popularity, count)
        times = FIRST_DAY + np.sort(rng.integers(0, DAYS * 86_400, len(bought)))
        shoppers.append(shopper)
        purchases += [(shopper.user_id, item_id(int(i)), int(t)) for i, t in zip(bought, times, strict=True)]
    return shoppers, purchases
