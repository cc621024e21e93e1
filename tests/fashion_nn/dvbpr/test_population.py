"""How tastes are spread, told from what was bought alone: against tastes that are known because they were drawn."""

from pathlib import Path

import numpy as np
import pytest

from fashion_nn.dvbpr.fold_in import Usual
from fashion_nn.dvbpr.population import indifferent, settled, spread

WIDTHS = np.array([3.0, 1.0, 1.0, 0.2, 0.2, 0.2])  # of true tastes: the later parts hardly matter to anybody
MEAN = np.array([0.0, 2.0, 0.0, 0.0, 0.0, 0.0])  # ... and the second one everybody likes


def population(users: int = 150, items: int = 400, bought: int = 8) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Vectors [n, 6], true tastes [U, 6] and what they made each buy, with chance beside them."""
    random = np.random.default_rng(0)
    vectors = random.normal(size=(items, 6)).astype(np.float32)
    tastes = MEAN + WIDTHS * random.normal(size=(users, 6))
    liking = tastes @ vectors.T + random.gumbel(size=(users, items))
    return vectors, tastes, [np.sort(row) for row in np.argsort(-liking, axis=1)[:, :bought]]


def nearness(found: np.ndarray, true: np.ndarray) -> float:
    """The mean cosine."""
    return float(((found * true).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(true, axis=1)).mean())


def test_what_matters_to_people_is_found_in_what_they_bought() -> None:
    vectors, _, bought = population()
    usual = spread(vectors, bought)
    widths = np.sqrt(np.diag(np.linalg.inv(usual.precision)))
    assert widths[0] > 1.5 * widths[1:].max() and widths[1:3].min() > 1.2 * widths[3:].max()
    assert usual.mean.argmax() == 1 and usual.mean[1] > 3 * np.abs(np.delete(usual.mean, 1)).max()


def test_tastes_under_the_spread_are_nearer_to_the_true_ones() -> None:
    vectors, tastes, bought = population(bought=3)
    under, plain = (settled(vectors, bought, usual) for usual in (spread(vectors, bought), indifferent(vectors)))
    assert nearness(under, tastes) > nearness(plain, tastes) + 0.02


def test_it_tells_the_same_about_parts_of_another_length() -> None:
    vectors, _, bought = population(users=60)
    scale = np.array([10, 1, 0.1, 1, 1, 1], np.float32)
    scores = [settled(each, bought, spread(each, bought)) @ each.T for each in (vectors, vectors * scale)]
    np.testing.assert_allclose(*scores, rtol=1e-2, atol=1e-2)


def test_of_whom_nothing_is_known_the_usual_is_taken() -> None:
    vectors, _, bought = population(users=20)
    usual = spread(vectors, [*bought, np.empty(0, np.int64)])
    found = settled(vectors, [np.empty(0, np.int64), bought[0], np.arange(len(vectors))], usual)
    np.testing.assert_allclose(found[[0, 2]], np.tile(usual.mean, (2, 1)), rtol=1e-6)
    assert np.abs(found[1] - usual.mean).max() > 0.1


def test_a_spread_that_was_saved_is_the_same(tmp_path: Path) -> None:
    vectors, _, bought = population(users=20)
    usual = spread(vectors, bought)
    usual.save(tmp_path / "population.safetensors")
    again = Usual.load(tmp_path / "population.safetensors")
    assert np.array_equal(again.mean, usual.mean) and np.array_equal(again.precision, usual.precision)


def test_one_shopper_has_no_spread() -> None:
    vectors, _, bought = population(users=1)
    with pytest.raises(ValueError, match=r"1 shoppers .* must be at least 2"):
        spread(vectors, [*bought, np.empty(0, np.int64), np.arange(len(vectors))])
