import numpy as np
import pytest

from fashion_nn.metrics.distributions import frechet, kid, precision_recall, squared_mmd


def cloud(n: int, seed: int, *, shift: float = 0.0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal((n, 6)) + shift).astype(np.float32)


def test_the_estimate_is_the_direct_sum():
    first, second = cloud(4, 0), cloud(5, 1, shift=0.5)

    def k(x: np.ndarray, y: np.ndarray) -> float:
        return (float(np.dot(x.astype(float), y.astype(float))) / 6 + 1) ** 3

    expected = sum(k(first[i], first[j]) for i in range(4) for j in range(4) if i != j) / (4 * 3)
    expected += sum(k(second[i], second[j]) for i in range(5) for j in range(5) if i != j) / (5 * 4)
    expected -= 2 * sum(k(x, y) for x in first for y in second) / (4 * 5)
    assert squared_mmd(first, second) == pytest.approx(expected)


def test_sets_of_one_distribution_are_at_no_distance_whatever_their_size():
    for size in (10, 50):
        found = np.array([squared_mmd(cloud(size, 2 * i), cloud(size, 2 * i + 1)) for i in range(300)])
        assert abs(found.mean()) < 4 * found.std() / 300**0.5
        assert (found < 0).any(), "an unbiased estimate of zero falls below it"


def test_the_further_apart_the_larger():
    real = cloud(400, 0)
    near, far, further = (kid(real, cloud(400, 1, shift=shift), seed=0) for shift in (0.0, 0.3, 0.6))
    assert abs(near.mean) < 4 * near.error + 0.01
    assert near.mean + 4 * near.error < far.mean < further.mean - 4 * further.error
    assert kid(real, cloud(400, 1), seed=0) == near


def test_one_feature_is_too_few():
    with pytest.raises(ValueError, match="1 and 5 features: at least two"):
        squared_mmd(cloud(1, 0), cloud(5, 0))


def test_all_of_a_set_lies_among_itself():
    assert precision_recall(cloud(50, 0), cloud(50, 0)) == (1.0, 1.0)


def test_one_mode_of_two_is_precise_and_recalls_half():
    real = np.concatenate([cloud(100, 0), cloud(100, 1, shift=50.0)])
    precision, recall = precision_recall(real, cloud(200, 2), neighbours=5)
    assert precision > 0.9
    assert 0.4 < recall <= 0.5


def test_half_of_it_elsewhere_is_half_as_precise():
    generated = np.concatenate([cloud(100, 0), cloud(100, 1, shift=50.0)])
    precision, recall = precision_recall(cloud(200, 2), generated, neighbours=5)
    assert 0.4 < precision <= 0.5
    assert recall > 0.8


def test_balls_reach_to_the_kth_neighbour():
    real = np.array([[0.0], [1.0], [3.0]])
    generated = np.array([[4.5], [-1.5], [5.5], [9.0]])
    # one neighbour: balls of real are 0 ± 1, 1 ± 1, 3 ± 2; of generated 4.5 ± 1, −1.5 ± 6, 5.5 ± 1, 9 ± 3.5
    assert precision_recall(real, generated, neighbours=1) == (0.25, 1.0)
    # two: 0 ± 3, 1 ± 2, 3 ± 3
    assert precision_recall(real, generated, neighbours=2).precision == 0.75


def test_too_few_for_so_many_neighbours():
    with pytest.raises(ValueError, match="generated has 3 features, but must have more than 3"):
        precision_recall(cloud(9, 0), cloud(3, 0))


def test_the_frechet_distance_of_equal_sets_is_nothing_and_of_moved_ones_the_way_squared():
    features = np.random.default_rng(0).standard_normal((200, 5))
    assert frechet(features, features) == pytest.approx(0, abs=1e-8)
    assert frechet(features, features + np.array([3.0, 0, 0, 4.0, 0])) == pytest.approx(25, abs=1e-6)
    assert frechet(features, 2 * features) == pytest.approx(
        (features.mean(0) ** 2).sum() + np.trace(np.cov(features.T)), abs=1e-6
    )


def test_one_feature_has_no_frechet_distance():
    with pytest.raises(ValueError, match="generated has 1 features, but must have at least two"):
        frechet(np.ones((4, 2)), np.ones((1, 2)))
