"""The fold-in of somebody new: the optimum itself, what it is good for, and what it refuses."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from fashion_nn.dvbpr.fold_in import Prior, Usual, derivatives, fold_in, fold_in_among, objective


def looks(n: int, k: int = 6, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, k)).astype(np.float32)


def slow_fold_in(liked: np.ndarray, others: np.ndarray, decay: float) -> np.ndarray:
    """The same by autograd over the full table of pairs."""
    differences = torch.from_numpy(liked[:, None] - others[None]).double()
    taste = torch.zeros(liked.shape[1], dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([taste], max_iter=500, tolerance_grad=1e-10, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        value = -F.logsigmoid(differences @ taste).mean() + 0.5 * decay * taste.square().sum()
        value.backward()
        return value

    optimiser.step(loss)
    return taste.detach().numpy()


@pytest.mark.parametrize("decay", [1.0, 0.01, 1e-4])
def test_it_is_the_optimum_that_autograd_finds(decay: float) -> None:
    liked, others = looks(5, seed=1) + 0.5, looks(40, seed=2)
    np.testing.assert_allclose(
        fold_in(liked, others, decay=decay), slow_fold_in(liked, others, decay), atol=2e-3, rtol=2e-3
    )


def test_derivatives_are_those_of_the_objective() -> None:
    liked, others = looks(3, seed=3).astype(np.float64), looks(7, seed=4).astype(np.float64)
    taste, h = looks(1, seed=5)[0].astype(np.float64), 1e-5
    prior = Prior(looks(1, seed=11)[0].astype(np.float64), np.diag([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]) + 0.05)
    slope, curvature = derivatives(taste, liked, others, prior)
    for axis, direction in enumerate(np.eye(6)):
        up, down = taste + h * direction, taste - h * direction
        numeric = (objective(up, liked, others, prior) - objective(down, liked, others, prior)) / (2 * h)
        bend = derivatives(up, liked, others, prior)[0] - derivatives(down, liked, others, prior)[0]
        assert slope[axis] == pytest.approx(numeric, abs=1e-7)
        np.testing.assert_allclose(curvature[axis], bend / (2 * h), atol=1e-7)


def test_it_recovers_the_direction_of_a_taste_from_what_it_would_like() -> None:
    true, catalogue = looks(1, 8, seed=6)[0], looks(500, 8, seed=7)
    best = np.argsort(-(catalogue @ true))
    found = fold_in(catalogue[best[:20]], catalogue[best[20:]], decay=0.01)
    cosine = found @ true / (np.linalg.norm(found) * np.linalg.norm(true))
    assert cosine > 0.9


def test_one_like_is_enough_and_is_ranked_first() -> None:
    catalogue = looks(100, 8, seed=8)
    found = fold_in(catalogue[:1], catalogue[1:], decay=0.01)
    assert np.argmax(catalogue @ found) == 0


def test_a_strong_decay_keeps_the_taste_small() -> None:
    liked, others = looks(5, seed=9), looks(50, seed=10)
    norms = [np.linalg.norm(fold_in(liked, others, decay=decay)) for decay in (0.01, 1.0, 100.0)]
    assert norms == sorted(norms, reverse=True) and norms[-1] < 0.02


def test_looks_that_are_all_alike_give_no_taste() -> None:
    same = np.ones((4, 3), dtype=np.float32)
    assert not fold_in(same, same, decay=1.0).any()


def test_looks_far_from_one_another_do_not_overflow() -> None:
    found = fold_in(looks(3) * 1e4, looks(9, seed=1) * 1e4, decay=1e-3)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("decay", [0.0, -1.0, float("nan")])
def test_a_decay_that_is_not_positive_is_refused(decay: float) -> None:
    with pytest.raises(ValueError, match="decay"):
        fold_in(looks(1), looks(2), decay=decay)


def test_no_looks_and_broken_looks_are_refused() -> None:
    with pytest.raises(ValueError, match="0 liked"):
        fold_in(looks(0), looks(2), decay=1.0)
    with pytest.raises(ValueError, match="finite"):
        fold_in(looks(1) * np.nan, looks(2), decay=1.0)


def shoppers(count: int, k: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """A catalogue [300, k], and tastes [count, k] that mind two of the k axes alone."""
    random = np.random.default_rng(12)
    tastes = random.normal(size=(count, k)) * np.array([2.0, 2.0] + [0.05] * (k - 2))
    return looks(300, k, seed=13), tastes.astype(np.float32)


def test_one_like_says_more_where_it_is_known_what_tastes_mind() -> None:
    catalogue, tastes = shoppers(120)
    usual = Usual.of(tastes[:100])
    with_it, without = [], []
    for taste in tastes[100:]:
        best = np.argsort(-(catalogue @ taste))
        liked, others = catalogue[best[:1]], catalogue[best[1:]]
        with_it.append(cosine(fold_in_among(liked, others, usual), taste))
        without.append(cosine(fold_in(liked, others, decay=0.01), taste))
    assert np.mean(with_it) > max(0.8, np.mean(without) + 0.1)


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))


def test_who_tells_much_is_believed_over_what_is_usual() -> None:
    catalogue, tastes = shoppers(100)
    usual, odd = Usual.of(tastes), np.array([0.0, 0.0, 3.0, 0.0, 0.0, 0.0, 0.0, 0.0], np.float32)
    best = np.argsort(-(catalogue @ odd))
    found = [cosine(fold_in_among(catalogue[best[:n]], catalogue[best[n:]], usual), odd) for n in (1, 40)]
    assert found[0] < found[1] and found[1] > 0.8


def test_it_does_not_matter_on_what_scale_looks_and_tastes_are() -> None:
    catalogue, tastes = shoppers(100)
    plain = fold_in_among(catalogue[:3], catalogue[3:], Usual.of(tastes))
    scaled = fold_in_among(100 * catalogue[:3], 100 * catalogue[3:], Usual.of(tastes / 100))
    np.testing.assert_allclose(scaled * 100, plain, rtol=1e-3, atol=1e-4)


def test_fewer_tastes_than_dimensions_still_tell_what_is_usual() -> None:
    catalogue, tastes = shoppers(3)
    assert np.isfinite(fold_in_among(catalogue[:2], catalogue[2:], Usual.of(tastes))).all()


@pytest.mark.parametrize(
    ("tastes", "complaint"),
    [(np.ones((1, 3)), "at least 2"), (np.full((4, 3), np.nan), "finite"), (np.ones((4, 3)), "all alike")],
)
def test_tastes_that_tell_nothing_are_refused(tastes: np.ndarray, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Usual.of(tastes)


def test_where_it_starts_changes_nothing_but_the_time() -> None:
    catalogue, usual = looks(60, seed=21), Usual.of(looks(30, seed=22))
    plain = fold_in_among(catalogue[:3], catalogue[3:], usual)
    near = fold_in_among(catalogue[:3], catalogue[3:], usual, start=looks(1, seed=23)[0])
    np.testing.assert_allclose(near, plain, atol=1e-3)
