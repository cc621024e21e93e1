"""Peers learn what is there to learn, and are tuned on the validation items alone."""

from functools import partial

import numpy as np
import pytest
import torch

from fashion_nn.datasets.split import Split
from fashion_nn.metrics.ranking import scores_by_chance
from training.errors import TrainingError
from training.evaluate import peers

USERS, ITEMS = 40, 60
EVERYBODY = np.arange(USERS)


@pytest.fixture
def split() -> Split:
    """Even users buy even items and odd ones odd; the last two of each kind are nobody's in training."""
    random = np.random.default_rng(0)
    train, validation, test = [], [], []
    for user in range(USERS):
        *bought, held = random.permutation(np.arange(user % 2, ITEMS - 4, 2))[:12]
        train.append(np.sort(bought))
        validation.append(held)
        test.append(ITEMS - 4 + 2 * (user // 2 % 2) + user % 2)
    return Split(train=train, validation=np.array(validation), test=np.array(test))


@pytest.fixture
def features() -> torch.Tensor:
    """Which kind an item is of, beside noise."""
    noise = torch.randn(ITEMS, 4, generator=torch.Generator().manual_seed(0)) / 4
    return torch.cat([noise, (torch.arange(ITEMS) % 2 * 2.0 - 1)[:, None]], dim=1)


def test_bpr_mf_learns_who_buys_what_and_a_seed_says_it_all(split: Split) -> None:
    pytest.importorskip("implicit", reason="needs the extra 'peers'")
    fit = partial(peers.bpr_mf, split, ITEMS, factors=8, learning_rate=0.1, regularization=0.01, iterations=100)
    assert knowing(fit(seed=1), np.arange(ITEMS - 4)) > 0.95
    assert torch.equal(fit(seed=1)(EVERYBODY), fit(seed=1)(EVERYBODY))
    assert not torch.equal(fit(seed=1)(EVERYBODY), fit(seed=2)(EVERYBODY))


def test_vbpr_knows_by_their_features_items_that_nobody_bought(split: Split, features: torch.Tensor) -> None:
    pytest.importorskip("cornac", reason="needs the extra 'peers'")
    fit = partial(peers.vbpr, split, factors=4, seed=1, learning_rate=0.02, lambda_w=0.01, n_epochs=40)
    never_bought = np.arange(ITEMS - 4, ITEMS)
    assert knowing(fit(features), never_bought) > 0.95
    assert knowing(fit(features[:, :4]), never_bought) < 0.8
    assert torch.equal(fit(features)(EVERYBODY), fit(features)(EVERYBODY))


def knowing(scores: peers.Scores, items: np.ndarray) -> float:
    """The share of users who are thought to like their own kind of these items better than the other."""
    table = scores(EVERYBODY)[:, items]
    odd = table[:, items % 2 == 1].mean(1) > table[:, items % 2 == 0].mean(1)
    return float((odd.numpy() == (EVERYBODY % 2 == 1)).mean())


def test_an_epoch_has_every_purchase_once_and_never_sets_it_against_another(split: Split) -> None:
    users, items = peers.pairs(split)
    batches = list(peers.triplets(users, items, ITEMS, np.random.default_rng(0), 50))
    drawn = np.concatenate([np.stack(batch) for batch in batches], axis=1)
    assert max(len(batch[0]) for batch in batches) == 50
    assert sorted(zip(*drawn[:2].tolist(), strict=True)) == sorted(zip(users.tolist(), items.tolist(), strict=True))
    assert not any(negative in split.train[user] for user, _, negative in drawn.T)
    assert len(np.unique(drawn[2])) > ITEMS / 2


def test_the_validation_items_choose(split: Split) -> None:
    """A setting that knows the test items, and one that knows the validation items: the latter is taken."""
    knowing = {0.0: split.test, 1.0: split.validation}

    def fit(which: float) -> peers.Scores:
        table = scores_by_chance(0, ITEMS)(EVERYBODY)
        table[EVERYBODY, knowing[which]] = 2.0
        return lambda users: table[users]

    told: list[str] = []
    choice = peers.best_of({"which": (0.0, 1.0)}, fit, split, told.append)
    assert (choice.chosen, choice.validation_auc, choice.tried) == ({"which": 1.0}, 1.0, 2)
    assert len(told) == 2 and "scores" not in choice.told()


def test_a_peer_that_is_not_installed_is_named_with_its_extra() -> None:
    with pytest.raises(TrainingError, match=r"peers need nobodys_library: pip install -e '.\[peers\]'"):
        peers.needed("nobodys_library.part")
