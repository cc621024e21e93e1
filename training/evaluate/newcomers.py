"""Shoppers as if they were new: how good a folded taste is by how many likes were told, beside the trained one.

They are new to the tastes alone: Φ was trained on their training items too, so that somebody truly new may fare worse.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from fashion_nn.datasets.split import Split
from fashion_nn.dvbpr.fold_in import OTHERS, Usual, fold_in_among
from fashion_nn.metrics.ranking import scores_by_taste, standings
from training.evaluate.figures import Mean

TOLD = (1, 2, 3, 5, 10, None)  # likes; None: everything in training

Floats = NDArray[np.float32]
Whole = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """Some shoppers who each told at most `likes` of their training items."""

    likes: int | None  # None: all
    mean_likes: float  # that they had
    auc: Mean  # of their test items
    milliseconds: float  # of a fold-in, median


def newcomers(looks: Floats, split: Split, users: Whole, usual: Usual, *, seed: int) -> list[Told]:
    """Every number of TOLD for the same `users`, who have a test item and something in training; looks [n, K].

    What a shopper tells is drawn from `seed`; who tells more has told the same before.
    """
    orders = [np.random.default_rng([seed, int(user)]).permutation(split.train[user]) for user in users]
    return [told(looks, split, users, [order[:likes] for order in orders], likes, usual, seed) for likes in TOLD]


def told(
    looks: Floats, split: Split, users: Whole, liked: Sequence[Whole], likes: int | None, usual: Usual, seed: int
) -> Told:
    """These users with these liked items each."""
    tastes = np.zeros((len(split.train), looks.shape[1]), np.float32)
    tastes[users], seconds = folded(looks, liked, usual, seed=seed)
    stand = standings(scores_by_taste(torch.from_numpy(tastes), torch.from_numpy(looks)), split, users=users)
    return Told(
        likes=likes,
        mean_likes=float(np.mean([len(items) for items in liked])),
        auc=Mean.of(stand.auc()),
        milliseconds=1000 * float(np.median(seconds)),
    )


def folded(looks: Floats, liked: Sequence[Whole], usual: Usual, *, seed: int) -> tuple[Floats, list[float]]:
    """The tastes [m, K] of m shoppers by what each likes, and the seconds that each took; no likes, none."""
    others = np.random.default_rng(seed).permutation(len(looks))[:OTHERS]
    tastes, seconds = np.zeros((len(liked), looks.shape[1]), np.float32), []
    for row, items in enumerate(liked):
        rest = np.setdiff1d(others, items)
        if len(items) and len(rest):
            began = time.perf_counter()
            tastes[row] = fold_in_among(looks[items], looks[rest], usual)
            seconds.append(time.perf_counter() - began)
    return tastes, seconds


def some(split: Split, count: int, seed: int) -> Whole:
    """`count` users, in order, of those with a test item and something in training; all where there are fewer."""
    known = np.array([len(items) > 0 for items in split.train]) & (split.test >= 0)
    return np.sort(np.random.default_rng(seed).permutation(np.flatnonzero(known))[:count])
