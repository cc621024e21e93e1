"""Folded tastes know as much as they were told."""

import numpy as np

from fashion_nn.datasets.split import Split
from fashion_nn.dvbpr.fold_in import Usual
from training.evaluate.newcomers import TOLD, folded, newcomers, some

ITEMS = 200
USUAL = Usual.of(2 * np.random.default_rng(1).normal(size=(50, 4)))  # as tastes are drawn below


def world(users: int = 30) -> tuple[np.ndarray, Split]:
    """Looks, and shoppers who bought the best of twenty items each by a taste of their own."""
    random = np.random.default_rng(0)
    looks = random.normal(size=(ITEMS, 4)).astype(np.float32)
    bought = []
    for _ in range(users):
        liking = looks @ random.normal(size=4) * 2 + random.gumbel(size=ITEMS)
        bought.append(random.permutation(np.argsort(-liking)[:14]))
    return looks, Split(
        train=[np.sort(items[2:]) for items in bought],
        validation=np.array([items[0] for items in bought]),
        test=np.array([items[1] for items in bought]),
    )


def test_who_tells_more_is_known_better() -> None:
    looks, split = world()
    found = newcomers(looks, split, np.arange(30), USUAL, seed=0)
    assert [each.likes for each in found] == list(TOLD)
    assert [each.mean_likes for each in found] == [1, 2, 3, 5, 10, 12]
    first, last = found[0].auc.value, found[-1].auc.value
    assert 0.6 < first < last and last > 0.8


def test_who_tells_nothing_has_no_taste_and_who_likes_everything_neither() -> None:
    looks, _ = world()
    tastes, seconds = folded(looks, [np.array([], np.int64), np.arange(ITEMS), np.array([3])], USUAL, seed=0)
    assert not tastes[:2].any() and tastes[2].any() and len(seconds) == 1


def test_only_who_can_be_tested_is_asked_and_always_the_same_ones() -> None:
    _, split = world()
    split.test[:5] = -1
    split.train[7] = np.array([], np.int64)
    everybody = some(split, 100, seed=0)
    assert everybody.tolist() == [5, 6, *range(8, 30)]
    assert some(split, 4, seed=1).tolist() == some(split, 4, seed=1).tolist()
    assert set(some(split, 4, seed=1)) <= set(everybody) and len(some(split, 4, seed=1)) == 4
