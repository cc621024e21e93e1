"""How tastes are spread among shoppers, and every shopper's taste under that: empirical Bayes with item vectors fixed.

Steps of stochastic gradients fit a shopper's taste to a dozen purchases as if nothing were known of it. But tastes are
of a kind: θ ~ N(mean, covariance), and both can be told from what all have bought, by expectation maximisation
(Dempster et al., 1977). Each taste is fitted under the prior as it is believed to be (`fold_in`), with the curvature
there as what stays unknown of it (Laplace's approximation); mean and covariance of the tastes, with what is unknown
of each, are the next prior. The covariance of fitted tastes alone would be too small: each is drawn to the mean.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fashion_nn.dvbpr.fold_in import OTHERS, Usual, derivatives, fold_in_among

ROUNDS = 3
ASKED = 512  # shoppers, at most, by whom the spread is told
FEWER = 512  # vectors that their liked ones are set against, in a round

Floats, Array, Whole = NDArray[np.float32], NDArray[np.float64], NDArray[np.int64]


def spread(vectors: Floats, bought: Sequence[Whole], *, seed: int = 0) -> Usual:
    """How the tastes of shoppers who have bought these items of vectors [n, L] are spread.

    It begins with tastes for which every part of a vector counts the same, and more than it will in the end: a spread
    that is too narrow would take many more rounds to widen than one that is too wide to narrow.
    Raises ValueError where fewer than two have bought something, and not everything, or a vector is not finite.
    """
    random = np.random.default_rng(seed)
    able = [row for row, items in enumerate(bought) if 0 < len(np.unique(items)) < len(vectors)]
    if len(able) < 2:
        raise ValueError(f"{len(able)} shoppers have bought some items and left some, but must be at least 2")
    asked = random.permutation(able)[:ASKED]
    usual, tastes = indifferent(vectors), dict.fromkeys(asked.tolist())
    for _ in range(ROUNDS):
        others = random.permutation(len(vectors))
        found = []
        for row in tastes:
            liked = bought[row]
            rest = np.setdiff1d(others[: FEWER + len(liked)], liked)
            tastes[row] = fold_in_among(vectors[liked], vectors[rest], usual, start=tastes[row])
            found.append(unknown(tastes[row], vectors[liked], vectors[rest], usual))
        fitted = np.stack(list(tastes.values())).astype(np.float64)
        covariance = np.cov(fitted, rowvar=False, bias=True).reshape(fitted.shape[1], -1) + np.mean(found, 0)
        usual = Usual(fitted.mean(0), np.linalg.inv(covariance))
    return usual


def indifferent(vectors: Floats) -> Usual:
    """Tastes that are spread around none, the less in a direction the more the vectors are."""
    variance = vectors.var(0, dtype=np.float64)
    return Usual(np.zeros(vectors.shape[1]), np.diag(np.maximum(variance, 1e-6 * variance.max())))


def unknown(taste: Floats, liked: Floats, others: Floats, usual: Usual) -> Array:
    """The covariance [L, L] of what is not known of a fitted taste [L]: all of it where nothing says anything."""
    prior = usual.prior(len(liked))
    parts = (part.astype(np.float64) for part in (taste, liked, others))
    _, curvature = derivatives(*parts, prior)
    return np.linalg.inv(curvature) * usual.weight(len(liked))


def settled(vectors: Floats, bought: Sequence[Whole], usual: Usual, *, seed: int = 0) -> Floats:
    """The taste [U, L] of everybody; of whom nothing is known, or who has bought everything, the usual one."""
    others = np.random.default_rng(seed).permutation(len(vectors))[:OTHERS]
    tastes = np.tile(usual.mean.astype(np.float32), (len(bought), 1))
    for row, liked in enumerate(bought):
        rest = np.setdiff1d(others, liked)
        if len(liked) and len(rest):
            tastes[row] = fold_in_among(vectors[liked], vectors[rest], usual)
    return tastes
