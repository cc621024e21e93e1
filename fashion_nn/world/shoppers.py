"""Shoppers with a stated taste, and what they buy.

A shopper buys men's or women's things in a personal mix of tops, bottoms and shoes. Within that, items are
taken without replacement in proportion to exp(utility + popularity): what a shopper likes the looks of, a
little fashion, and chance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fashion_nn.world.specs import CATEGORIES
from fashion_nn.world.tastes import COLOURS, FEATURES

EAGERNESS = 2.0  # standard deviation of a shopper's utility over the items of the world
POPULARITY = 0.2  # standard deviation of an item's log-popularity


@dataclass(frozen=True, kw_only=True, slots=True)
class Shopper:
    user_id: str
    taste: dict[str, float]  # a weight for each of FEATURES
    mix: dict[str, float]  # category -> share of what the shopper buys; adds up to 1

    @property
    def weights(self) -> np.ndarray:
        """The taste as an array [len(FEATURES)]."""
        return np.array([self.taste[name] for name in FEATURES])


def sample_shopper(rng: np.random.Generator, user_id: str, items: np.ndarray) -> Shopper:
    """Somebody who likes two or three colours and minds lightness and pattern.

    items: [n, len(FEATURES)], the looks of the world's items; weights are scaled so that the utility of
    these has the standard deviation EAGERNESS.
    """
    weights = dict.fromkeys(FEATURES, 0.0)
    common = items[:, : len(COLOURS)].mean(axis=0).astype(np.float64)
    likely = common / common.sum()  # so that no colour is in short supply, and popularity says little
    for share in (1.0, 0.8, 0.5, -0.8)[int(rng.integers(2)) :]:
        weights[COLOURS[rng.choice(len(COLOURS), p=likely)]] += share
    weights["lightness"] = float(rng.normal(0, 0.8))
    weights["chroma"] = float(rng.normal(0, 0.5))
    weights["pattern"] = float(rng.normal(0, 0.7))
    values = np.array([weights[name] for name in FEATURES])
    spread = float((items @ values).std())
    values *= EAGERNESS / max(spread, 1e-6)
    taste = {name: round(float(value), 4) for name, value in zip(FEATURES, values, strict=True)}
    return Shopper(user_id=user_id, taste=taste, mix=_mix(rng))


def _mix(rng: np.random.Generator) -> dict[str, float]:
    figure = ("men", "women")[rng.integers(2)]
    shares = rng.dirichlet((3.0, 3.0, 3.0))
    own = {f"{figure}-{part}": float(share) for part, share in zip(("tops", "bottoms", "shoes"), shares, strict=True)}
    return {category: round(own.get(category, 0.0), 4) for category in CATEGORIES}


def preference(shopper: Shopper, items: np.ndarray, categories: np.ndarray) -> np.ndarray:
    """The true preference for each item, [n], -inf for what the shopper never buys.

    items: [n, len(FEATURES)] looks; categories: [n] index into CATEGORIES.
    """
    shares = np.array([shopper.mix[name] for name in CATEGORIES])
    with np.errstate(divide="ignore"):
        return items @ shopper.weights + np.log(shares)[categories]


def sample_popularity(rng: np.random.Generator, n_items: int) -> np.ndarray:
    """Log-popularity of each item."""
    return rng.normal(0, POPULARITY, n_items)


def sample_purchases(rng: np.random.Generator, liking: np.ndarray, count: int) -> np.ndarray:
    """`count` different items in the order bought, drawn in proportion to exp(liking) [n] (Gumbel's way)."""
    wanted = liking + rng.gumbel(size=len(liking))
    order = np.argsort(-wanted, kind="stable")
    taken = order[: min(count, int(np.isfinite(liking).sum()))]
    return rng.permutation(taken)
