"""Leave one out: of every user's items, one for validation and one for test (Kang et al. 2017, section V)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fashion_nn.datasets.catalogue import Catalogue

Order = Literal["random", "last"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Split:
    """Every user's distinct items, each in exactly one of three places."""

    train: list[np.ndarray]  # per user: int64 item indices, ascending
    validation: np.ndarray  # int64 [U], -1 where the user has none
    test: np.ndarray  # int64 [U], -1 where the user has none

    def training_counts(self, n_items: int) -> np.ndarray:
        """int64 [n_items]: how many users have the item in training (its popularity)."""
        bought = np.concatenate(self.train) if self.train else np.empty(0, np.int64)
        return np.bincount(bought, minlength=n_items)


def leave_one_out(catalogue: Catalogue, *, seed: int, order: Order = "random") -> Split:
    """One item of every user for test and another for validation; the others train.

    "random" draws the two from `seed`; "last" takes the last bought for test and the one before it for
    validation (an item bought twice counts as bought the later time; the file's order decides ties).
    Users with fewer than three distinct items stay in training.
    """
    if order not in ("random", "last"):
        raise ValueError(f"order {order!r} is neither 'random' nor 'last'")
    n_users = len(catalogue.user_ids)
    users, items, recency = _distinct(catalogue)
    rank = recency if order == "last" else np.random.default_rng(seed).permutation(len(users))
    by_rank = np.lexsort((rank, users))
    users, items = users[by_rank], items[by_rank]
    counts = np.bincount(users, minlength=n_users)
    ends = np.cumsum(counts)
    held_out = counts >= 3
    test, validation = np.full(n_users, -1), np.full(n_users, -1)
    test[held_out] = items[ends[held_out] - 1]
    validation[held_out] = items[ends[held_out] - 2]
    starts, stops = ends - counts, ends - 2 * held_out
    train = [np.sort(items[start:stop]) for start, stop in zip(starts, stops, strict=True)]
    return Split(train=train, validation=validation, test=test)


def _distinct(catalogue: Catalogue) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """users, items and recency (larger is later, all different) of every distinct (user, item), sorted."""
    m = len(catalogue.interactions)
    recency = np.empty(m, np.int64)
    recency[np.argsort(catalogue.timestamps, kind="stable")] = np.arange(m)
    users, items = catalogue.interactions.T
    order = np.lexsort((recency, items, users))
    users, items, recency = users[order], items[order], recency[order]
    latest = np.ones(m, bool)
    latest[:-1] = (users[1:] != users[:-1]) | (items[1:] != items[:-1])
    return users[latest], items[latest], recency[latest]


def drop_items(catalogue: Catalogue, split: Split, items: Sequence[int] | np.ndarray) -> tuple[Catalogue, Split]:
    """Catalogue and split as if `items` had not been listed; users left without any interaction go too."""
    kept_items = np.setdiff1d(np.arange(len(catalogue)), np.asarray(items, dtype=np.int64))
    places = np.full(len(catalogue) + 1, -1)  # the last one for "none", which is -1
    places[kept_items] = np.arange(len(kept_items))
    remaining = catalogue.interactions[places[catalogue.interactions[:, 1]] >= 0]
    kept_users = np.unique(remaining[:, 0])
    moved = [places[split.train[user]] for user in kept_users]
    return catalogue.without(items), Split(
        train=[own[own >= 0] for own in moved],
        validation=places[split.validation[kept_users]],
        test=places[split.test[kept_users]],
    )
