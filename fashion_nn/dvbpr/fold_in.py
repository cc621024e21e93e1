"""The taste of somebody new, from the looks of what they like: BPR for one θ with Φ fixed.

Training minimises, per triplet, −log σ(θ·(Φ(X_i) − Φ(X_j))) + λ_θ/2 ‖θ‖² (Kang et al., ICDM 2017, eq. 4). With
Φ fixed and every liked i set against every other j this is strictly convex in θ, so that a few Newton steps find
the one optimum, and the taste lies on the scale of those that were trained.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def fold_in(
    liked: NDArray[np.floating],
    others: NDArray[np.floating],
    *,
    decay: float,
    iterations: int = 30,
    tolerance: float = 1e-9,
) -> NDArray[np.float32]:
    """The taste [K] that ranks the looks `liked` [n, K] before the looks `others` [m, K]; `decay` is λ_θ > 0.

    Raises ValueError for no looks, looks that are not finite, or a decay that is not positive.
    """
    if not decay > 0:
        raise ValueError(f"decay is {decay}, but must be above 0")
    if not len(liked) or not len(others) or not (np.isfinite(liked).all() and np.isfinite(others).all()):
        raise ValueError(f"{len(liked)} liked and {len(others)} other looks: both must be some, and finite")
    likes, rest = liked.astype(np.float64), others.astype(np.float64)
    taste = np.zeros(likes.shape[1])
    for _ in range(iterations):
        slope, curvature = derivatives(taste, likes, rest, decay)
        step = np.linalg.solve(curvature, slope)
        if slope @ step < tolerance:  # twice what is left to gain
            break
        taste = _backtrack(taste, step, slope, likes, rest, decay)
    return taste.astype(np.float32)


def objective(taste: Array, liked: Array, others: Array, decay: float) -> float:
    """Mean over all pairs (i, j) of −log σ(θ·(φ_i − φ_j)), plus λ_θ/2 ‖θ‖²."""
    margins = (liked @ taste)[:, None] - (others @ taste)[None, :]
    return float(np.logaddexp(0.0, -margins).mean() + 0.5 * decay * taste @ taste)


def derivatives(taste: Array, liked: Array, others: Array, decay: float) -> tuple[Array, Array]:
    """Gradient [K] and Hessian [K, K] of the objective, without a table of all n·m differences."""
    margins = (liked @ taste)[:, None] - (others @ taste)[None, :]
    wrong = np.exp(-np.logaddexp(0.0, margins)) / margins.size  # σ(−margin), the pairs' share of the gradient
    bend = wrong * np.exp(-np.logaddexp(0.0, -margins))
    slope = others.T @ wrong.sum(0) - liked.T @ wrong.sum(1) + decay * taste
    mixed = liked.T @ bend @ others
    curvature = (liked.T * bend.sum(1)) @ liked + (others.T * bend.sum(0)) @ others - mixed - mixed.T
    return slope, curvature + decay * np.eye(len(taste))


def _backtrack(taste: Array, step: Array, slope: Array, liked: Array, others: Array, decay: float) -> Array:
    """The Newton step, halved until it gains a fair share of what its slope promises (Armijo's rule)."""
    before, length = objective(taste, liked, others, decay), 1.0
    while length > 1e-4:
        candidate = taste - length * step
        if objective(candidate, liked, others, decay) <= before - 1e-4 * length * (slope @ step):
            return candidate
        length /= 2
    return taste
