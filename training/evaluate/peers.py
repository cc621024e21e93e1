"""Other people's recommenders, fitted to the same split: what ours has to beat.

Each peer is fitted with every setting of a small grid, and keeps the one whose AUC on the validation items is best,
so that the test items decide nothing. All are trained on the training items alone, as ours is.

    bpr-mf   Rendle et al., UAI 2009: no pictures; `implicit`
    vbpr     He & McAuley, AAAI 2016: factors and given visual features (`descriptor`); `cornac`
"""

import contextlib
import importlib
import io
import itertools
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fashion_nn.datasets.split import Split
from fashion_nn.metrics.ranking import Scores, auc, scores_by_taste
from training.errors import TrainingError

BPR_MF_GRID = {"learning_rate": (0.03, 0.1), "regularization": (0.03, 0.1, 0.2, 0.4), "iterations": (100, 600, 1500)}
VBPR_GRID = {"learning_rate": (0.001, 0.005, 0.02), "lambda_w": (1.0, 30.0, 300.0), "n_epochs": (10, 40)}
VBPR_BATCH = 256  # triplets


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """The best setting of a peer."""

    scores: Scores
    chosen: dict[str, float]
    validation_auc: float
    tried: int  # settings
    seconds: float  # for all of them

    def told(self) -> dict[str, Any]:
        """All but the scores."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name != "scores"}


def best_of(
    grid: Mapping[str, tuple[float, ...]], fit: Callable[..., Scores], split: Split, say: Callable[[str], object]
) -> Choice:
    """The setting of the grid with the highest AUC on the validation items. `say` is told of each."""
    began, found = time.perf_counter(), []
    for values in itertools.product(*grid.values()):
        settings = dict(zip(grid, values, strict=True))
        scores = fit(**settings)
        reached = auc(scores, split, which="validation").value
        say(f"{settings}: AUC {reached:.4f} on the validation items")
        found.append((reached, settings, scores))
    reached, settings, scores = max(found, key=lambda each: each[0])
    seconds = time.perf_counter() - began
    return Choice(scores=scores, chosen=settings, validation_auc=reached, tried=len(found), seconds=seconds)


def bpr_mf(split: Split, n_items: int, *, factors: int, seed: int, **settings: float) -> Scores:
    """Matrix factorisation with item biases, by BPR; one thread, so that a seed says it all."""
    users, items = pairs(split)
    shape, once = (len(split.train), n_items), np.ones(len(users), np.float32)
    bought = needed("scipy.sparse").csr_matrix((once, (users, items)), shape=shape)
    with needed("threadpoolctl").threadpool_limits(1, "blas"):
        model = needed("implicit.cpu.bpr").BayesianPersonalizedRanking(
            factors=factors, random_state=seed, num_threads=1, **settings
        )
        model.fit(bought, show_progress=False)
    return scores_by_taste(torch.from_numpy(model.user_factors), torch.from_numpy(model.item_factors))


def vbpr(split: Split, features: Tensor, *, factors: int, seed: int, **settings: float) -> Scores:
    """Factors and visual factors of length `factors`, with both biases; features [n_items, F].

    The loss of cornac 3.0 adds the visual bias [B, 1] to the rest [B], which sets every triplet's bias against every
    other triplet of the batch: the sum has B terms for each, so penalties weigh B times less than they say. Its grid
    of penalties allows for that; with the loss mended, AUC on photographs rose by about 0.002.
    """
    model = needed("cornac.models").VBPR(
        k=factors, k2=factors, batch_size=VBPR_BATCH, use_gpu=False, verbose=False, seed=seed, **settings
    )
    with contextlib.redirect_stdout(io.StringIO()):
        model.fit(as_cornac(split, features, seed))
    vectors = model.get_user_vectors(), model.get_item_vectors()
    return scores_by_taste(*(torch.from_numpy(each).float() for each in vectors))


def as_cornac(split: Split, features: Tensor, seed: int) -> Any:
    """A cornac data set of the training items in which every item is known, the never bought ones too.

    Its negatives are drawn a batch at once, by the rule of cornac's own: uniform over what the shopper has not bought.
    """
    users, items = pairs(split)
    everybody, everything = (OrderedDict((at, at) for at in range(n)) for n in (len(split.train), len(features)))
    data = needed("cornac.data").Dataset(
        len(everybody), len(everything), everybody, everything, (users, items, np.ones(len(users), np.float32))
    )
    data.add_modalities(item_image=needed("cornac.data").ImageModality(features=features.numpy()))
    data.uij_iter = partial(triplets, users, items, len(features), np.random.default_rng(seed))
    return data


def triplets(
    users: NDArray[np.int64],
    items: NDArray[np.int64],
    n_items: int,
    random: np.random.Generator,
    batch_size: int,
    shuffle: bool = True,
) -> Iterator[tuple[NDArray[np.int64], ...]]:
    """One epoch of (user, bought, not bought), each [batch]: every purchase once, in batches."""
    bought = np.sort(users * n_items + items)
    order = random.permutation(len(users)) if shuffle else np.arange(len(users))
    for rows in np.split(order, range(batch_size, len(order), batch_size)):
        negative = random.integers(n_items, size=len(rows))
        while (wrong := is_among(users[rows] * n_items + negative, bought)).any():
            negative[wrong] = random.integers(n_items, size=int(wrong.sum()))
        yield users[rows], items[rows], negative


def is_among(values: NDArray[np.int64], ascending: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of the values are in the other ones."""
    return ascending[np.searchsorted(ascending, values).clip(max=len(ascending) - 1)] == values


def pairs(split: Split) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(user, item) of everything in training."""
    users = np.repeat(np.arange(len(split.train)), [len(items) for items in split.train])
    return users, np.concatenate(split.train)


def needed(name: str) -> ModuleType:
    """A module of the extra `peers`. Raises TrainingError that names it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise TrainingError(f"peers need {package}: pip install -e '.[peers]' ({error})") from error
