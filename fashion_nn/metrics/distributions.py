"""How near a set of generated pictures is to a set of real ones, as sets of features.

Plain functions on feature arrays float [N, d] of whatever network one has: a figure means something only beside another
one of the same features, never beside those that the papers print, which are Inception's.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.floating]


class Distance(NamedTuple):
    """Mean over subsets, and the standard error of that mean."""

    mean: float
    error: float


class Manifold(NamedTuple):
    """precision: share of generated pictures among the real ones; recall: share of real ones among the generated."""

    precision: float
    recall: float


def kid(real: Features, generated: Features, *, seed: int, subsets: int = 100, size: int = 100) -> Distance:
    """Kernel Inception distance (Binkowski et al., ICLR 2018), of features of our own: 0 in the mean for equal sets.

    The unbiased squared MMD under (x·y/d + 1)³, over `subsets` pairs of `size` features each, drawn from `seed`
    without replacement; `size` is at most half of the smaller set, so that they differ.
    """
    random = np.random.default_rng(seed)
    size = max(2, min(size, len(real) // 2, len(generated) // 2))
    found = np.array(
        [
            squared_mmd(
                real[random.permutation(len(real))[:size]], generated[random.permutation(len(generated))[:size]]
            )
            for _ in range(subsets)
        ]
    )
    return Distance(float(found.mean()), float(found.std() / np.sqrt(subsets)))


def squared_mmd(first: Features, second: Features) -> float:
    """The unbiased estimate of MMD² under (x·y/d + 1)³, from at least two features of each set; may be below 0."""
    n, m = len(first), len(second)
    if min(n, m) < 2:
        raise ValueError(f"{n} and {m} features: at least two of each set are needed")
    within_first, within_second = _kernel(first, first), _kernel(second, second)
    between = _kernel(first, second).mean()
    same_first = (within_first.sum() - np.trace(within_first)) / (n * (n - 1))
    same_second = (within_second.sum() - np.trace(within_second)) / (m * (m - 1))
    return float(same_first + same_second - 2 * between)


def frechet(real: Features, generated: Features) -> float:
    """Fréchet distance of the normal distributions with the sets' means and covariances (Heusel et al., NeurIPS 2017).

    Biased upwards, the more the fewer features: compare sets of equal sizes, at least two features each.
    """
    for name, features in (("real", real), ("generated", generated)):
        if len(features) < 2:
            raise ValueError(f"{name} has {len(features)} features, but must have at least two")
    (mean1, cov1), (mean2, cov2) = (
        (each.mean(0, dtype=np.float64), np.atleast_2d(np.cov(each.astype(np.float64), rowvar=False)))
        for each in (real, generated)
    )
    roots = np.sqrt(np.maximum(np.linalg.eigvals(cov1 @ cov2).real, 0))
    return float(((mean1 - mean2) ** 2).sum() + np.trace(cov1) + np.trace(cov2) - 2 * roots.sum())


def precision_recall(real: Features, generated: Features, *, neighbours: int = 3) -> Manifold:
    """Improved precision and recall (Kynkäänniemi et al., NeurIPS 2019).

    A picture is among a set when it lies in the ball around one of its members that reaches to that member's
    `neighbours`-th nearest. Both figures grow with the size of the sets: compare sets of equal sizes.
    """
    for name, features in (("real", real), ("generated", generated)):
        if len(features) <= neighbours:
            raise ValueError(f"{name} has {len(features)} features, but must have more than {neighbours}")
    return Manifold(_covered(generated, real, neighbours), _covered(real, generated, neighbours))


def _kernel(first: Features, second: Features) -> Features:
    first, second = first.astype(np.float64), second.astype(np.float64)
    return (first @ second.T / first.shape[1] + 1) ** 3


def _covered(features: Features, members: Features, neighbours: int) -> float:
    """The share of `features` inside of a ball around one of `members`."""
    reach = np.sort(_squared_distances(members, members), axis=1)[:, neighbours]  # the nearest one is the member itself
    return float((_squared_distances(features, members) <= reach).any(axis=1).mean())


def _squared_distances(first: Features, second: Features) -> Features:
    first, second = first.astype(np.float64), second.astype(np.float64)
    norms = (first**2).sum(1)[:, None] + (second**2).sum(1)
    return np.maximum(norms - 2 * first @ second.T, 0)
