"""The taste of somebody new, from the looks of what they like: BPR for one θ with Φ fixed.

Training minimises, per triplet, −log σ(θ·(Φ(X_i) − Φ(X_j))) + λ_θ/2 ‖θ‖² (Kang et al., ICDM 2017, eq. 4). With
Φ fixed and every liked i set against every other j this is strictly convex in θ, so that a few Newton steps find
the one optimum. λ_θ alone says little about whoever has told one or two likes: `fold_in_among` takes the new taste
to be of the kind of those that were trained, until the likes say otherwise.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

OTHERS = 2048  # looks that liked ones need be set against, at most
TRUST = 0.3  # in what is usual, against one like; 0.2 to 0.5 rank new shoppers' items about equally well

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Prior:
    """What is taken for granted about a taste: the penalty ½ (θ − centre)ᵀ precision (θ − centre)."""

    centre: Array  # [K]
    precision: Array  # [K, K], positive definite


@dataclass(frozen=True, slots=True)
class Usual:
    """How tastes are usually: the mean [K] and the inverse covariance [K, K] of those that were trained."""

    mean: Array
    precision: Array

    @classmethod
    def of(cls, tastes: NDArray[np.floating]) -> "Usual":
        """Of trained tastes [U, K]. With few of them the covariance is drawn towards a multiple of the unit matrix.

        Raises ValueError for fewer than two tastes, ones that are not finite, or ones that are all alike.
        """
        n, k = tastes.shape
        if n < 2 or not np.isfinite(tastes).all():
            raise ValueError(f"{n} tastes: must be at least 2, and finite")
        covariance = np.cov(tastes.astype(np.float64), rowvar=False).reshape(k, k)
        variance = np.trace(covariance) / k
        if not variance > 0:
            raise ValueError(f"{n} tastes that are all alike: they say nothing about others")
        share = k / (k + n)
        covariance = (1 - share) * covariance + share * variance * np.eye(k)
        return cls(tastes.mean(0, dtype=np.float64), np.linalg.inv(covariance))

    def save(self, path: Path) -> None:
        """As safetensors."""
        save_file({"mean": self.mean, "precision": self.precision}, path)

    @classmethod
    def load(cls, path: Path) -> "Usual":
        """What `save` wrote."""
        return cls(**load_file(path))

    def weight(self, likes: int) -> float:
        """Against the mean over somebody's likes, when so many are told: the more, the less."""
        return TRUST / likes

    def prior(self, likes: int) -> Prior:
        """For somebody who has told so many likes."""
        return Prior(self.mean, self.precision * self.weight(likes))


def fold_in(
    liked: NDArray[np.floating],
    others: NDArray[np.floating],
    *,
    decay: float,
) -> NDArray[np.float32]:
    """The taste [K] that ranks the looks `liked` [n, K] before the looks `others` [m, K]; `decay` is λ_θ > 0.

    Raises ValueError for no looks, looks that are not finite, or a decay that is not positive.
    """
    if not decay > 0:
        raise ValueError(f"decay is {decay}, but must be above 0")
    k = liked.shape[1]
    return _optimum(liked, others, Prior(np.zeros(k), decay * np.eye(k)))


def fold_in_among(
    liked: NDArray[np.floating],
    others: NDArray[np.floating],
    usual: Usual,
    *,
    start: NDArray[np.floating] | None = None,
) -> NDArray[np.float32]:
    """The same for somebody whose taste is of the kind of `usual`, and so on the scale of these.

    start: a taste [K] near the optimum, from which it is found sooner. Raises ValueError for no looks, or looks that
    are not finite.
    """
    return _optimum(liked, others, usual.prior(max(1, len(liked))), start=start)


def _optimum(
    liked: NDArray[np.floating],
    others: NDArray[np.floating],
    prior: Prior,
    *,
    start: NDArray[np.floating] | None = None,
    iterations: int = 30,
    tolerance: float = 1e-9,
) -> NDArray[np.float32]:
    """By Newton's method from the centre of the prior, or from `start`."""
    if not len(liked) or not len(others) or not (np.isfinite(liked).all() and np.isfinite(others).all()):
        raise ValueError(f"{len(liked)} liked and {len(others)} other looks: both must be some, and finite")
    likes, rest = liked.astype(np.float64), others.astype(np.float64)
    taste = prior.centre if start is None else start.astype(np.float64)
    for _ in range(iterations):
        slope, curvature = derivatives(taste, likes, rest, prior)
        step = np.linalg.solve(curvature, slope)
        if slope @ step < tolerance:  # twice what is left to gain
            break
        taste = _backtrack(taste, step, slope, likes, rest, prior)
    return taste.astype(np.float32)


def objective(taste: Array, liked: Array, others: Array, prior: Prior) -> float:
    """Mean over all pairs (i, j) of −log σ(θ·(φ_i − φ_j)), plus the prior's penalty."""
    margins, away = (liked @ taste)[:, None] - (others @ taste)[None, :], taste - prior.centre
    losses = np.log1p(np.exp(-np.abs(margins))) - np.minimum(margins, 0.0)  # in a third of logaddexp's time
    return float(losses.mean() + 0.5 * away @ prior.precision @ away)


def derivatives(taste: Array, liked: Array, others: Array, prior: Prior) -> tuple[Array, Array]:
    """Gradient [K] and Hessian [K, K] of the objective, without a table of all n·m differences."""
    margins = (liked @ taste)[:, None] - (others @ taste)[None, :]
    small = np.exp(-np.abs(margins))
    share = 1 / (1 + small)
    wrong = np.where(margins > 0, small, 1.0) * share / margins.size  # σ(−margin), the pairs' share of the gradient
    bend = small * share**2 / margins.size  # σ(margin) · σ(−margin)
    slope = others.T @ wrong.sum(0) - liked.T @ wrong.sum(1) + prior.precision @ (taste - prior.centre)
    mixed = liked.T @ bend @ others
    curvature = (liked.T * bend.sum(1)) @ liked + (others.T * bend.sum(0)) @ others - mixed - mixed.T
    return slope, curvature + prior.precision


def _backtrack(taste: Array, step: Array, slope: Array, liked: Array, others: Array, prior: Prior) -> Array:
    """The Newton step, halved until it gains a fair share of what its slope promises (Armijo's rule)."""
    before, length = objective(taste, liked, others, prior), 1.0
    while length > 1e-4:
        candidate = taste - length * step
        if objective(candidate, liked, others, prior) <= before - 1e-4 * length * (slope @ step):
            return candidate
        length /= 2
    return taste
