"""How well scores rank what users went for, against all items that they did not (Kang et al., ICDM 2017)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
import torch

from fashion_nn.datasets.split import Split

COLD_BELOW = 5  # an item with fewer training interactions is cold (Kang et al. 2017, section V)

Part = Literal["test", "validation"]
Scores = Callable[[np.ndarray], torch.Tensor]  # users int64 [u] -> scores [u, I]


@dataclass(frozen=True, slots=True)
class Auc:
    """The mean over `users` users; `value` is nan where there is none."""

    value: float
    users: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Standings:
    """Where each user's held-out item stands among the items that the user has not; one row a user, all int64 [u].

    These others are all items but the user's own in train, validation and test.
    """

    users: np.ndarray
    items: np.ndarray  # held out
    above: np.ndarray  # others with a higher score
    equal: np.ndarray  # others with the same score
    below: np.ndarray  # others with a lower score

    def __len__(self) -> int:
        return len(self.users)

    def of(self, kept: np.ndarray) -> Standings:
        """The rows where `kept` [u] is true."""
        return Standings(**{field.name: getattr(self, field.name)[kept] for field in fields(self)})

    def cold(self, split: Split) -> Standings:
        """The rows whose held-out item has fewer than COLD_BELOW training interactions."""
        return self.of(_is_cold(self.items, split))

    def auc(self) -> np.ndarray:
        """float64 [u]: the share of the others below the held-out item; ties count half."""
        return (self.below + self.equal / 2) / (self.above + self.equal + self.below)

    def recall(self, depth: int) -> np.ndarray:
        """float64 [u]: whether the held-out item is among the first `depth`; its expectation where scores tie."""
        return self._among_first(np.ones(depth))

    def ndcg(self, depth: int) -> np.ndarray:
        """float64 [u]: 1 / log2(1 + place) of the held-out item within the first `depth`, else 0; likewise."""
        return self._among_first(1 / np.log2(np.arange(2, depth + 2)))

    def _among_first(self, gains: np.ndarray) -> np.ndarray:
        """The mean gain of the held-out item over the places that its ties leave open; gains [depth], 0 beyond."""
        summed = np.concatenate([[0.0], np.cumsum(gains)])
        first, last = (np.minimum(place, len(gains)) for place in (self.above, self.above + self.equal + 1))
        return (summed[last] - summed[first]) / (self.equal + 1)


def scores_by_taste(taste: torch.Tensor, looks: torch.Tensor) -> Scores:
    """Preference scores of taste [U, K] for looks [I, K], on their device."""
    return lambda users: taste.detach()[torch.as_tensor(users, device=taste.device)] @ looks.detach().T


def scores_by_popularity(split: Split, n_items: int) -> Scores:
    """The baseline: an item's number of training interactions, the same for every user."""
    popularity = torch.from_numpy(split.training_counts(n_items)).to(torch.float64)
    return lambda users: popularity.expand(len(users), -1)


def scores_by_chance(seed: int, n_items: int) -> Scores:
    """Uniform noise, a pure function of the seed and of the user."""
    return lambda users: torch.from_numpy(
        np.stack([np.random.default_rng([seed, int(user)]).random(n_items) for user in users])
    )


def auc(scores: Scores, split: Split, *, which: Part = "test", cold: bool = False, chunk: int = 256) -> Auc:
    """Exact AUC: for each user, the share of unobserved items scored below the held-out one; ties count half.

    Users without a held-out item in `which`, or without an unobserved one, are left out; `cold=True` keeps only
    those whose held-out item is cold. Raises ValueError as `standings` does.
    """
    values = standings(scores, split, which=which, cold=cold, chunk=chunk).auc()
    return Auc(float(values.mean()) if len(values) else math.nan, len(values))


def standings(
    scores: Scores,
    split: Split,
    *,
    which: Part = "test",
    cold: bool = False,
    users: np.ndarray | None = None,
    chunk: int = 256,
) -> Standings:
    """Where the held-out items of `which` stand, of all users or of those asked for.

    Users without a held-out item, or without another one that they have not, are left out; `cold=True` keeps only
    those whose held-out item is cold. `chunk` users are scored at a time: memory is chunk x items.
    Raises ValueError where a score is not finite or not one for every item comes.
    """
    held_out = _held_out(split, which)
    users = np.flatnonzero(held_out >= 0) if users is None else users[held_out[users] >= 0]
    if cold:
        users = users[_is_cold(held_out[users], split)]
    cuts = range(0, len(users), chunk)
    parts = [_standings_of_users(scores, split, users[cut : cut + chunk], held_out) for cut in cuts]
    above, equal, below = np.concatenate([np.empty((3, 0), np.int64), *parts], axis=1)
    found = Standings(users=users, items=held_out[users], above=above, equal=equal, below=below)
    return found.of(above + equal + below > 0)


def _held_out(split: Split, which: Part) -> np.ndarray:
    if which not in ("test", "validation"):
        raise ValueError(f"which {which!r} is neither 'test' nor 'validation'")
    return split.test if which == "test" else split.validation


def _is_cold(items: np.ndarray, split: Split) -> np.ndarray:
    return split.training_counts(int(items.max(initial=-1)) + 1)[items] < COLD_BELOW


def _standings_of_users(scores: Scores, split: Split, users: np.ndarray, held_out: np.ndarray) -> np.ndarray:
    """int64 [3, u]: how many of the others are above, equal and below."""
    table = scores(users)
    n_items = table.shape[1]
    if len(table) != len(users) or n_items <= max(split.validation.max(), split.test.max()):
        raise ValueError(f"scores of shape {tuple(table.shape)} do not cover {len(users)} users and all items")
    if not all(torch.isfinite(extreme) for extreme in torch.aminmax(table)):
        raise ValueError("a score is not finite")
    own_rows, own_items = _own_items(split, users)
    wanted = table.gather(1, torch.as_tensor(held_out[users], device=table.device)[:, None])
    own, own_wanted = table[own_rows, own_items], wanted[own_rows, 0]
    equal = _counts(table == wanted) - _sums(own == own_wanted, own_rows, len(users))
    below = _counts(table < wanted) - _sums(own < own_wanted, own_rows, len(users))
    others = n_items - np.bincount(own_rows, minlength=len(users))
    return np.stack([others - equal - below, equal, below])


def _counts(marks: torch.Tensor) -> np.ndarray:
    """How many are true in each row: bool [u, I] -> int64 [u]."""
    if marks.is_cuda:
        return marks.sum(1).cpu().numpy()
    return np.count_nonzero(marks.numpy(), axis=1)  # three times as fast as a sum on a CPU


def _sums(marks: torch.Tensor, rows: np.ndarray, n_rows: int) -> np.ndarray:
    """How many of the marks [m] in `rows` [m] are true: int64 [n_rows]."""
    return np.bincount(rows[marks.cpu().numpy()], minlength=n_rows)


def _own_items(split: Split, users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(row in `users`, item) of everything these users have, in train, validation or test."""
    owned = [
        np.unique(np.concatenate([split.train[user], [split.validation[user], split.test[user]]])) for user in users
    ]
    rows = np.repeat(np.arange(len(users)), [len(items) for items in owned])
    items = np.concatenate(owned)
    return rows[items >= 0], items[items >= 0]
