"""AUC, recall and nDCG against slow and obvious ones, and against numbers worked out by hand."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fashion_nn.datasets.catalogue import read_catalogue
from fashion_nn.datasets.split import Split, leave_one_out
from fashion_nn.metrics.ranking import auc, scores_by_chance, scores_by_popularity, scores_by_taste, standings

ITEMS = 9


def split_of(train: list[list[int]], validation: list[int], test: list[int]) -> Split:
    return Split(
        train=[np.array(items, np.int64) for items in train],
        validation=np.array(validation),
        test=np.array(test),
    )


def scores_of(table: list[list[float]]):
    return lambda users: torch.tensor(table)[torch.as_tensor(users)]


def brute_force(table: np.ndarray, split: Split, which: str, *, cold: bool) -> list[float]:
    values = []
    for user, held_out in enumerate(getattr(split, which)):
        trained = sum(held_out in items.tolist() for items in split.train)
        if held_out < 0 or (cold and trained >= 5):
            continue
        own = {*split.train[user].tolist(), split.validation[user], split.test[user]}
        wins = [
            1.0 if score < table[user, held_out] else 0.5 if score == table[user, held_out] else 0.0
            for item, score in enumerate(table[user])
            if item not in own
        ]
        if wins:
            values.append(sum(wins) / len(wins))
    return values


@st.composite
def rankings(draw):
    """A split of up to 12 users over ITEMS items, and scores with many ties."""
    n_users = draw(st.integers(1, 12))
    train, validation, test = [], [], []
    for _ in range(n_users):
        order = draw(st.permutations(range(ITEMS)))
        held, count = draw(st.booleans()), draw(st.integers(2, ITEMS))
        validation.append(order[0] if held else -1)
        test.append(order[1] if held else -1)
        train.append(sorted(order[2 if held else 0 : count]))
    scores = draw(
        st.lists(
            st.lists(st.integers(0, 4).map(float), min_size=ITEMS, max_size=ITEMS),
            min_size=n_users,
            max_size=n_users,
        )
    )
    return split_of(train, validation, test), scores


@given(rankings(), st.sampled_from(["test", "validation"]), st.booleans(), st.integers(1, 5))
def test_it_is_what_the_obvious_loop_gives(ranking, which, cold, chunk):
    split, table = ranking
    expected = brute_force(np.array(table), split, which, cold=cold)
    result = auc(scores_of(table), split, which=which, cold=cold, chunk=chunk)
    assert result.users == len(expected)
    if expected:
        assert result.value == pytest.approx(np.mean(expected), abs=1e-12)
    else:
        assert math.isnan(result.value)


def test_by_hand():
    # One user with 0 and 1 in training, 2 for validation, 3 for test. Unobserved: 4, 5, 6.
    split = split_of([[0, 1]], [2], [3])
    table = [[9.0, 9.0, 9.0, 2.0, 1.0, 2.0, 3.0]]  # test: one below, one equal, one above
    assert auc(scores_of(table), split).value == 0.5
    table[0][6] = 0.0
    assert auc(scores_of(table), split).value == pytest.approx(2.5 / 3)
    assert auc(scores_of(table), split, which="validation").value == 1.0


def test_taste_and_looks_score_by_their_product():
    split = split_of([[0], [1]], [1, 2], [2, 0])
    taste = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    looks = torch.tensor([[0.0, 5.0], [0.0, 0.0], [3.0, 0.0], [1.0, 1.0], [4.0, 9.0]])
    # The first likes item 2 (3) over 3 (1), not over 4 (4); the second item 0 (5) over 3 (1), not 4 (9).
    assert auc(scores_by_taste(taste, looks), split).value == 0.5


def test_popularity_is_the_count_in_training():
    split = split_of([[0, 1], [0], [0, 1]], [-1, 2, -1], [-1, 1, -1])
    # User 1: item 1 (2 interactions) against 3 and 4 (none each).
    result = auc(scores_by_popularity(split, 5), split)
    assert (result.value, result.users) == (1.0, 1)


def test_cold_items_have_fewer_than_five_training_interactions():
    users = 7
    train = [[0]] * 5 + [[1]] * 2
    test = [1] * 5 + [0] * 2  # item 0 has 5 training interactions, item 1 has 2
    split = split_of(train, [2] * users, test)
    scores = scores_by_popularity(split, 4)
    assert auc(scores, split).users == 7 and auc(scores, split, cold=True).users == 5


def test_chance_is_a_half():
    random = np.random.default_rng(0)
    orders = [random.permutation(50) for _ in range(400)]
    split = split_of([o[2:6] for o in orders], [o[0] for o in orders], [o[1] for o in orders])
    table = torch.from_numpy(random.random((400, 50)))
    assert auc(lambda users: table[users], split).value == pytest.approx(0.5, abs=0.05)  # 3.5 deviations


def test_wrong_arguments_say_what_is_wrong():
    split = split_of([[0]], [1], [2])
    with pytest.raises(ValueError, match="neither 'test' nor 'validation'"):
        auc(scores_of([[0.0] * 4]), split, which="train")
    with pytest.raises(ValueError, match="not finite"):
        auc(scores_of([[0.0, 0.0, math.nan, 0.0]]), split)
    with pytest.raises(ValueError, match="do not cover"):
        auc(scores_of([[0.0, 0.0]]), split)
    with pytest.raises(ValueError, match="do not cover"):
        auc(lambda users: torch.zeros(3, 9), split)


def test_popularity_on_the_real_catalogue_is_the_obvious_loops(real_data):
    catalogue = read_catalogue(real_data / "clothing")
    split = leave_one_out(catalogue, seed=0, order="last")
    scores = scores_by_popularity(split, len(catalogue))
    table = scores(np.arange(2400)).numpy()
    expected = []
    for user, held_out in enumerate(split.test):
        others = np.ones(len(catalogue), bool)
        others[[*split.train[user], split.validation[user], held_out]] = False
        own, rest = table[user, held_out], table[user, others]
        expected.append((rest < own).mean() + (rest == own).mean() / 2)
    assert auc(scores, split).value == pytest.approx(np.mean(expected), abs=1e-12)
    assert auc(scores, split).value == pytest.approx(0.597, abs=5e-4)


def places_of(table: np.ndarray, user: int, item: int, own: set[int]) -> list[int]:
    """Every place that `item` may have among what the user has not, first is 1: one where no score ties."""
    others = [score for at, score in enumerate(table[user]) if at not in own]
    above = sum(score > table[user, item] for score in others)
    return list(range(above + 1, above + 2 + sum(score == table[user, item] for score in others)))


@given(rankings(), st.sampled_from(["test", "validation"]), st.integers(1, 6))
def test_recall_and_ndcg_are_their_means_over_all_orders_of_ties(ranking, which, depth):
    split, table = ranking
    found = standings(scores_of(table), split, which=which)
    for row, (user, item) in enumerate(zip(found.users, found.items, strict=True)):
        own = {*split.train[user].tolist(), split.validation[user], split.test[user]}
        places = places_of(np.array(table), user, item, own)
        inside = [place for place in places if place <= depth]
        assert found.recall(depth)[row] == pytest.approx(len(inside) / len(places))
        assert found.ndcg(depth)[row] == pytest.approx(sum(1 / math.log2(1 + p) for p in inside) / len(places))


def test_recall_and_ndcg_by_hand():
    # Item 3 is the test item; 4 and 5 are above it, 6 below. What is in training or validation takes no place.
    split = split_of([[0, 1]], [2], [3])
    found = standings(scores_of([[9.0, 9.0, 9.0, 2.0, 3.0, 4.0, 1.0]]), split)
    assert (found.above, found.equal, found.below) == (2, 0, 1)
    assert found.recall(2) == 0 and found.recall(3) == 1
    assert found.ndcg(2) == 0 and found.ndcg(3) == pytest.approx(1 / 2)


@given(rankings(), st.integers(1, 5))
def test_some_users_stand_as_they_do_among_all(ranking, chunk):
    split, table = ranking
    every = standings(scores_of(table), split)
    wanted = np.arange(0, len(table), 2)
    found = standings(scores_of(table), split, users=wanted, chunk=chunk)
    kept = every.of(np.isin(every.users, wanted))
    assert np.array_equal(found.users, kept.users) and np.array_equal(found.above, kept.above)


def test_cold_standings_are_those_of_cold_items():
    split = split_of([[0]] * 5 + [[1]] * 2, [2] * 7, [1] * 5 + [0] * 2)
    scores = scores_by_popularity(split, 4)
    every, cold = standings(scores, split).cold(split), standings(scores, split, cold=True)
    assert np.array_equal(every.users, cold.users) and np.array_equal(every.auc(), cold.auc())


def test_chance_is_the_same_for_a_user_whoever_is_asked_with_them():
    scores = scores_by_chance(3, 10)
    together, alone = scores(np.array([4, 7])), scores(np.array([7]))
    assert torch.equal(together[1], alone[0]) and not torch.equal(together[0], together[1])
    assert not torch.equal(scores_by_chance(4, 10)(np.array([7])), alone)
