"""How well scores rank what users went for: AUC over all items that they did not (Kang et al. 2017)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
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


def scores_by_taste(taste: torch.Tensor, looks: torch.Tensor) -> Scores:
    """Preference scores of taste [U, K] for looks [I, K], on their device."""
    return lambda users: taste.detach()[torch.as_tensor(users, device=taste.device)] @ looks.detach().T


def scores_by_popularity(split: Split, n_items: int) -> Scores:
    """The baseline: an item's number of training interactions, the same for every user."""
    popularity = torch.from_numpy(split.training_counts(n_items)).to(torch.float64)
    return lambda users: popularity.expand(len(users), -1)


def auc(scores: Scores, split: Split, *, which: Part = "test", cold: bool = False, chunk: int = 256) -> Auc:
    """Exact AUC: for each user, the share of unobserved items scored below the held-out one; ties count half.

    Unobserved are all items but the user's own in train, validation and test. Users without a held-out item
    in `which`, or without an unobserved one, are left out; `cold=True` keeps only those whose held-out item
    is cold. `chunk` users are scored at a time: memory is chunk x items.
    Raises ValueError where a score is not finite or not one for every item comes.
    """
    held_out = _held_out(split, which)
    users = np.flatnonzero(held_out >= 0)
    if cold and len(users):
        counts = split.training_counts(int(held_out.max()) + 1)
        users = users[counts[held_out[users]] < COLD_BELOW]
    parts = [
        _auc_of_users(scores, split, part, held_out[part])
        for part in np.split(users, range(chunk, len(users), chunk))
        if len(part)
    ]
    values = np.concatenate(parts) if parts else np.empty(0)
    values = values[~np.isnan(values)]
    return Auc(float(values.mean()) if len(values) else math.nan, len(values))


def _held_out(split: Split, which: Part) -> np.ndarray:
    if which not in ("test", "validation"):
        raise ValueError(f"which {which!r} is neither 'test' nor 'validation'")
    return split.test if which == "test" else split.validation


def _auc_of_users(scores: Scores, split: Split, users: np.ndarray, held_out: np.ndarray) -> np.ndarray:
    """float64 [u]; nan where a user has no unobserved item."""
    table = scores(users)
    n_items = table.shape[1]
    if len(table) != len(users) or n_items <= max(split.validation.max(), split.test.max()):
        raise ValueError(f"scores of shape {tuple(table.shape)} do not cover {len(users)} users and all items")
    if not all(torch.isfinite(extreme) for extreme in torch.aminmax(table)):
        raise ValueError("a score is not finite")
    own_rows, own_items = _own_items(split, users)
    wanted = table.gather(1, torch.as_tensor(held_out, device=table.device)[:, None])
    wins = _counts(table < wanted) + _counts(table == wanted) / 2
    own = table[own_rows, own_items]
    own_wanted = wanted[own_rows, 0]
    own_wins = ((own < own_wanted).double() + (own == own_wanted).double() / 2).cpu().numpy()
    wins -= np.bincount(own_rows, weights=own_wins, minlength=len(users))
    unobserved = n_items - np.bincount(own_rows, minlength=len(users))
    return np.divide(wins, unobserved, out=np.full(len(users), np.nan), where=unobserved > 0)


def _counts(marks: torch.Tensor) -> np.ndarray:
    """How many are true in each row: bool [u, I] -> [u]."""
    if marks.is_cuda:
        return marks.sum(1).cpu().numpy()
    return np.count_nonzero(marks.numpy(), axis=1)  # three times as fast as a sum on a CPU


def _own_items(split: Split, users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(row in `users`, item) of everything these users have, in train, validation or test."""
    owned = [
        np.unique(np.concatenate([split.train[user], [split.validation[user], split.test[user]]])) for user in users
    ]
    rows = np.repeat(np.arange(len(users)), [len(items) for items in owned])
    items = np.concatenate(owned)
    return rows[items >= 0], items[items >= 0]
