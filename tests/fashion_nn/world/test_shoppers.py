"""Shoppers: what they buy follows their stated taste, and popularity says little."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fashion_nn.world.config import WorldConfig
from fashion_nn.world.garments import draw_garment
from fashion_nn.world.population import item_category, item_spec, people
from fashion_nn.world.shoppers import Shopper, preference, sample_purchases
from fashion_nn.world.specs import CATEGORIES
from fashion_nn.world.tastes import FEATURES, looks

CONFIG = WorldConfig(items_per_category=40, item_size=64, shoppers=200)


@pytest.fixture(scope="module")
def seen() -> np.ndarray:
    pictures = [np.asarray(draw_garment(item_spec(CONFIG, k), height=64, width=64)[0]) for k in range(CONFIG.items)]
    return looks(torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2) / 127.5 - 1).numpy()


def auc(scores: np.ndarray, bought: int, others: np.ndarray) -> float:
    return float((scores[bought] > scores[others]).mean() + 0.5 * (scores[bought] == scores[others]).mean())


def test_true_taste_ranks_far_better_than_popularity(seen):
    shoppers, purchases = people(CONFIG, seen)
    baskets: dict[str, list[int]] = {}
    for user, item, _ in purchases:
        baskets.setdefault(user, []).append(int(item[1:]))
    popularity = np.bincount([i for basket in baskets.values() for i in basket[:-1]], minlength=len(seen))
    categories = item_category(np.arange(len(seen)))
    truth, popular, looks_alone = [], [], []
    for shopper in shoppers:
        *_, last = basket = baskets[shopper.user_id]
        others = np.setdiff1d(np.arange(len(seen)), basket)
        liking = preference(shopper, seen, categories)
        truth.append(auc(liking, last, others))
        popular.append(auc(popularity, last, others))
        same = others[categories[others] == categories[last]]
        looks_alone.append(auc(liking, last, same))
    assert np.mean(truth) >= 0.9
    assert np.mean(popular) <= 0.65
    assert np.mean(looks_alone) >= 0.8


def test_a_shopper_buys_different_things_of_one_figure(seen):
    shoppers, purchases = people(replace(CONFIG, shoppers=20), seen)
    for shopper in shoppers:
        bought = [int(item[1:]) for user, item, _ in purchases if user == shopper.user_id]
        assert len(bought) >= 5 and len(set(bought)) == len(bought)
        assert len({CATEGORIES[item_category(k)].split("-")[0] for k in bought}) == 1
        assert sum(shopper.mix.values()) == pytest.approx(1, abs=1e-3)


def test_purchases_are_in_order_of_time(seen):
    _, purchases = people(replace(CONFIG, shoppers=20), seen)
    assert purchases == sorted(purchases, key=lambda row: (row[0], row[2]))


def test_a_shopper_does_not_depend_on_how_many_others_there_are(seen):
    few, _ = people(replace(CONFIG, shoppers=3), seen)
    many, _ = people(replace(CONFIG, shoppers=30), seen)
    assert few == many[:3]


def test_preference_is_utility_plus_the_mix_of_categories():
    taste = dict.fromkeys(FEATURES, 0.0) | {"red": 2.0}
    mix = dict.fromkeys(CATEGORIES, 0.0) | {"men-tops": 0.25, "men-shoes": 0.75}
    items = np.zeros((3, len(FEATURES)))
    items[:, FEATURES.index("red")] = (1.0, 0.5, 1.0)
    liking = preference(Shopper(user_id="u", taste=taste, mix=mix), items, np.array([0, 2, 3]))
    assert liking[:2] == pytest.approx([2 + np.log(0.25), 1 + np.log(0.75)])
    assert liking[2] == -np.inf


def test_what_is_never_bought_is_never_drawn():
    liking = np.array([0.0, -np.inf, 1.0, -np.inf])
    for seed in range(20):
        assert set(sample_purchases(np.random.default_rng(seed), liking, 4)) == {0, 2}
